-- SPDX-License-Identifier: Apache-2.0
-- A service may go while limits name it, as in Keystone (and as a region may, 0034): they stay, and count for nothing.
DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT conrelid::regclass AS name, conname FROM pg_constraint WHERE contype = 'f' AND confrelid = 'service'::regclass
        AND conrelid IN ('registered_limit'::regclass, 'project_limit'::regclass)
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', each.name, each.conname); END LOOP;
END $$;
DROP TRIGGER service_limits_go ON service;
DROP FUNCTION service_limits_go();
CREATE FUNCTION service_limits_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM limit_publish_one(OLD.type, r.resource_name, '', limit_default(OLD.type, r.resource_name))
        FROM (SELECT DISTINCT resource_name FROM registered_limit WHERE service_id = OLD.id) r;
    PERFORM limit_publish(OLD.type, l.resource_name, coalesce(l.project_id, l.domain_id)) FROM project_limit l WHERE l.service_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER service_limits_gone AFTER DELETE ON service FOR EACH ROW EXECUTE FUNCTION service_limits_gone();
