-- Removes expired records, and what else is over, at most `n` of each.
--
-- Arguments: n
-- Answers: how many records were removed, how many were looked at
CREATE OR REPLACE FUNCTION retrysafe.sweep(p_n integer, OUT removed integer, OUT looked integer)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  now_ms bigint := retrysafe.clock_ms();
  gone bytea[];
BEGIN
  WITH due AS MATERIALIZED (
    SELECT t.k, retrysafe.is_expired(t.state, t.expires_at_ms, t.lease_until_ms, t.lease_ms, now_ms) AS over
    FROM retrysafe.record t WHERE t.sweep_at_ms <= now_ms ORDER BY t.sweep_at_ms LIMIT p_n
    FOR UPDATE SKIP LOCKED
  ), deleted AS (
    DELETE FROM retrysafe.record t USING due WHERE t.k = due.k AND due.over
    RETURNING t.k, t.steps > 0 OR t.state = 'u' AS has_parts
  ), later AS (
    -- It lived longer than was thought when it was claimed.
    UPDATE retrysafe.record t SET sweep_at_ms = greatest(t.expires_at_ms, now_ms + 1000)
    FROM due WHERE t.k = due.k AND NOT due.over
  )
  SELECT (SELECT count(*) FROM deleted), (SELECT count(*) FROM due),
    (SELECT pg_catalog.array_agg(d.k) FROM deleted d WHERE d.has_parts)
  INTO removed, looked, gone;
  IF gone IS NOT NULL THEN
    DELETE FROM retrysafe.step s WHERE s.k = ANY (gone);
    DELETE FROM retrysafe.unknown u WHERE u.k = ANY (gone);
  END IF;
  DELETE FROM retrysafe.follow_mark m WHERE m.k IN (
    SELECT o.k FROM retrysafe.follow_mark o WHERE o.until_ms <= now_ms LIMIT p_n FOR UPDATE SKIP LOCKED
  );
  DELETE FROM retrysafe.pair p USING (
    SELECT o.pair, o.id FROM retrysafe.pair o WHERE o.until_ms <= now_ms LIMIT p_n FOR UPDATE SKIP LOCKED
  ) AS over WHERE p.pair = over.pair AND p.id = over.id;
  DELETE FROM retrysafe.inbox i USING (
    SELECT o.name, o.id FROM retrysafe.inbox o WHERE o.expires_at_ms <= now_ms LIMIT p_n FOR UPDATE SKIP LOCKED
  ) AS over WHERE i.name = over.name AND i.id = over.id;
END $$;
