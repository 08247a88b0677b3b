-- Bounded counters. A bucket is locked for the one statement that adds to it.

-- Arguments: bucket; names and deltas, as arrays; source, number (of its sequence)
-- Answers: ok, or dup when the number is not above the source's last
CREATE OR REPLACE FUNCTION retrysafe.count(
  p_bucket bytea, p_names bytea[], p_deltas double precision[], p_source bytea, p_number bigint, OUT kind text
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
  room integer;
BEGIN
  PERFORM pg_advisory_xact_lock(1381191527, hashtext(encode(p_bucket, 'hex')));
  INSERT INTO retrysafe.counter_source AS s (bucket, source, number) VALUES (p_bucket, p_source, p_number)
  ON CONFLICT (bucket, source) DO UPDATE SET number = excluded.number, seen_at = DEFAULT WHERE s.number < excluded.number;
  IF NOT FOUND THEN
    kind := 'dup';
    RETURN;
  END IF;
  kind := 'ok';
  -- Of more than 4096 sources the one that was silent longest is forgotten; more names than that are summed up as other.
  DELETE FROM retrysafe.counter_source s WHERE s.bucket = p_bucket AND s.seen_at <= (
    SELECT o.seen_at FROM retrysafe.counter_source o WHERE o.bucket = p_bucket ORDER BY o.seen_at DESC OFFSET 4096 LIMIT 1
  );
  SELECT 4096 - count(*) INTO room FROM retrysafe.counter c WHERE c.bucket = p_bucket;
  INSERT INTO retrysafe.counter AS c (bucket, name, sum)
  SELECT p_bucket, u.kept, sum(u.delta) FROM (
    SELECT d.delta, CASE
      WHEN e.name IS NOT NULL OR count(*) FILTER (WHERE e.name IS NULL) OVER (ORDER BY d.ord) <= room THEN d.name
      ELSE 'other' END AS kept
    FROM unnest(p_names, p_deltas) WITH ORDINALITY AS d (name, delta, ord)
    LEFT JOIN retrysafe.counter e ON e.bucket = p_bucket AND e.name = d.name
  ) AS u GROUP BY u.kept
  ON CONFLICT (bucket, name) DO UPDATE SET sum = c.sum + excluded.sum;
END $$;

-- Arguments: bucket
-- Answers: name, sum
CREATE OR REPLACE FUNCTION retrysafe.counters(p_bucket bytea) RETURNS TABLE (name bytea, sum double precision)
LANGUAGE sql STABLE AS $$
  SELECT c.name, c.sum FROM retrysafe.counter c WHERE c.bucket = p_bucket
$$;
