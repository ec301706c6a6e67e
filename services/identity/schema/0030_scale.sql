-- SPDX-License-Identifier: Apache-2.0
-- Every question costs the same however many users, projects and assignments there are.

-- Where inherited roles come from, the domain first. A parent never changes.
ALTER TABLE tenancy ADD COLUMN ancestors text[] NOT NULL DEFAULT '{}';
WITH RECURSIVE up (id, ancestors) AS (
    SELECT id, '{}'::text[] FROM tenancy WHERE is_domain
    UNION ALL
    SELECT t.id, up.ancestors || up.id FROM up JOIN tenancy t ON t.parent_id = up.id WHERE NOT t.is_domain
) UPDATE tenancy t SET ancestors = up.ancestors FROM up WHERE up.id = t.id AND NOT t.is_domain;
CREATE FUNCTION tenancy_ancestors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.ancestors := '{}';
    IF NOT NEW.is_domain THEN
        SELECT p.ancestors || p.id INTO NEW.ancestors FROM tenancy p WHERE p.id = coalesce(NEW.parent_id, NEW.domain_id);
        NEW.ancestors := coalesce(NEW.ancestors, '{}'); -- no such parent: the foreign key says so
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tenancy_ancestors BEFORE INSERT OR UPDATE OF parent_id, domain_id, is_domain ON tenancy
    FOR EACH ROW EXECUTE FUNCTION tenancy_ancestors();
CREATE INDEX tenancy_ancestors ON tenancy USING gin (ancestors);
CREATE OR REPLACE VIEW tenancy_ancestor AS
    SELECT id, unnest(ancestors) AS ancestor_id FROM tenancy WHERE NOT is_domain;

-- role_closure, kept.
CREATE TABLE role_closed (
    prior_role_id text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    role_id       text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_role_id, role_id)
);
CREATE INDEX role_closed_role ON role_closed (role_id);
INSERT INTO role_closed (prior_role_id, role_id) SELECT prior_role_id, role_id FROM role_closure;
CREATE OR REPLACE VIEW role_closure AS SELECT prior_role_id, role_id FROM role_closed;
CREATE FUNCTION role_close_itself() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO role_closed (prior_role_id, role_id) VALUES (NEW.id, NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER role_close_itself AFTER INSERT ON role FOR EACH ROW EXECUTE FUNCTION role_close_itself();
-- One change at a time: the next one sees what this one did.
CREATE FUNCTION role_close() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE role_closed IN SHARE ROW EXCLUSIVE MODE;
    WITH RECURSIVE closure (prior_role_id, role_id) AS (
        SELECT id, id FROM role
        UNION
        SELECT c.prior_role_id, i.implied_role_id FROM closure c JOIN implied_role i ON i.prior_role_id = c.role_id
    ), gone AS (
        DELETE FROM role_closed c WHERE NOT EXISTS
            (SELECT FROM closure n WHERE n.prior_role_id = c.prior_role_id AND n.role_id = c.role_id)
    ) INSERT INTO role_closed (prior_role_id, role_id) SELECT prior_role_id, role_id FROM closure ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER role_close AFTER INSERT OR UPDATE OR DELETE ON implied_role FOR EACH STATEMENT EXECUTE FUNCTION role_close();

-- Assignments by the user who has them, directly or by a group.
CREATE VIEW assignment_held AS
    SELECT a.user_id, NULL::text AS group_id, a.target_id, a.role_id, a.inherited FROM assignment a WHERE a.user_id IS NOT NULL
    UNION ALL
    SELECT m.user_id, a.group_id, a.target_id, a.role_id, a.inherited FROM group_member m JOIN assignment a ON a.group_id = m.group_id;
-- Flat, so that each arm is planned with what is asked. The two conditions on ancestors say the same: one serves who asks
-- by project, one who asks by user.
CREATE OR REPLACE VIEW effective_assignment AS
    SELECT a.user_id, a.group_id, a.target_id, a.role_id, a.target_id AS source_id, a.inherited
    FROM assignment a WHERE a.user_id IS NOT NULL AND NOT a.inherited
    UNION ALL
    SELECT m.user_id, a.group_id, a.target_id, a.role_id, a.target_id, a.inherited
    FROM group_member m JOIN assignment a ON a.group_id = m.group_id WHERE NOT a.inherited
    UNION ALL
    SELECT a.user_id, a.group_id, p.id, a.role_id, a.target_id, a.inherited
    FROM assignment a JOIN tenancy p ON p.ancestors @> ARRAY[a.target_id] AND a.target_id = ANY (p.ancestors) AND NOT p.is_domain
    WHERE a.user_id IS NOT NULL AND a.inherited
    UNION ALL
    SELECT m.user_id, a.group_id, p.id, a.role_id, a.target_id, a.inherited
    FROM group_member m JOIN assignment a ON a.group_id = m.group_id
    JOIN tenancy p ON p.ancestors @> ARRAY[a.target_id] AND a.target_id = ANY (p.ancestors) AND NOT p.is_domain
    WHERE a.inherited;
CREATE INDEX assignment_inherited ON assignment (target_id) WHERE inherited;
DROP INDEX assignment_user, assignment_group;
CREATE INDEX assignment_user ON assignment (user_id, target_id) WHERE user_id IS NOT NULL;
CREATE INDEX assignment_group ON assignment (group_id, target_id) WHERE group_id IS NOT NULL;

-- Lists and their filters.
CREATE INDEX user_account_name ON user_account (name, id);
CREATE INDEX user_account_lower ON user_account (lower(name));
CREATE INDEX user_account_domain ON user_account (domain_id, id);
CREATE INDEX user_account_enabled ON user_account (enabled, id);
CREATE INDEX tenancy_name ON tenancy (name, id);
CREATE INDEX tenancy_lower ON tenancy (lower(name));
CREATE INDEX tenancy_domain ON tenancy (domain_id, id);
CREATE INDEX tenancy_enabled ON tenancy (is_domain, enabled, id);
CREATE INDEX tenancy_kind ON tenancy (is_domain, id);
CREATE INDEX tenancy_tags ON tenancy USING gin (tags);
CREATE INDEX user_group_name ON user_group (name, id);
CREATE INDEX user_group_lower ON user_group (lower(name));
CREATE INDEX user_group_domain ON user_group (domain_id, id);

-- What refers to what is deleted.
CREATE INDEX user_account_home ON user_account (default_project_id) WHERE default_project_id IS NOT NULL;
CREATE INDEX credential_user ON credential (user_id, id);
CREATE INDEX credential_project ON credential (project_id, id);
CREATE INDEX credential_type ON credential (type, id);
CREATE INDEX project_limit_project ON project_limit (project_id) WHERE project_id IS NOT NULL;
CREATE INDEX project_limit_domain ON project_limit (domain_id) WHERE domain_id IS NOT NULL;
CREATE INDEX application_credential_project ON application_credential (project_id);
CREATE INDEX application_credential_role_role ON application_credential_role (role_id);
CREATE INDEX application_credential_rule_rule ON application_credential_rule (access_rule_id);
CREATE INDEX trust_role_role ON trust_role (role_id);
CREATE INDEX implied_role_implied ON implied_role (implied_role_id);

-- Parts of names, where the extension can be had.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        EXECUTE 'CREATE INDEX user_account_part ON user_account USING gin (name gin_trgm_ops)';
        EXECUTE 'CREATE INDEX tenancy_part ON tenancy USING gin (name gin_trgm_ops)';
        EXECUTE 'CREATE INDEX user_group_part ON user_group USING gin (name gin_trgm_ops)';
    END IF;
END $$;
