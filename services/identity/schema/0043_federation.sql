-- SPDX-License-Identifier: Apache-2.0
-- OS-FEDERATION: identity providers with their protocols, the rules that turn what they say into users and groups, and the
-- service providers that tokens name.
CREATE TABLE identity_provider (
    id                text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    domain_id         text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    enabled           boolean NOT NULL DEFAULT false,
    description       text,
    remote_ids        jsonb NOT NULL DEFAULT '[]',
    authorization_ttl bigint CHECK (authorization_ttl >= 0) -- minutes
);
CREATE INDEX identity_provider_domain ON identity_provider (domain_id);
-- No two providers have the same.
CREATE TABLE identity_provider_remote (
    remote_id   text PRIMARY KEY,
    provider_id text NOT NULL REFERENCES identity_provider (id) ON DELETE CASCADE
);
CREATE INDEX identity_provider_remote_provider ON identity_provider_remote (provider_id);
CREATE FUNCTION identity_provider_remotes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM identity_provider_remote WHERE provider_id = NEW.id;
    INSERT INTO identity_provider_remote (remote_id, provider_id) SELECT value, NEW.id FROM jsonb_array_elements_text(NEW.remote_ids);
    RETURN NULL;
END $$;
CREATE TRIGGER identity_provider_remotes AFTER INSERT OR UPDATE OF remote_ids ON identity_provider
    FOR EACH ROW EXECUTE FUNCTION identity_provider_remotes();

CREATE TABLE federation_mapping (
    id             text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    rules          jsonb NOT NULL,
    schema_version text NOT NULL DEFAULT '1.0'
);
-- The mapping may be deleted while a protocol names it: nobody signs in by that one then.
CREATE TABLE federation_protocol (
    provider_id         text NOT NULL REFERENCES identity_provider (id) ON DELETE CASCADE,
    id                  text NOT NULL CHECK (length(id) BETWEEN 1 AND 64),
    mapping_id          text NOT NULL,
    remote_id_attribute text,
    PRIMARY KEY (provider_id, id)
);
CREATE INDEX federation_protocol_mapping ON federation_protocol (mapping_id);

CREATE TABLE service_provider (
    id                 text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    enabled            boolean NOT NULL DEFAULT false,
    description        text,
    auth_url           text NOT NULL,
    sp_url             text NOT NULL,
    relay_state_prefix text NOT NULL DEFAULT 'ss:mem:'
);
-- Tokens show them beside the catalog, and their text is kept with it.
CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE ON service_provider FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
