-- Completes inside the caller's transaction: nothing shows before it commits. Waits for a locked row, as the caller's
-- own statements do. Where the record is not this token's to complete any more, an outcome of its own included, it
-- raises, so that the transaction can only be rolled back.
--
-- Arguments: those of complete
-- Errors: RS001 lost or dup, RS002 gap
CREATE OR REPLACE FUNCTION retrysafe.complete_in(
  p_k bytea, p_fence bigint, p_owner bytea, p_off bigint, p_bytes bytea, p_canonical bytea
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  answer text;
BEGIN
  SELECT c.kind INTO answer FROM retrysafe.complete(p_k, p_fence, p_owner, p_off, p_bytes, p_canonical, true) AS c;
  CASE answer
  WHEN 'ok' THEN
    RETURN;
  WHEN 'gap' THEN
    RAISE EXCEPTION 'the log of the record is shorter than %', p_off USING ERRCODE = 'RS002';
  ELSE
    RAISE EXCEPTION 'the record is not this attempt''s to complete any more (%)', answer USING ERRCODE = 'RS001';
  END CASE;
END $$;
