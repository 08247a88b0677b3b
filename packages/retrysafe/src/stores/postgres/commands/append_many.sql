-- Appends to several logs in one transaction. Nothing here waits for a row, so batches cannot block each other.
--
-- Arguments: those of append, as arrays of one length; the bytes of all in one value, with their lengths
-- Answers: ord (from 1), and what append answers.
CREATE OR REPLACE FUNCTION retrysafe.append_many(
  p_ks bytea[], p_fences bigint[], p_owners bytea[], p_offs bigint[], p_canonicals bytea[], p_lengths integer[],
  p_bytes bytea
) RETURNS TABLE (ord integer, kind text, length_bytes double precision, followed boolean)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
DECLARE
  at integer;
  start integer := 1;
BEGIN
  FOR at IN 1 .. pg_catalog.cardinality(p_ks) LOOP
    RETURN QUERY SELECT at, a.* FROM retrysafe.append(
      p_ks[at], p_fences[at], p_owners[at], p_offs[at], substring(p_bytes FROM start FOR p_lengths[at]),
      p_canonicals[at]
    ) AS a;
    start := start + p_lengths[at];
  END LOOP;
END $$;
