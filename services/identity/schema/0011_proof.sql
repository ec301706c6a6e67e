-- SPDX-License-Identifier: Apache-2.0
-- What a mail's token proves: a new address, an invitation, a changed address, a forgotten password. Only hashes are stored.
CREATE TABLE proof (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('sign_up', 'invitation', 'email', 'password')),
    email      text NOT NULL,           -- where the token went
    token_hash text NOT NULL UNIQUE,
    user_id    text,                    -- whose account changes; NULL: it is to be made
    subject_id text,                    -- the invitation
    detail     jsonb NOT NULL DEFAULT '{}', -- what the requester gave; emptied by the use
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX proof_email ON proof (email, kind);
CREATE INDEX proof_user ON proof (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX proof_subject ON proof (subject_id) WHERE subject_id IS NOT NULL;
CREATE INDEX proof_expires_at ON proof (expires_at);
INSERT INTO proof (kind, email, token_hash, detail, created_at, expires_at, used_at)
    SELECT 'sign_up', email, token_hash, CASE WHEN used_at IS NULL THEN jsonb_strip_nulls(jsonb_build_object(
        'password_hash', password_hash, 'name', name, 'project_name', project_name, 'locale', locale)) ELSE '{}' END,
        created_at, expires_at, used_at FROM sign_up ORDER BY id;
DROP TABLE sign_up;
CREATE INDEX rate_limit_window_start ON rate_limit (window_start);

-- Who may open an account by the domain of the address; the longest that fits decides, else setting accounts.mode.
CREATE TABLE account_rule (
    domain     text PRIMARY KEY,
    mode       text NOT NULL CHECK (mode IN ('automatic', 'approve', 'closed')),
    changed_by text,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX account_created ON account (created_at, user_id);
CREATE INDEX account_email_prefix ON account (email COLLATE "C");

-- An account that waits or is blocked has a disabled user. Who enables the user, by whatever way, approves or unblocks.
CREATE FUNCTION account_user_enabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account SET state = 'active', changed_at = now() WHERE user_id = NEW.id AND state IN ('waiting', 'blocked');
    RETURN NULL;
END $$;
CREATE TRIGGER account_user_enabled AFTER UPDATE OF enabled ON user_account FOR EACH ROW
    WHEN (NEW.enabled AND NOT OLD.enabled) EXECUTE FUNCTION account_user_enabled();
