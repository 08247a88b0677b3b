-- Reads a part of the log that `fence` writes or wrote.
--
-- Arguments: k, fence; off, n (bytes at most)
-- Answers `kind`
--   bytes   bytes, length_bytes, sealed, lapsed
--   ended   state (or null: absent), cooldown_ms
--   busy    the log was being cut or moved: ask again
CREATE OR REPLACE FUNCTION retrysafe.read(
  p_k bytea, p_fence bigint, p_off bigint, p_n bigint,
  OUT kind text, OUT state "char", OUT cooldown_ms double precision, OUT bytes bytea, OUT length_bytes double precision,
  OUT sealed boolean, OUT lapsed boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  r retrysafe.record;
  now_ms bigint;
  wanted bigint;
  start bigint;
BEGIN
  SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k;
  now_ms := retrysafe.clock_ms();
  kind := 'ended';
  cooldown_ms := 0;
  IF r.k IS NULL OR retrysafe.is_expired(r.state, r.expires_at_ms, r.lease_until_ms, r.lease_ms, now_ms) THEN
    RETURN;
  ELSIF r.fence <> p_fence OR r.state NOT IN ('r', 'c') THEN
    state := r.state;
    cooldown_ms := CASE WHEN r.state = 'o' THEN greatest(0, r.cooldown_until_ms - now_ms) ELSE 0 END;
    RETURN;
  END IF;

  kind := 'bytes';
  length_bytes := r.length_bytes;
  sealed := r.state = 'c';
  lapsed := NOT sealed AND retrysafe.is_lapsed(r.lease_until_ms, r.lease_ms, now_ms);
  bytes := '';
  wanted := least(p_n, r.length_bytes - p_off);
  IF wanted <= 0 THEN RETURN; END IF;
  SELECT l.off INTO start FROM retrysafe.log l
  WHERE l.day = r.log_day AND l.k = p_k AND l.fence = p_fence AND l.off <= p_off
  ORDER BY l.off DESC LIMIT 1;
  SELECT string_agg(l.bytes, '' ORDER BY l.off) INTO bytes FROM retrysafe.log l
  WHERE l.day = r.log_day AND l.k = p_k AND l.fence = p_fence AND l.off >= start AND l.off < p_off + wanted;
  bytes := substring(bytes FROM (p_off - start + 1)::integer FOR wanted::integer);
  -- The row was read before the bytes: they may have changed in between, never be fewer otherwise.
  IF bytes IS NULL OR octet_length(bytes) <> wanted THEN kind := 'busy'; END IF;
END $$;
