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
  done integer[];
  at integer;
BEGIN
  WITH claims AS (
    SELECT u.* FROM unnest(
      p_ks, p_raws, p_canonicals, p_owners, p_lease_ms, p_retention_ms, p_on_crash, p_max_attempts, p_labels
    ) WITH ORDINALITY AS u (k, raw, canonical, owner, lease_ms, retention_ms, on_crash, max_attempts, label, ord)
  ), fresh AS (
    INSERT INTO retrysafe.record AS t (
      k, state, fence, owner, attempt, max_attempts, on_crash, sent, taken_over, cancelled, raw, canonical,
      lease_ms, lease_until_ms, cooldown_until_ms, retention_ms, expires_at_ms, claimed_at_ms, length_bytes, steps,
      sweep_at_ms, log_day, label
    )
    SELECT
      c.k, 'r', greatest(now_us, p_after_fence + 1), c.owner, 1, c.max_attempts, c.on_crash, c.on_crash = 'r', false,
      false, c.raw, c.canonical, c.lease_ms, now_ms + c.lease_ms, 0, c.retention_ms,
      now_ms + c.lease_ms + c.retention_ms, now_ms, 0, 0,
      now_ms + c.lease_ms + c.retention_ms, retrysafe.log_day_of(now_ms, c.retention_ms), c.label
    FROM claims c
    -- An insert that meets another's uncommitted row waits for it; a row that is there already is not worth that.
    -- A scalar subquery is one look into the index for each key; EXISTS might become a join that reads the whole table.
    WHERE (SELECT e.k FROM retrysafe.record e WHERE e.k = c.k) IS NULL
    ORDER BY c.k
    ON CONFLICT (k) DO NOTHING
    RETURNING t.k, t.owner
  )
  SELECT array_agg(c.ord::integer) INTO done FROM claims c JOIN fresh f ON f.k = c.k AND f.owner = c.owner;

  RETURN QUERY
  SELECT d, 'acquired', greatest(now_us, p_after_fence + 1)::double precision, 1, p_on_crash[d] = 'r', p_on_crash[d],
    NULL::double precision, 0::double precision, NULL::double precision, NULL::double precision, NULL::bytea
  FROM unnest(done) AS d;
  IF cardinality(done) = cardinality(p_ks) THEN RETURN; END IF;

  FOR at IN
    SELECT o FROM generate_subscripts(p_ks, 1) AS o WHERE done IS NULL OR o <> ALL (done) ORDER BY p_ks[o]
  LOOP
    RETURN QUERY SELECT at, c.* FROM retrysafe.claim(
      p_ks[at], p_raws[at], p_canonicals[at], p_owners[at], p_lease_ms[at], p_retention_ms[at], p_on_crash[at],
      p_max_attempts[at], p_labels[at], p_after_fence
    ) AS c;
  END LOOP;
END $$;
