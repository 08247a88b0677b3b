-- Records for operators, in the order of their names, page by page.

-- Arguments: k
-- Answers: the record's view, or no row
CREATE OR REPLACE FUNCTION retrysafe.get(p_k bytea) RETURNS SETOF retrysafe.record_view LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
  r retrysafe.record;
  now_ms bigint;
BEGIN
  SELECT * INTO r FROM retrysafe.record t WHERE t.k = p_k;
  now_ms := retrysafe.clock_ms();
  IF r.k IS NULL OR retrysafe.is_expired(r.state, r.expires_at_ms, r.lease_until_ms, r.lease_ms, now_ms) THEN RETURN; END IF;
  RETURN NEXT retrysafe.view_of(r, now_ms);
END $$;

-- Arguments: state (or null: all), after (a name, or null: from the beginning), n (records at most)
-- Answers: views; where the page ended early, a last row with nothing but k: the next page begins after it.
--   A page looks at 5000 records at most, so it may hold fewer than n and still not be the last. The unknown ones have an
--   index of their own.
CREATE OR REPLACE FUNCTION retrysafe.list(p_state "char", p_after bytea, p_n integer)
RETURNS SETOF retrysafe.record_view LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
  page refcursor;
  r retrysafe.record;
  v retrysafe.record_view;
  now_ms bigint := retrysafe.clock_ms();
  looks integer := 0;
  found_count integer := 0;
  last bytea;
BEGIN
  IF p_state = 'u' THEN
    OPEN page FOR
      SELECT t.* FROM retrysafe.unknown u JOIN retrysafe.record t ON t.k = u.k
      WHERE u.k > coalesce(p_after, '') ORDER BY u.k LIMIT 5001;
  ELSE
    OPEN page FOR SELECT * FROM retrysafe.record t WHERE t.k > coalesce(p_after, '') ORDER BY t.k LIMIT 5001;
  END IF;
  LOOP
    FETCH page INTO r;
    EXIT WHEN NOT FOUND;
    IF found_count = p_n OR looks = 5000 THEN
      v.k := last;
      RETURN NEXT v;
      RETURN;
    END IF;
    looks := looks + 1;
    last := r.k;
    CONTINUE WHEN (p_state IS NOT NULL AND r.state <> p_state)
      OR retrysafe.is_expired(r.state, r.expires_at_ms, r.lease_until_ms, r.lease_ms, now_ms);
    found_count := found_count + 1;
    RETURN NEXT retrysafe.view_of(r, now_ms);
  END LOOP;
END $$;
