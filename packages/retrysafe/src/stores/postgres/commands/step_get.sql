-- The value of a step, if it has one.
--
-- Arguments: k, id
-- Answers: value or null
CREATE OR REPLACE FUNCTION retrysafe.step_get(p_k bytea, p_id bytea, OUT value bytea) LANGUAGE sql VOLATILE AS $$
  SELECT s.value FROM retrysafe.record r JOIN retrysafe.step s ON s.k = r.k
  WHERE r.k = p_k AND s.id = p_id
    AND NOT retrysafe.is_expired(r.state, r.expires_at_ms, r.lease_until_ms, r.lease_ms, retrysafe.clock_ms())
$$;
