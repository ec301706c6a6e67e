-- SPDX-License-Identifier: Apache-2.0
-- What mails of an account could still prove, forgotten when the account is closed.
CREATE FUNCTION account_forget_proofs(who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('proof') IS NOT NULL THEN
        DELETE FROM proof WHERE user_id = who OR email = (SELECT email FROM account WHERE user_id = who);
    ELSE
        DELETE FROM sign_up WHERE email = (SELECT email FROM account WHERE user_id = who);
    END IF;
END $$;
