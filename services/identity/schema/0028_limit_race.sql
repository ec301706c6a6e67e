-- SPDX-License-Identifier: Apache-2.0
-- A project that is made while a limit is put above it: one of the two waits for the other, and sees it.
CREATE OR REPLACE FUNCTION limit_publish(want_type text, want_resource text, target text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    bounded boolean;
    is_tree boolean := (SELECT model = 'strict_tree' FROM quota_setting);
BEGIN
    IF is_tree THEN
        PERFORM pg_advisory_xact_lock(hashtext('feed_event ' || current_schema()));
    END IF;
    PERFORM limit_publish_one(want_type, want_resource, t.id, limit_share(want_type, want_resource, t.id))
        FROM tenancy t WHERE t.id = target AND NOT t.is_domain;
    IF NOT is_tree THEN
        RETURN;
    END IF;
    PERFORM limit_publish_one(want_type, want_resource, a.id, limit_share(want_type, want_resource, a.id))
        FROM tenancy_above(target) a WHERE NOT a.is_domain;
    bounded := coalesce(limit_of(want_type, want_resource, target), -1) >= 0 OR limit_above(want_type, want_resource, target) IS NOT NULL;
    PERFORM limit_publish_one(want_type, want_resource, b.id, CASE WHEN bounded THEN 0 ELSE b.own END)
        FROM limits_below(want_type, want_resource, target) b WHERE coalesce(b.own, -1) < 0;
END $$;
CREATE OR REPLACE FUNCTION tenancy_limits_come() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT model FROM quota_setting) = 'strict_tree' THEN
        PERFORM pg_advisory_xact_lock(hashtext('feed_event ' || current_schema()));
        PERFORM limit_publish_one(p.type, p.resource_name, NEW.id, limit_share(p.type, p.resource_name, NEW.id))
            FROM (SELECT DISTINCT s.type, l.resource_name FROM tenancy_above(NEW.id) a
                JOIN project_limit l ON coalesce(l.project_id, l.domain_id) = a.id JOIN service s ON s.id = l.service_id) p;
    END IF;
    RETURN NULL;
END $$;
