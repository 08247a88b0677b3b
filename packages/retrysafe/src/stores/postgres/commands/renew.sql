-- Moves the lease's end to now + lease_ms, and says what goes with it.
--
-- Arguments: k, fence, owner; lease_ms; sent (the effect may begin); canonical or null
-- Answers `kind`: ok (cancelled, followed), lost, busy
CREATE OR REPLACE FUNCTION retrysafe.renew(
  p_k bytea, p_fence bigint, p_owner bytea, p_lease_ms integer, p_sent boolean, p_canonical bytea,
  OUT kind text, OUT cancelled boolean, OUT followed boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  r retrysafe.record;
  now_ms bigint;
  expires bigint;
BEGIN
  SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k FOR NO KEY UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    kind := retrysafe.missing(p_k);
    RETURN;
  END IF;
  now_ms := retrysafe.clock_ms();
  IF NOT retrysafe.is_mine(r, p_fence, p_owner, now_ms) OR r.state <> 'r' THEN
    kind := 'lost';
    RETURN;
  END IF;
  expires := greatest(r.expires_at_ms, now_ms + p_lease_ms + r.retention_ms);
  UPDATE retrysafe.record t SET
    canonical = coalesce(t.canonical, p_canonical),
    lease_ms = p_lease_ms, lease_until_ms = now_ms + p_lease_ms,
    expires_at_ms = expires, log_day = retrysafe.keep_log(r, expires),
    sent = t.sent OR p_sent
  WHERE t.k = p_k;
  kind := 'ok';
  cancelled := r.cancelled;
  followed := retrysafe.is_followed(p_k, now_ms);
END $$;
