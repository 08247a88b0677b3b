-- Completes several records in one transaction. What needs nothing special goes together; the rest one by one.
-- Nothing here waits for a row, so batches cannot block each other.
--
-- Arguments: those of complete, as arrays of one length, no key twice; the bytes of all in one value, with their lengths
-- Answers: ord (from 1), and what complete answers.
CREATE OR REPLACE FUNCTION retrysafe.complete_many(
  p_ks bytea[], p_fences bigint[], p_owners bytea[], p_offs bigint[], p_canonicals bytea[], p_lengths integer[],
  p_bytes bytea
) RETURNS TABLE (ord integer, kind text, followed boolean)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint := retrysafe.clock_ms();
  starts integer[];
  done integer[];
  marked integer[];
  at integer;
BEGIN
  SELECT pg_catalog.array_agg(before ORDER BY o) INTO starts FROM (
    SELECT o, 1 + sum(n) OVER (ORDER BY o) - n AS before FROM pg_catalog.unnest(p_lengths) WITH ORDINALITY AS u (n, o)
  ) AS sums;

  WITH ends AS (
    SELECT u.* FROM unnest(p_ks, p_fences, p_owners, p_offs, p_canonicals, p_lengths, starts)
      WITH ORDINALITY AS u (k, fence, owner, off, canonical, n, start, ord)
  ), mine AS MATERIALIZED (
    SELECT e.*, r.log_day
    FROM ends e JOIN retrysafe.record r ON r.k = e.k
    WHERE r.fence = e.fence AND r.owner = e.owner AND r.state = 'r' AND r.length_bytes = e.off AND e.n <= 65536
      AND NOT retrysafe.is_expired(r.state, r.expires_at_ms, r.lease_until_ms, r.lease_ms, now_ms)
      AND retrysafe.day_of(now_ms + r.retention_ms) <= r.log_day
    ORDER BY e.k
    FOR NO KEY UPDATE OF r SKIP LOCKED
  ), sealed AS (
    UPDATE retrysafe.record t SET
      state = 'c', canonical = coalesce(t.canonical, m.canonical), length_bytes = m.off + m.n,
      completed_at_ms = now_ms, expires_at_ms = now_ms + t.retention_ms
    FROM mine m WHERE t.k = m.k
  ), written AS (
    INSERT INTO retrysafe.log (day, k, fence, off, bytes)
    SELECT m.log_day, m.k, m.fence, m.off, substring(p_bytes FROM m.start FOR m.n) FROM mine m WHERE m.n > 0
  )
  SELECT pg_catalog.array_agg(m.ord::integer), pg_catalog.array_agg(m.ord::integer) FILTER (WHERE retrysafe.is_followed(m.k, now_ms))
  INTO done, marked FROM mine m;

  RETURN QUERY SELECT d, 'ok', d = ANY (coalesce(marked, '{}')) FROM pg_catalog.unnest(done) AS d;
  IF pg_catalog.cardinality(done) = pg_catalog.cardinality(p_ks) THEN RETURN; END IF;

  FOR at IN
    SELECT o FROM pg_catalog.generate_subscripts(p_ks, 1) AS o WHERE done IS NULL OR o <> ALL (done)
  LOOP
    RETURN QUERY SELECT at, c.* FROM retrysafe.complete(
      p_ks[at], p_fences[at], p_owners[at], p_offs[at], substring(p_bytes FROM starts[at] FOR p_lengths[at]),
      p_canonicals[at], false
    ) AS c;
  END LOOP;
END $$;
