-- Messages whose records live elsewhere, remembered in the transaction of their effects.

-- Enters a message, in the caller's transaction. Waits for another transaction that has entered it and has not ended.
--
-- Arguments: name (of the consumer), id; retention_ms
-- Answers: is_new; else value, what was kept when its effect was committed
CREATE OR REPLACE FUNCTION retrysafe.inbox_enter(
  p_name bytea, p_id bytea, p_retention_ms bigint, OUT is_new boolean, OUT value bytea
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint;
BEGIN
  -- One that was there and is over counts as new.
  FOR look IN 1..10 LOOP
    now_ms := retrysafe.clock_ms();
    INSERT INTO retrysafe.inbox AS i (name, id, expires_at_ms) VALUES (p_name, p_id, now_ms + p_retention_ms)
    ON CONFLICT (name, id) DO UPDATE SET expires_at_ms = excluded.expires_at_ms, value = NULL
    WHERE i.expires_at_ms <= now_ms;
    is_new := FOUND;
    IF is_new THEN RETURN; END IF;
    SELECT i.value INTO value FROM retrysafe.inbox i WHERE i.name = p_name AND i.id = p_id;
    -- Else it was swept in between.
    IF FOUND THEN RETURN; END IF;
  END LOOP;
  RAISE EXCEPTION 'the message comes and goes' USING ERRCODE = '40001';
END $$;

-- Keeps what the effect gave.
--
-- Arguments: name, id; value
CREATE OR REPLACE FUNCTION retrysafe.inbox_keep(p_name bytea, p_id bytea, p_value bytea) RETURNS void
LANGUAGE sql VOLATILE AS $$
  UPDATE retrysafe.inbox i SET value = p_value WHERE i.name = p_name AND i.id = p_id
$$;

-- The effect has failed: the message counts as not seen.
--
-- Arguments: name, id
CREATE OR REPLACE FUNCTION retrysafe.inbox_leave(p_name bytea, p_id bytea) RETURNS void LANGUAGE sql VOLATILE AS $$
  DELETE FROM retrysafe.inbox i WHERE i.name = p_name AND i.id = p_id
$$;
