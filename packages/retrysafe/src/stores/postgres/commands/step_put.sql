-- Keeps a step's value; the first one stays.
--
-- Arguments: k, fence, owner; id, value
-- Answers `kind`: ok, exists (value), lost, busy
CREATE OR REPLACE FUNCTION retrysafe.step_put(
  p_k bytea, p_fence bigint, p_owner bytea, p_id bytea, p_value bytea,
  OUT kind text, OUT value bytea
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  r retrysafe.record;
  s retrysafe.step;
BEGIN
  SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    kind := retrysafe.missing(p_k);
    RETURN;
  END IF;
  SELECT * INTO s FROM retrysafe.step t WHERE t.k = p_k AND t.id = p_id;
  IF s.k IS NULL OR r.state <> 'r' OR NOT retrysafe.is_mine(r, p_fence, p_owner, retrysafe.clock_ms()) THEN
    kind := 'lost';
  ELSIF s.value IS NULL THEN
    UPDATE retrysafe.step t SET value = p_value WHERE t.k = p_k AND t.id = p_id;
    kind := 'ok';
  ELSIF s.value = p_value THEN
    kind := 'ok';
  ELSE
    kind := 'exists';
    value := s.value;
  END IF;
END $$;
