-- Claims several keys in one transaction. New keys go in together, in the order of their names, so that no two batches
-- can wait for each other in a circle; whatever is there already is claimed one by one.
--
-- Arguments: those of claim, as arrays of one length; after_fence for all.
-- Answers: ord (from 1), and what claim answers.
CREATE OR REPLACE FUNCTION retrysafe.claim_many(
  p_ks bytea[], p_raws bytea[], p_canonicals bytea[], p_owners bytea[], p_lease_ms integer[], p_retention_ms bigint[],
  p_on_crash "char"[], p_max_attempts smallint[], p_labels text[], p_after_fence bigint
) RETURNS TABLE (
  ord integer, kind text, fence double precision, attempt integer, sent boolean, on_crash "char",
  left_ms double precision, length_bytes double precision, age_ms double precision, expires_at_ms double precision,
  bytes bytea
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  now_us bigint := retrysafe.clock_us();
  now_ms bigint := now_us / 1000;
  new_fence bigint := greatest(now_us, p_after_fence + 1);
  inserted integer;
  done integer[];
  at integer;
BEGIN
  INSERT INTO retrysafe.record AS t (
    k, state, fence, owner, attempt, max_attempts, on_crash, sent, taken_over, cancelled, raw, canonical,
    lease_ms, lease_until_ms, cooldown_until_ms, retention_ms, expires_at_ms, claimed_at_ms, length_bytes, steps,
    sweep_at_ms, log_day, label
  )
  SELECT
    c.k, 'r', new_fence, c.owner, 1, c.max_attempts, c.on_crash, c.on_crash = 'r', false,
    false, c.raw, c.canonical, c.lease_ms, now_ms + c.lease_ms, 0, c.retention_ms,
    now_ms + c.lease_ms + c.retention_ms, now_ms, 0, 0,
    now_ms + c.lease_ms + c.retention_ms, retrysafe.log_day_of(now_ms, c.retention_ms), c.label
  FROM unnest(
    p_ks, p_raws, p_canonicals, p_owners, p_lease_ms, p_retention_ms, p_on_crash, p_max_attempts, p_labels
  ) AS c (k, raw, canonical, owner, lease_ms, retention_ms, on_crash, max_attempts, label)
  -- An insert that meets another's uncommitted row waits for it; a row that is there already is not worth that.
  -- A scalar subquery is one look into the index for each key; EXISTS might become a join that reads the whole table.
  WHERE (SELECT e.k FROM retrysafe.record e WHERE e.k = c.k) IS NULL
  ORDER BY c.k
  ON CONFLICT (k) DO NOTHING;
  GET DIAGNOSTICS inserted = ROW_COUNT;

  IF inserted = pg_catalog.cardinality(p_ks) THEN
    SELECT pg_catalog.array_agg(o) INTO done FROM pg_catalog.generate_subscripts(p_ks, 1) AS o;
  ELSIF inserted > 0 THEN
    -- Of this call, or of the same one that arrived before and still runs.
    SELECT pg_catalog.array_agg(o) INTO done FROM pg_catalog.generate_subscripts(p_ks, 1) AS o
    WHERE (SELECT e.owner = p_owners[o] AND e.fence = new_fence AND e.state = 'r'
      FROM retrysafe.record e WHERE e.k = p_ks[o]);
  END IF;

  RETURN QUERY
  SELECT d, 'acquired', new_fence::double precision, 1, p_on_crash[d] = 'r', p_on_crash[d],
    NULL::double precision, 0::double precision, NULL::double precision, NULL::double precision, NULL::bytea
  FROM pg_catalog.unnest(done) AS d;
  IF pg_catalog.cardinality(done) = pg_catalog.cardinality(p_ks) THEN RETURN; END IF;

  FOR at IN
    SELECT o FROM pg_catalog.generate_subscripts(p_ks, 1) AS o WHERE done IS NULL OR o <> ALL (done) ORDER BY p_ks[o]
  LOOP
    RETURN QUERY SELECT at, c.* FROM retrysafe.claim(
      p_ks[at], p_raws[at], p_canonicals[at], p_owners[at], p_lease_ms[at], p_retention_ms[at], p_on_crash[at],
      p_max_attempts[at], p_labels[at], p_after_fence, false
    ) AS c;
  END LOOP;
END $$;
