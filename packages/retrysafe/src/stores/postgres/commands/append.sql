-- Adds bytes to the running generation's log.
--
-- Arguments: k, fence, owner; off, bytes; canonical or null
-- Answers `kind`: ok (length_bytes, followed), dup, gap (length_bytes), lost, busy
CREATE OR REPLACE FUNCTION retrysafe.append(
  p_k bytea, p_fence bigint, p_owner bytea, p_off bigint, p_bytes bytea, p_canonical bytea,
  OUT kind text, OUT length_bytes double precision, OUT followed boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  r retrysafe.record;
  now_ms bigint;
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
  IF p_off <> r.length_bytes THEN
    kind := CASE WHEN p_off + octet_length(p_bytes) <= r.length_bytes THEN 'dup' ELSE 'gap' END;
    length_bytes := r.length_bytes;
    RETURN;
  END IF;
  PERFORM retrysafe.put_log(r.log_day, p_k, p_fence, p_off, p_bytes);
  UPDATE retrysafe.record t SET
    canonical = coalesce(t.canonical, p_canonical), length_bytes = p_off + octet_length(p_bytes)
  WHERE t.k = p_k;
  kind := 'ok';
  length_bytes := p_off + octet_length(p_bytes);
  followed := retrysafe.is_followed(p_k, now_ms);
END $$;
