-- SPDX-License-Identifier: Apache-2.0
-- OAuth 1.0a: a consumer asks for a request token, a user authorizes it for some roles on the project that was asked for,
-- and the consumer exchanges it, with the verifier, for an access token. Secrets are sealed (0018).
CREATE TABLE oauth1_request_token (
    id              text PRIMARY KEY,
    consumer_id     text NOT NULL REFERENCES consumer (id) ON DELETE CASCADE,
    project_id      text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    user_id         text REFERENCES user_account (id) ON DELETE CASCADE,
    sealed          text NOT NULL,
    verifier_digest text,
    role_ids        jsonb NOT NULL DEFAULT '[]',
    expires_at      timestamptz,
    CHECK ((user_id IS NULL) = (verifier_digest IS NULL))
);
CREATE INDEX oauth1_request_token_consumer ON oauth1_request_token (consumer_id);
CREATE INDEX oauth1_request_token_project ON oauth1_request_token (project_id);
CREATE INDEX oauth1_request_token_user ON oauth1_request_token (user_id);
-- audit_id is that of all Keystone tokens made with it.
CREATE TABLE oauth1_access_token (
    id          text PRIMARY KEY,
    consumer_id text NOT NULL REFERENCES consumer (id) ON DELETE CASCADE,
    project_id  text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    user_id     text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    sealed      text NOT NULL,
    audit_id    text NOT NULL UNIQUE,
    expires_at  timestamptz
);
CREATE INDEX oauth1_access_token_consumer ON oauth1_access_token (consumer_id);
CREATE INDEX oauth1_access_token_project ON oauth1_access_token (project_id);
CREATE INDEX oauth1_access_token_user ON oauth1_access_token (user_id);
CREATE TABLE oauth1_access_token_role (
    access_token_id text NOT NULL REFERENCES oauth1_access_token (id) ON DELETE CASCADE,
    role_id         text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (access_token_id, role_id)
);
CREATE INDEX oauth1_access_token_role_role ON oauth1_access_token_role (role_id);
-- A signed request counts once.
CREATE TABLE oauth1_nonce (
    consumer_id text NOT NULL,
    token       text NOT NULL,
    signed_at   bigint NOT NULL,
    nonce       text NOT NULL,
    used_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_id, token, signed_at, nonce)
);
CREATE INDEX oauth1_nonce_used ON oauth1_nonce (used_at);

-- Whatever deletes an access token ends its tokens.
CREATE FUNCTION oauth1_access_token_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('audit_id', OLD.audit_id));
    RETURN NULL;
END $$;
CREATE TRIGGER oauth1_access_token_gone AFTER DELETE ON oauth1_access_token FOR EACH ROW EXECUTE FUNCTION oauth1_access_token_gone();
