-- SPDX-License-Identifier: Apache-2.0
-- Whose tokens would come out differently now: a user's, or those in a project or domain (key: its id), or all (NULL). Written
-- in the transaction of each change; processes keep what users hold in their scopes and look here whether it is still right
-- (token/scope_cache.h). tx lets a reader find what was not committed yet when it looked last.
CREATE TABLE scope_change (
    n          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    key        text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX scope_change_tx ON scope_change (tx);
CREATE INDEX scope_change_created_at ON scope_change (created_at);

-- For each row that was changed or deleted.
CREATE FUNCTION scope_changed_by_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO scope_change (key) VALUES (OLD.id);
    RETURN NULL;
END $$;
-- For each statement, of the transition table `changed`. Many rows at once are everybody's.
CREATE FUNCTION scope_changed_by_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO scope_change (key) SELECT DISTINCT CASE WHEN c.n <= 100 THEN c.user_id END
        FROM (SELECT user_id, count(*) OVER () AS n FROM changed) c;
    RETURN NULL;
END $$;
CREATE FUNCTION scope_changed_for_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO scope_change (key) VALUES (NULL);
    RETURN NULL;
END $$;

CREATE TRIGGER scope_changed AFTER UPDATE ON user_account FOR EACH ROW
    WHEN ((OLD.id, OLD.name, OLD.domain_id, OLD.enabled, OLD.default_project_id, OLD.password_expires_at, OLD.options)
        IS DISTINCT FROM (NEW.id, NEW.name, NEW.domain_id, NEW.enabled, NEW.default_project_id, NEW.password_expires_at, NEW.options))
    EXECUTE FUNCTION scope_changed_by_id();
CREATE TRIGGER scope_gone AFTER DELETE ON user_account FOR EACH ROW EXECUTE FUNCTION scope_changed_by_id();
CREATE TRIGGER scope_changed AFTER UPDATE ON tenancy FOR EACH ROW
    WHEN ((OLD.id, OLD.name, OLD.domain_id, OLD.parent_id, OLD.is_domain, OLD.enabled)
        IS DISTINCT FROM (NEW.id, NEW.name, NEW.domain_id, NEW.parent_id, NEW.is_domain, NEW.enabled))
    EXECUTE FUNCTION scope_changed_by_id();
CREATE TRIGGER scope_gone AFTER DELETE ON tenancy FOR EACH ROW EXECUTE FUNCTION scope_changed_by_id();

CREATE TRIGGER scope_added AFTER INSERT ON assignment REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_by_user();
CREATE TRIGGER scope_gone AFTER DELETE ON assignment REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_by_user();
CREATE TRIGGER scope_changed AFTER UPDATE ON assignment FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_for_all();
CREATE TRIGGER scope_added AFTER INSERT ON group_member REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_by_user();
CREATE TRIGGER scope_gone AFTER DELETE ON group_member REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_by_user();
CREATE TRIGGER scope_changed AFTER UPDATE ON group_member FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_for_all();

CREATE TRIGGER scope_changed AFTER UPDATE OR DELETE ON role FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_for_all();
CREATE TRIGGER scope_changed AFTER INSERT OR UPDATE OR DELETE ON role_closed FOR EACH STATEMENT EXECUTE FUNCTION scope_changed_for_all();
