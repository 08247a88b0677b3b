-- Keeps a value under a name unless there is one.
--
-- Arguments: name, value
-- Answers: the value that is kept
CREATE OR REPLACE FUNCTION retrysafe.meta_init(p_name bytea, p_value bytea, OUT value bytea)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  SELECT m.value INTO value FROM retrysafe.meta m WHERE m.name = p_name;
  IF FOUND THEN RETURN; END IF;
  INSERT INTO retrysafe.meta (name, value) VALUES (p_name, p_value) ON CONFLICT (name) DO NOTHING;
  SELECT m.value INTO value FROM retrysafe.meta m WHERE m.name = p_name;
END $$;
