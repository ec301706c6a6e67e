-- SPDX-License-Identifier: Apache-2.0
-- Users who sign in by an identity provider, and what ends their tokens.
CREATE TABLE federated_user (
    provider_id text NOT NULL,
    protocol_id text NOT NULL,
    unique_id   text NOT NULL, -- as the mapping gives it
    user_id     text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    PRIMARY KEY (provider_id, protocol_id, unique_id),
    FOREIGN KEY (provider_id, protocol_id) REFERENCES federation_protocol (provider_id, id) ON DELETE CASCADE
);
CREATE INDEX federated_user_user ON federated_user (user_id);

-- Groups of signed-in users: those that tokens show until tokens_until, so that who changes a group knows whose tokens it
-- concerns; and until member_until (provider's authorization_ttl) the user is in the group whatever it comes by: then
-- group_member has the row too.
CREATE TABLE federated_membership (
    user_id      text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    group_id     text NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    tokens_until timestamptz NOT NULL,
    member_until timestamptz,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX federated_membership_group ON federated_membership (group_id);
CREATE INDEX federated_membership_tokens ON federated_membership (tokens_until);
CREATE INDEX federated_membership_member ON federated_membership (member_until) WHERE member_until IS NOT NULL;
ALTER TABLE group_member ADD COLUMN provider_id text REFERENCES identity_provider (id) ON DELETE CASCADE; -- NULL: for good
CREATE INDEX group_member_provider ON group_member (provider_id) WHERE provider_id IS NOT NULL;
DROP TRIGGER scope_changed ON group_member;
CREATE TRIGGER scope_changed AFTER UPDATE OF group_id, user_id ON group_member FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_for_all();
-- Whatever ends such a membership ends the user's tokens.
CREATE FUNCTION federated_membership_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('user_id', OLD.user_id));
    RETURN NULL;
END $$;
CREATE TRIGGER federated_membership_gone AFTER DELETE ON group_member FOR EACH ROW
    WHEN (OLD.provider_id IS NOT NULL) EXECUTE FUNCTION federated_membership_gone();

-- Tokens end with the protocol that they began with, whatever takes it away: the provider is deleted, disabled or no longer
-- known by one of its names, the protocol or the mapping is deleted or says something else.
CREATE FUNCTION federation_protocol_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('federation', OLD.provider_id || '/' || OLD.id));
    RETURN NULL;
END $$;
CREATE TRIGGER federation_protocol_gone AFTER DELETE ON federation_protocol FOR EACH ROW EXECUTE FUNCTION federation_protocol_ended();
CREATE TRIGGER federation_protocol_changed AFTER UPDATE ON federation_protocol FOR EACH ROW
    WHEN ((OLD.mapping_id, OLD.remote_id_attribute) IS DISTINCT FROM (NEW.mapping_id, NEW.remote_id_attribute))
    EXECUTE FUNCTION federation_protocol_ended();
CREATE FUNCTION identity_provider_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('federation', p.provider_id || '/' || p.id))
        FROM federation_protocol p WHERE p.provider_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER identity_provider_ended AFTER UPDATE ON identity_provider FOR EACH ROW
    WHEN (OLD.enabled AND NOT NEW.enabled OR NOT NEW.remote_ids @> OLD.remote_ids) EXECUTE FUNCTION identity_provider_ended();
CREATE FUNCTION federation_mapping_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('federation', p.provider_id || '/' || p.id))
        FROM federation_protocol p WHERE p.mapping_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER federation_mapping_gone AFTER DELETE ON federation_mapping FOR EACH ROW EXECUTE FUNCTION federation_mapping_ended();
CREATE TRIGGER federation_mapping_changed AFTER UPDATE ON federation_mapping FOR EACH ROW
    WHEN ((OLD.rules, OLD.schema_version) IS DISTINCT FROM (NEW.rules, NEW.schema_version)) EXECUTE FUNCTION federation_mapping_ended();

-- The user that unique_id of a provider's protocol is here, made when there is none, with this name and address now. A name that
-- another user of the domain has gets a part of the id: names are unique, and nobody may pass for another.
CREATE FUNCTION federated_user_here(provider text, protocol text, unique_name text, derived text, domain text, wanted text, mail text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    own text;
    free text;
    more jsonb := CASE WHEN mail IS NULL THEN '{}' ELSE jsonb_build_object('email', mail) END;
BEGIN
    SELECT f.user_id INTO own FROM federated_user f JOIN user_account u ON u.id = f.user_id
        WHERE f.provider_id = provider AND f.protocol_id = protocol AND f.unique_id = unique_name;
    IF own IS NOT NULL AND EXISTS (SELECT FROM user_account u WHERE u.id = own AND u.extra @> more
            AND u.name IN (wanted, wanted || '#' || left(own, 8))) THEN
        RETURN own;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('federated_user ' || domain || ' ' || current_schema()));
    own := coalesce(own, derived);
    SELECT CASE WHEN EXISTS (SELECT FROM user_account u WHERE u.domain_id = coalesce(m.domain_id, domain) AND u.name = wanted AND u.id <> own)
        THEN wanted || '#' || left(own, 8) ELSE wanted END INTO free
        FROM (SELECT 1) o LEFT JOIN user_account m ON m.id = own;
    INSERT INTO user_account (id, domain_id, name, extra) VALUES (own, domain, free, more) ON CONFLICT (id) DO UPDATE
        SET name = EXCLUDED.name, extra = user_account.extra || more;
    INSERT INTO federated_user (provider_id, protocol_id, unique_id, user_id) VALUES (provider, protocol, unique_name, own)
        ON CONFLICT DO NOTHING;
    RETURN own;
END $$;

-- The groups that a mapping names, [{"id"} or {"name", "domain": {"id" or "name"}}, …]: ids of those that are there, and how many were
-- named by an id that is not.
CREATE FUNCTION federated_groups(named jsonb) RETURNS TABLE (ids text[], n_missing bigint) LANGUAGE sql STABLE AS $$
    WITH each AS (SELECT DISTINCT e->>'id' AS id, e->>'name' AS name,
            coalesce(e->'domain'->>'id', domain_named(e->'domain'->>'name')) AS domain_id FROM jsonb_array_elements(named) e),
    found AS (
        SELECT g.id FROM each e JOIN user_group g ON g.id = e.id
        UNION
        SELECT g.id FROM each e JOIN user_group g ON g.domain_id = e.domain_id AND g.name = e.name)
    SELECT ARRAY(SELECT id FROM found ORDER BY id), (SELECT count(*) FROM each e LEFT JOIN user_group g ON g.id = e.id
        WHERE e.id IS NOT NULL AND g.id IS NULL)
$$;

-- Projects that a mapping gives a user, [{"name", "roles": [name, …], "domain"?}, …]: a row for each role, or one without.
CREATE FUNCTION federated_project_roles(domain text, given jsonb) RETURNS TABLE (domain_id text, name text, role text) LANGUAGE sql STABLE AS $$
    SELECT coalesce(p->'domain'->>'id', domain_named(p->'domain'->>'name'), domain), p->>'name', r.value
    FROM jsonb_array_elements(given) p LEFT JOIN LATERAL jsonb_array_elements_text(p->'roles') r ON true
$$;
-- They are made where they are not there. NULL: done; else the name of a role that is not there (or another domain's own), and nothing is.
CREATE FUNCTION federated_projects(own text, domain text, given jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    missing text;
BEGIN
    SELECT w.role INTO missing FROM federated_project_roles(domain, given) w WHERE w.role IS NOT NULL AND NOT EXISTS
        (SELECT FROM role r WHERE r.name = w.role AND coalesce(r.domain_id, w.domain_id) = w.domain_id) LIMIT 1;
    IF missing IS NOT NULL THEN
        RETURN missing;
    END IF;
    INSERT INTO tenancy (id, is_domain, domain_id, parent_id, name)
        SELECT replace(gen_random_uuid()::text, '-', ''), false, w.domain_id, w.domain_id, w.name
        FROM (SELECT DISTINCT domain_id, name FROM federated_project_roles(domain, given)) w
        WHERE NOT EXISTS (SELECT FROM tenancy t WHERE NOT t.is_domain AND t.domain_id = w.domain_id AND t.name = w.name)
        ON CONFLICT DO NOTHING;
    INSERT INTO assignment (user_id, target_id, role_id)
        SELECT DISTINCT own, t.id, r.id FROM federated_project_roles(domain, given) w
        JOIN tenancy t ON NOT t.is_domain AND t.domain_id = w.domain_id AND t.name = w.name
        JOIN LATERAL (SELECT r.id FROM role r WHERE r.name = w.role AND coalesce(r.domain_id, w.domain_id) = w.domain_id
            ORDER BY r.domain_id NULLS LAST LIMIT 1) r ON true
        WHERE NOT EXISTS (SELECT FROM assignment a WHERE a.user_id = own AND a.target_id = t.id AND a.role_id = r.id AND NOT a.inherited)
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
