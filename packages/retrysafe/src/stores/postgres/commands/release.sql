-- Ends an attempt that has no outcome, by the table in docs/protocol.md.
--
-- Arguments: k, fence, owner; attempt_end: free, failed, broken, cancelled; cooldown_ms; canonical or null
-- Answers `kind`: ok (followed), lost, busy
CREATE OR REPLACE FUNCTION retrysafe.release(
  p_k bytea, p_fence bigint, p_owner bytea, p_end text, p_cooldown_ms bigint, p_canonical bytea,
  OUT kind text, OUT followed boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  r retrysafe.record;
  now_ms bigint;
  attempts integer;
  lives_ms bigint;
BEGIN
  SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    -- Released before, and deleted.
    kind := CASE retrysafe.missing(p_k) WHEN 'busy' THEN 'busy' ELSE 'ok' END;
    RETURN;
  END IF;
  now_ms := retrysafe.clock_ms();
  IF retrysafe.is_expired(r.state, r.expires_at_ms, r.lease_until_ms, r.lease_ms, now_ms) THEN
    kind := 'ok';
    RETURN;
  ELSIF r.fence <> p_fence OR r.owner <> p_owner THEN
    kind := 'lost';
    RETURN;
  ELSIF r.state <> 'r' THEN
    kind := CASE r.state WHEN 'c' THEN 'lost' ELSE 'ok' END;
    RETURN;
  END IF;

  kind := 'ok';
  followed := retrysafe.is_followed(p_k, now_ms);
  IF p_end = 'free' AND r.steps = 0 THEN
    PERFORM retrysafe.remove(r, now_ms);
  ELSIF p_end IN ('broken', 'cancelled') AND r.steps = 0 AND r.on_crash = 'f' AND (r.sent OR p_end = 'broken') THEN
    INSERT INTO retrysafe.unknown (k) VALUES (p_k) ON CONFLICT DO NOTHING;
    UPDATE retrysafe.record t SET
      state = 'u', canonical = coalesce(t.canonical, p_canonical), expires_at_ms = now_ms + t.retention_ms,
      sweep_at_ms = least(t.sweep_at_ms, now_ms + t.retention_ms),
      log_day = retrysafe.keep_log(r, now_ms + r.retention_ms)
    WHERE t.k = p_k;
  ELSIF p_end = 'cancelled' AND r.steps = 0 THEN
    UPDATE retrysafe.record t SET canonical = coalesce(t.canonical, p_canonical) WHERE t.k = p_k;
    PERFORM retrysafe.entomb(r, now_ms);
  ELSE
    -- Open: counted where nobody reported how the attempt ended.
    attempts := CASE WHEN p_end IN ('broken', 'cancelled') THEN r.attempt ELSE r.attempt - 1 END;
    -- Nothing of it is left after 10 minutes, unless something counts; a cooldown is kept in any case.
    lives_ms := greatest(CASE WHEN attempts > 0 OR r.steps > 0 THEN r.retention_ms ELSE 600000 END, p_cooldown_ms);
    UPDATE retrysafe.record t SET
      state = 'o', attempt = attempts, canonical = coalesce(t.canonical, p_canonical),
      cooldown_until_ms = now_ms + p_cooldown_ms, length_bytes = 0, expires_at_ms = now_ms + lives_ms,
      sweep_at_ms = least(t.sweep_at_ms, now_ms + lives_ms)
    WHERE t.k = p_k;
  END IF;
END $$;
