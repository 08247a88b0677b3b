-- Offers of running attempts to retries that carry no key. Whoever touches a pair key locks it for this one statement:
-- otherwise a taker whose request arrives twice at once could take two offers.
CREATE OR REPLACE FUNCTION retrysafe.lock_pair(p_pair bytea) RETURNS void LANGUAGE sql VOLATILE AS $$
  SELECT pg_advisory_xact_lock(1381191526, hashtext(encode(p_pair, 'hex')))
$$;

-- Offers an attempt, once; the same offer again changes nothing, taken or not.
--
-- Arguments: pair, k, fence, count, ttl_ms
CREATE OR REPLACE FUNCTION retrysafe.offer(p_pair bytea, p_k bytea, p_fence bigint, p_count integer, p_ttl_ms integer)
RETURNS void LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
  now_ms bigint;
BEGIN
  PERFORM retrysafe.lock_pair(p_pair);
  now_ms := retrysafe.clock_ms();
  DELETE FROM retrysafe.pair p WHERE p.pair = p_pair AND p.until_ms <= now_ms;
  IF EXISTS (
    SELECT FROM retrysafe.pair p WHERE p.pair = p_pair AND p.k = p_k AND p.fence = p_fence AND p.count = p_count
  ) THEN
    RETURN;
  END IF;
  INSERT INTO retrysafe.pair (pair, k, fence, count, until_ms) VALUES (p_pair, p_k, p_fence, p_count, now_ms + p_ttl_ms);
  -- 64 at most; the newest are taken first anyway.
  DELETE FROM retrysafe.pair p WHERE p.pair = p_pair AND p.id <= (
    SELECT o.id FROM retrysafe.pair o WHERE o.pair = p_pair ORDER BY o.id DESC OFFSET 64 LIMIT 1
  );
END $$;

-- Takes the newest offer whose count is one lower; the same owner gets the same one again.
--
-- Arguments: pair, count, owner
-- Answers: k and fence, or null
CREATE OR REPLACE FUNCTION retrysafe.take(
  p_pair bytea, p_count integer, p_owner bytea, OUT k bytea, OUT fence double precision
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint;
  chosen bigint;
BEGIN
  PERFORM retrysafe.lock_pair(p_pair);
  now_ms := retrysafe.clock_ms();
  SELECT p.id INTO chosen FROM retrysafe.pair p
  WHERE p.pair = p_pair AND p.until_ms > now_ms
    AND (p.taken_by = p_owner OR (p.taken_by IS NULL AND p.count = p_count - 1))
  ORDER BY p.taken_by IS NULL, p.id DESC LIMIT 1;
  UPDATE retrysafe.pair p SET taken_by = p_owner WHERE p.pair = p_pair AND p.id = chosen
  RETURNING p.k, p.fence INTO k, fence;
END $$;
