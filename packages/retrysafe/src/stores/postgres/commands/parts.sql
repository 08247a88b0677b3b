-- What several steps have in common.

-- A row that could not be locked: somebody else has it locked, or it is not there.
CREATE OR REPLACE FUNCTION retrysafe.missing(p_k bytea) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN CASE WHEN EXISTS (SELECT FROM retrysafe.record t WHERE t.k = p_k) THEN 'busy' ELSE 'lost' END;
END $$;

-- The token decides every write; whether the lease has lapsed plays no part. What has expired is nobody's.
CREATE OR REPLACE FUNCTION retrysafe.is_mine(r retrysafe.record, p_fence bigint, p_owner bytea, at_ms bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT r.fence = p_fence AND r.owner = p_owner
    AND NOT retrysafe.is_expired(r.state, r.expires_at_ms, r.lease_until_ms, r.lease_ms, at_ms)
$$;

-- Somebody follows the record from another process. PL/pgSQL keeps the plan, which a function in SQL makes at every call.
CREATE OR REPLACE FUNCTION retrysafe.is_followed(p_k bytea, at_ms bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN coalesce((SELECT m.until_ms > at_ms FROM retrysafe.follow_mark m WHERE m.k = p_k), false);
END $$;

-- A record must not outlive the partition of its bytes: where it would, they move. Answers the day they are in.
CREATE OR REPLACE FUNCTION retrysafe.keep_log(r retrysafe.record, expires_at_ms bigint) RETURNS date
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  later date;
BEGIN
  IF retrysafe.day_of(expires_at_ms) <= r.log_day THEN RETURN r.log_day; END IF;
  later := retrysafe.log_day_of(expires_at_ms, 0);
  UPDATE retrysafe.log l SET day = later WHERE l.day = r.log_day AND l.k = r.k AND l.fence = r.fence;
  RETURN later;
END $$;

-- Adds bytes to a generation's log, in pieces of 64 KiB.
CREATE OR REPLACE FUNCTION retrysafe.put_log(p_day date, p_k bytea, p_fence bigint, p_off bigint, p_bytes bytea)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF octet_length(p_bytes) BETWEEN 1 AND 65536 THEN
    INSERT INTO retrysafe.log (day, k, fence, off, bytes) VALUES (p_day, p_k, p_fence, p_off, p_bytes);
  ELSE
    INSERT INTO retrysafe.log (day, k, fence, off, bytes)
    SELECT p_day, p_k, p_fence, p_off + o, substring(p_bytes FROM o + 1 FOR 65536)
    FROM generate_series(0, octet_length(p_bytes) - 1, 65536) AS o;
  END IF;
END $$;

-- Leaves a tombstone: an older owner may still write, and must be told `lost`. Steps and bytes go. The row is locked.
CREATE OR REPLACE FUNCTION retrysafe.entomb(r retrysafe.record, at_ms bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM retrysafe.drop_parts(r);
  UPDATE retrysafe.record t SET
    state = 'p', taken_over = true, length_bytes = 0, steps = 0,
    expires_at_ms = at_ms + 86400000, sweep_at_ms = least(t.sweep_at_ms, at_ms + 86400000)
  WHERE t.k = r.k;
END $$;

-- Removes a record; after a takeover a tombstone stays. The row is locked.
CREATE OR REPLACE FUNCTION retrysafe.remove(r retrysafe.record, at_ms bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF r.taken_over THEN
    PERFORM retrysafe.entomb(r, at_ms);
  ELSE
    PERFORM retrysafe.drop_parts(r);
    DELETE FROM retrysafe.record t WHERE t.k = r.k;
  END IF;
END $$;

-- The steps and bytes of a record, and its place among the unknown.
CREATE OR REPLACE FUNCTION retrysafe.drop_parts(r retrysafe.record) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF r.steps > 0 THEN DELETE FROM retrysafe.step s WHERE s.k = r.k; END IF;
  IF r.state = 'u' THEN DELETE FROM retrysafe.unknown u WHERE u.k = r.k; END IF;
  IF r.length_bytes > 0 THEN DELETE FROM retrysafe.log l WHERE l.day = r.log_day AND l.k = r.k; END IF;
END $$;

CREATE OR REPLACE FUNCTION retrysafe.view_of(r retrysafe.record, at_ms bigint) RETURNS retrysafe.record_view
LANGUAGE sql STABLE AS $$
  SELECT (
    r.k, r.state, r.fence, r.attempt, r.max_attempts, r.on_crash, r.sent, r.label, r.claimed_at_ms, r.completed_at_ms,
    CASE WHEN r.state = 'r' THEN r.lease_until_ms - at_ms END, r.expires_at_ms, r.length_bytes, r.steps
  )::retrysafe.record_view
$$;
