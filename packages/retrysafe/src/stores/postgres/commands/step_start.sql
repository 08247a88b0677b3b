-- Begins a step of an operation, or answers what it gave before. Sent twice by the same attempt, it has begun once.
--
-- Arguments: k, fence, owner; id, input (fingerprint), on_crash (r or f), max_attempts
-- Answers `kind`: begun (attempt), exists (value), unknown (attempt), changed, lost, busy
CREATE OR REPLACE FUNCTION retrysafe.step_start(
  p_k bytea, p_fence bigint, p_owner bytea, p_id bytea, p_input bytea, p_on_crash "char", p_max_attempts integer,
  OUT kind text, OUT attempt integer, OUT value bytea
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
  ELSIF NOT retrysafe.is_mine(r, p_fence, p_owner, retrysafe.clock_ms()) OR r.state <> 'r' THEN
    kind := 'lost';
    RETURN;
  END IF;
  SELECT * INTO s FROM retrysafe.step t WHERE t.k = p_k AND t.id = p_id;
  attempt := s.attempt;
  IF s.k IS NULL THEN
    INSERT INTO retrysafe.step (k, id, input, attempt, fence) VALUES (p_k, p_id, p_input, 1, p_fence);
    UPDATE retrysafe.record t SET steps = t.steps + 1 WHERE t.k = p_k;
    kind := 'begun';
    attempt := 1;
  ELSIF s.input <> p_input THEN
    kind := 'changed';
  ELSIF s.value IS NOT NULL THEN
    kind := 'exists';
    value := s.value;
  ELSIF s.fence = p_fence THEN
    kind := 'begun';
  ELSIF p_on_crash = 'f' OR s.attempt >= p_max_attempts THEN
    -- An older attempt began it and told nothing: the policy counts per step.
    kind := 'unknown';
  ELSE
    attempt := s.attempt + 1;
    UPDATE retrysafe.step t SET attempt = s.attempt + 1, fence = p_fence WHERE t.k = p_k AND t.id = p_id;
    kind := 'begun';
  END IF;
END $$;
