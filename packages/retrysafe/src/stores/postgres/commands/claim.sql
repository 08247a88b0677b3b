-- Claims a key for one execution. Reads first: a replay, a join or a refusal writes and locks nothing.
--
-- Arguments
--   k, raw, canonical (or null), owner   names and fingerprints
--   lease_ms, retention_ms               durations
--   on_crash, max_attempts, label        terms of a new record
--   after_fence                          the fence that is drawn is above it
--   alone (true if left out)             not in a batch: a new row may wait for somebody else's; in a batch, which holds
--                                        rows of its own, it is left to the next one
-- Answers `kind`
--   acquired    fence, attempt, sent, on_crash
--   completed   fence, age_ms, expires_at_ms, length_bytes; bytes, if there are at most 64 KiB
--   running     fence, left_ms, length_bytes
--   mismatch    another payload
--   undecided   fence; the raw fingerprints differ and a canonical one is not there yet
--   unknown     attempt
--   cooling     left_ms, fence
--   busy        the row is locked by somebody else: ask again
--
-- enable_seqscan: a connection keeps its plans. One that was made while the table was small would read all of it, whatever
-- it has grown to, until the next ANALYZE. So it is with every function that looks records up by name.
-- plan_cache_mode: the log has partitions, which a plan of its own for each call would weigh anew; that takes longer than
-- to read.
CREATE OR REPLACE FUNCTION retrysafe.claim(
  p_k bytea, p_raw bytea, p_canonical bytea, p_owner bytea, p_lease_ms integer, p_retention_ms bigint,
  p_on_crash "char", p_max_attempts smallint, p_label text, p_after_fence bigint,
  p_alone boolean DEFAULT true,
  OUT kind text, OUT fence double precision, OUT attempt integer, OUT sent boolean, OUT on_crash "char",
  OUT left_ms double precision, OUT length_bytes double precision, OUT age_ms double precision,
  OUT expires_at_ms double precision, OUT bytes bytea
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  r retrysafe.record;
  now_us bigint;
  now_ms bigint;
  -- What is to be written over the row that is there: begin (a new life), next (one more attempt), give_up.
  act text;
  lapsed boolean;
  blank boolean;
BEGIN
  kind := 'busy';
  -- Decided without a lock; what has to write locks the row and decides again. Each of the others is a lost race.
  FOR look IN 1..4 LOOP
    IF act IS NULL THEN
      SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k;
    ELSE
      SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k FOR NO KEY UPDATE SKIP LOCKED;
      -- Somebody is writing it, or has deleted it.
      IF NOT FOUND THEN RETURN; END IF;
    END IF;
    now_us := retrysafe.clock_us();
    now_ms := now_us / 1000;

    IF r.k IS NULL THEN
      IF NOT p_alone THEN RETURN; END IF;
      INSERT INTO retrysafe.record AS t (
        k, state, fence, owner, attempt, max_attempts, on_crash, sent, taken_over, cancelled, raw, canonical,
        lease_ms, lease_until_ms, cooldown_until_ms, retention_ms, expires_at_ms, claimed_at_ms, length_bytes, steps,
        sweep_at_ms, log_day, label
      ) VALUES (
        p_k, 'r', greatest(now_us, p_after_fence + 1), p_owner, 1, p_max_attempts, p_on_crash, p_on_crash = 'r', false,
        false, p_raw, p_canonical, p_lease_ms, now_ms + p_lease_ms, 0, p_retention_ms,
        now_ms + p_lease_ms + p_retention_ms, now_ms, 0, 0,
        now_ms + p_lease_ms + p_retention_ms, retrysafe.log_day_of(now_ms, p_retention_ms), p_label
      ) ON CONFLICT (k) DO NOTHING RETURNING t.* INTO r;
      IF r.k IS NULL THEN CONTINUE; END IF;
      kind := 'acquired';
      EXIT;
    END IF;

    lapsed := retrysafe.is_lapsed(r.lease_until_ms, r.lease_ms, now_ms);
    IF r.expires_at_ms <= now_ms AND (r.state <> 'r' OR lapsed) THEN
      IF act IS NULL THEN act := 'begin'; CONTINUE; END IF;
      act := 'begin';
    ELSIF r.owner = p_owner AND r.state = 'r' THEN
      kind := 'acquired';
      EXIT;
    ELSIF r.owner = p_owner AND r.state IN ('o', 'p') THEN
      -- A claim that arrives again after its attempt has ended must not run a second time.
      kind := 'cooling';
      left_ms := greatest(1, r.cooldown_until_ms - now_ms);
      EXIT;
    ELSIF r.state = 'p' THEN
      IF act IS NULL THEN act := 'begin'; CONTINUE; END IF;
      act := 'begin';
    ELSE
      -- Another payload is another payload, unless nothing of the first one is left: no counted attempt and no step.
      blank := r.state = 'o' AND r.attempt = 0 AND r.steps = 0;
      IF r.raw <> p_raw AND NOT blank THEN
        IF r.canonical IS NULL THEN
          -- Only a living owner can still tell; from anybody else no canonical form will come.
          kind := CASE WHEN r.state = 'r' AND NOT lapsed THEN 'undecided' ELSE 'mismatch' END;
          EXIT;
        ELSIF p_canonical IS NULL THEN
          kind := 'undecided';
          EXIT;
        ELSIF r.canonical <> p_canonical THEN
          kind := 'mismatch';
          EXIT;
        END IF;
      END IF;
      CASE r.state
      WHEN 'c' THEN
        kind := 'completed';
        EXIT;
      WHEN 'u' THEN
        kind := 'unknown';
        EXIT;
      WHEN 'o' THEN
        IF r.cooldown_until_ms > now_ms THEN
          kind := 'cooling';
          left_ms := r.cooldown_until_ms - now_ms;
          EXIT;
        END IF;
        IF act IS NULL THEN act := 'open'; CONTINUE; END IF;
        act := CASE WHEN blank THEN 'begin'
                    WHEN r.attempt >= r.max_attempts AND r.steps = 0 THEN 'give_up'
                    ELSE 'next' END;
      ELSE
        IF NOT lapsed THEN
          kind := 'running';
          left_ms := greatest(0, r.lease_until_ms - now_ms);
          EXIT;
        END IF;
        IF act IS NULL THEN act := 'lapsed'; CONTINUE; END IF;
        act := CASE WHEN r.steps > 0 OR (r.attempt < r.max_attempts AND NOT (r.on_crash = 'f' AND r.sent)) THEN 'next'
                    ELSE 'give_up' END;
      END CASE;
    END IF;

    -- Locked from here on.
    CASE act
    WHEN 'begin' THEN
      IF r.steps > 0 THEN DELETE FROM retrysafe.step s WHERE s.k = p_k; END IF;
      IF r.state = 'u' THEN DELETE FROM retrysafe.unknown u WHERE u.k = p_k; END IF;
      UPDATE retrysafe.record t SET
        state = 'r', fence = greatest(t.fence + 1, now_us, p_after_fence + 1), owner = p_owner, attempt = 1,
        max_attempts = p_max_attempts, on_crash = p_on_crash, sent = p_on_crash = 'r', cancelled = false, raw = p_raw,
        canonical = p_canonical, lease_ms = p_lease_ms, lease_until_ms = now_ms + p_lease_ms, cooldown_until_ms = 0,
        retention_ms = p_retention_ms, expires_at_ms = now_ms + p_lease_ms + p_retention_ms, claimed_at_ms = now_ms,
        completed_at_ms = NULL, length_bytes = 0, steps = 0, sweep_at_ms = now_ms + p_lease_ms + p_retention_ms,
        log_day = retrysafe.log_day_of(now_ms, p_retention_ms), label = p_label
      WHERE t.k = p_k RETURNING t.* INTO r;
      kind := 'acquired';
    WHEN 'next' THEN
      UPDATE retrysafe.record t SET
        state = 'r', fence = greatest(t.fence + 1, now_us, p_after_fence + 1), owner = p_owner, attempt = t.attempt + 1,
        sent = t.on_crash = 'r', taken_over = t.taken_over OR t.state = 'r', cancelled = false, lease_ms = p_lease_ms,
        lease_until_ms = now_ms + p_lease_ms, cooldown_until_ms = 0,
        expires_at_ms = greatest(t.expires_at_ms, now_ms + p_lease_ms + t.retention_ms), claimed_at_ms = now_ms,
        length_bytes = 0, label = p_label,
        log_day = greatest(t.log_day, retrysafe.log_day_of(now_ms, t.retention_ms))
      WHERE t.k = p_k RETURNING t.* INTO r;
      kind := 'acquired';
    ELSE
      -- The cap is reached, or the policy forbids another run. The token stays: a late complete still heals it.
      INSERT INTO retrysafe.unknown (k) VALUES (p_k) ON CONFLICT DO NOTHING;
      UPDATE retrysafe.record t SET state = 'u', expires_at_ms = now_ms + t.retention_ms,
        sweep_at_ms = least(t.sweep_at_ms, now_ms + t.retention_ms),
        log_day = retrysafe.keep_log(r, now_ms + r.retention_ms)
      WHERE t.k = p_k RETURNING t.* INTO r;
      kind := 'unknown';
    END CASE;
    EXIT;
  END LOOP;

  IF kind = 'busy' OR kind = 'mismatch' THEN RETURN; END IF;
  fence := r.fence;
  attempt := r.attempt;
  sent := r.sent;
  on_crash := r.on_crash;
  length_bytes := r.length_bytes;
  IF kind = 'completed' THEN
    age_ms := greatest(0, now_ms - r.completed_at_ms);
    expires_at_ms := r.expires_at_ms;
    IF r.length_bytes <= 65536 THEN
      SELECT coalesce(string_agg(l.bytes, '' ORDER BY l.off), '') INTO bytes
      FROM retrysafe.log l WHERE l.day = r.log_day AND l.k = p_k AND l.fence = r.fence;
      -- Purged in between: without its bytes the caller reads, and learns it.
      IF octet_length(bytes) <> r.length_bytes THEN bytes := NULL; END IF;
    END IF;
  END IF;
END $$;
