-- SPDX-License-Identifier: Apache-2.0
-- The period of the last passcode that was taken: none is taken twice, nor an older one after it.
ALTER TABLE credential ADD COLUMN totp_step bigint;

-- All tokens made by an EC2 key have its audit id, and end with it, whatever deleted or replaced it.
CREATE FUNCTION ec2_key_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('audit_id', 'ec2-' || left(OLD.digest, 18)));
    RETURN NULL;
END $$;
CREATE TRIGGER ec2_key_gone AFTER DELETE ON credential FOR EACH ROW WHEN (OLD.digest IS NOT NULL) EXECUTE FUNCTION ec2_key_gone();
CREATE TRIGGER ec2_key_replaced AFTER UPDATE OF digest, sealed ON credential FOR EACH ROW
    WHEN (OLD.digest IS DISTINCT FROM NEW.digest AND OLD.digest IS NOT NULL) EXECUTE FUNCTION ec2_key_gone();
