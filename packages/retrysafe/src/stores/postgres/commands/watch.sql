-- What one process has to know of all the records it follows, in one question; leaves marks for their owners.
--
-- Arguments: ks (all), marks (those whose mark is due), mark_ms (how long a mark holds)
-- Answers: k and a revision that changes whenever a waiter may have something to see; no row for a record that is not there
CREATE OR REPLACE FUNCTION retrysafe.watch(p_ks bytea[], p_marks bytea[], p_mark_ms integer)
RETURNS TABLE (k bytea, revision text) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  IF pg_catalog.cardinality(p_marks) > 0 THEN
    INSERT INTO retrysafe.follow_mark AS m (k, until_ms)
    SELECT r.k, retrysafe.clock_ms() + p_mark_ms FROM retrysafe.record r
    WHERE r.k = ANY (p_marks) AND r.state = 'r' ORDER BY r.k
    ON CONFLICT (k) DO UPDATE SET until_ms = greatest(m.until_ms, excluded.until_ms);
  END IF;
  RETURN QUERY SELECT r.k, pg_catalog.concat_ws(' ', r.state, r.fence, r.length_bytes, r.canonical IS NULL)
  FROM retrysafe.record r WHERE r.k = ANY (p_ks);
END $$;
