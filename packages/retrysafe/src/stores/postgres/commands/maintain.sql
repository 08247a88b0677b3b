-- Makes partitions of the log ahead and drops those of past days, whole. Runs with the rights of the schema's owner, so
-- that a gateway needs none of them; whoever else is at it already does it alone.
--
-- Arguments: ahead_days (partitions from today on)
-- Answers: created, dropped, moved (rows from the default partition). A call makes one partition, or drops: call it again,
-- in another transaction, until it has created none.
CREATE OR REPLACE FUNCTION retrysafe.maintain(
  p_ahead_days integer DEFAULT 5, OUT created integer, OUT dropped integer, OUT moved bigint
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Statements of others queue up behind a waiting lock of ours: give up soon, the next time will do.
SET lock_timeout = '200ms'
AS $$
DECLARE
  today date := retrysafe.day_of(retrysafe.clock_ms());
  of_day date;
  partition text;
  rows_moved bigint;
  -- Everybody waits while rows move.
  most_moved CONSTANT integer := 2000;
BEGIN
  created := 0;
  dropped := 0;
  moved := 0;
  IF NOT pg_try_advisory_xact_lock(1381191528, hashtext('retrysafe.maintain')) THEN RETURN; END IF;
  FOR of_day IN SELECT today + d FROM generate_series(0, least(greatest(p_ahead_days, 0), 100)) AS d LOOP
    partition := 'log_' || to_char(of_day, 'YYYYMMDD');
    CONTINUE WHEN to_regclass('retrysafe.' || partition) IS NOT NULL;
    -- What is more than that stays in the default partition until its day is over.
    CONTINUE WHEN EXISTS (SELECT FROM retrysafe.log_default WHERE day = of_day OFFSET most_moved);
    -- Attached only when it is whole: that needs a weaker lock than a partition made in place, and its rows come along.
    EXECUTE format('CREATE TABLE retrysafe.%I (LIKE retrysafe.log INCLUDING ALL)', partition);
    LOCK TABLE retrysafe.log_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format(
      'WITH strays AS (DELETE FROM retrysafe.log_default WHERE day = %L RETURNING *) INSERT INTO retrysafe.%I SELECT * FROM strays',
      of_day, partition
    );
    GET DIAGNOSTICS rows_moved = ROW_COUNT;
    EXECUTE format(
      'ALTER TABLE retrysafe.log ATTACH PARTITION retrysafe.%I FOR VALUES FROM (%L) TO (%L)', partition, of_day, of_day + 1
    );
    created := created + 1;
    moved := moved + rows_moved;
    -- The default partition is ours until we commit. And who drops needs the whole log, of which others hold a part while
    -- they wait for the default partition.
    RETURN;
  END LOOP;
  -- Every record whose bytes are there expired before the day was over.
  FOR partition, of_day IN
    SELECT c.relname, to_date(substr(c.relname, 5), 'YYYYMMDD')
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'retrysafe.log'::regclass AND c.relname ~ '^log_[0-9]{8}$'
  LOOP
    CONTINUE WHEN of_day >= today;
    EXECUTE format('DROP TABLE retrysafe.%I', partition);
    dropped := dropped + 1;
  END LOOP;
  DELETE FROM retrysafe.log_default WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM retrysafe.log_default WHERE day < today ORDER BY day LIMIT 10000
  ));
END $$;
