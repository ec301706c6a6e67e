-- SPDX-License-Identifier: Apache-2.0
-- The trustee may act with some of the trustor's roles on one project. audit_id is that of all its tokens.
CREATE TABLE trust (
    id                  text PRIMARY KEY,
    trustor_user_id     text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    trustee_user_id     text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    project_id          text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    impersonation       boolean NOT NULL,
    expires_at          timestamptz,
    remaining_uses      bigint CHECK (remaining_uses >= 0),
    redelegation_count  int NOT NULL CHECK (redelegation_count >= 0),
    redelegated_from_id text REFERENCES trust (id) ON DELETE CASCADE,
    audit_id            text NOT NULL UNIQUE,
    extra               jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX trust_trustor ON trust (trustor_user_id);
CREATE INDEX trust_trustee ON trust (trustee_user_id);
CREATE INDEX trust_project ON trust (project_id);
CREATE INDEX trust_redelegated ON trust (redelegated_from_id);
CREATE TABLE trust_role (
    trust_id text NOT NULL REFERENCES trust (id) ON DELETE CASCADE,
    role_id  text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (trust_id, role_id)
);

-- Whatever deletes a trust ends its tokens.
CREATE FUNCTION trust_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('audit_id', OLD.audit_id));
    RETURN NULL;
END $$;
CREATE TRIGGER trust_gone AFTER DELETE ON trust FOR EACH ROW EXECUTE FUNCTION trust_gone();

-- A token of a trust names one of its two users: what ends the tokens of either, or of either's domain, ends it too.
CREATE FUNCTION trust_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('audit_id', t.audit_id)) FROM trust t
        WHERE NEW.body->>'user_id' IN (t.trustor_user_id, t.trustee_user_id)
        AND coalesce(NEW.body->>'project_id', t.project_id) = t.project_id;
    PERFORM feed_append('revocation', jsonb_build_object('audit_id', t.audit_id))
        FROM trust t JOIN user_account u ON u.id IN (t.trustor_user_id, t.trustee_user_id)
        WHERE u.domain_id = NEW.body->>'domain_id' AND NEW.body->>'user_id' IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER trust_touched AFTER INSERT ON feed_event FOR EACH ROW
    WHEN (NEW.kind = 'revocation' AND NOT NEW.body ? 'audit_id' AND (NEW.body ? 'user_id' OR NEW.body ? 'domain_id'))
    EXECUTE FUNCTION trust_touched();
