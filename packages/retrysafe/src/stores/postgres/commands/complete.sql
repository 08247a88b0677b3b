-- Seals the log with its last bytes, after cutting it to `off`; the retention starts here.
--
-- Arguments: k, fence, owner; off, bytes; canonical or null; waits (for a locked row, instead of `busy`)
-- Answers `kind`: ok (followed), dup, lost, gap (the log is shorter than off), busy
CREATE OR REPLACE FUNCTION retrysafe.complete(
  p_k bytea, p_fence bigint, p_owner bytea, p_off bigint, p_bytes bytea, p_canonical bytea, p_waits boolean,
  OUT kind text, OUT followed boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  r retrysafe.record;
  now_ms bigint;
  expires bigint;
BEGIN
  IF p_waits THEN
    SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k FOR NO KEY UPDATE;
  ELSE
    SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k FOR NO KEY UPDATE SKIP LOCKED;
  END IF;
  IF NOT FOUND THEN
    kind := retrysafe.missing(p_k);
    RETURN;
  END IF;
  now_ms := retrysafe.clock_ms();
  kind := CASE
    WHEN NOT retrysafe.is_mine(r, p_fence, p_owner, now_ms) THEN 'lost'
    WHEN r.state = 'c' THEN 'dup'
    -- Unknown heals: its owner was given up, but nobody else has run since.
    WHEN r.state NOT IN ('r', 'u') THEN 'lost'
    WHEN p_off NOT BETWEEN 0 AND r.length_bytes THEN 'gap'
    ELSE 'ok' END;
  IF kind <> 'ok' THEN RETURN; END IF;

  expires := now_ms + r.retention_ms;
  -- A run that was released as broken, and given up then, has length 0; its bytes are there all the same.
  IF p_off < r.length_bytes OR r.state = 'u' THEN
    DELETE FROM retrysafe.log l WHERE l.day = r.log_day AND l.k = p_k AND l.fence = p_fence AND l.off >= p_off;
    UPDATE retrysafe.log l SET bytes = substring(l.bytes FROM 1 FOR (p_off - l.off)::integer)
    WHERE l.day = r.log_day AND l.k = p_k AND l.fence = p_fence AND l.off + octet_length(l.bytes) > p_off;
  END IF;
  PERFORM retrysafe.put_log(r.log_day, p_k, p_fence, p_off, p_bytes);
  IF r.state = 'u' THEN DELETE FROM retrysafe.unknown u WHERE u.k = p_k; END IF;
  UPDATE retrysafe.record t SET
    state = 'c', canonical = coalesce(t.canonical, p_canonical), length_bytes = p_off + octet_length(p_bytes),
    completed_at_ms = now_ms, expires_at_ms = expires, log_day = retrysafe.keep_log(r, expires)
  WHERE t.k = p_k;
  followed := retrysafe.is_followed(p_k, now_ms);
END $$;
