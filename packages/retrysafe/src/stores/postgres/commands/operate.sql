-- What an operator asks of one record, naming the fence it saw.
--
-- Arguments: k, fence; act: cancel, resolve, purge; force (purges a running one)
-- Answers `kind`: ok (followed), absent, running, changed, refused, busy
CREATE OR REPLACE FUNCTION retrysafe.operate(
  p_k bytea, p_fence bigint, p_act text, p_force boolean, OUT kind text, OUT followed boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  r retrysafe.record;
  now_ms bigint;
BEGIN
  SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    kind := CASE retrysafe.missing(p_k) WHEN 'busy' THEN 'busy' ELSE 'absent' END;
    RETURN;
  END IF;
  now_ms := retrysafe.clock_ms();
  followed := retrysafe.is_followed(p_k, now_ms);
  kind := CASE
    WHEN r.state = 'p' OR retrysafe.is_expired(r.state, r.expires_at_ms, r.lease_until_ms, r.lease_ms, now_ms) THEN 'absent'
    WHEN r.fence <> p_fence THEN 'changed'
    WHEN p_act = 'cancel' AND r.state <> 'r' THEN 'refused'
    WHEN p_act = 'resolve' AND r.state = 'r' THEN 'running'
    WHEN p_act = 'resolve' AND r.state <> 'u' THEN 'refused'
    WHEN p_act = 'purge' AND r.state = 'r' AND NOT p_force THEN 'running'
    ELSE 'ok' END;
  IF kind <> 'ok' THEN RETURN; END IF;
  IF p_act = 'cancel' THEN
    UPDATE retrysafe.record t SET cancelled = true WHERE t.k = p_k;
  ELSIF r.state IN ('r', 'u') THEN
    PERFORM retrysafe.entomb(r, now_ms);
  ELSE
    PERFORM retrysafe.remove(r, now_ms);
  END IF;
END $$;
