-- SPDX-License-Identifier: Apache-2.0
-- Unified limits. Admins write registered_limit and project_limit; what follows from them for each project is published to the
-- services as limit events, by the database itself, whatever changed a row. A project's event is its share: what it may use itself;
-- null: the default. Defaults are events of project ''.
CREATE TABLE quota_setting (
    id        int PRIMARY KEY CHECK (id = 1),
    model     text NOT NULL CHECK (model IN ('flat', 'strict_two_level', 'strict_tree')),
    region_id text NOT NULL,
    adopted   boolean NOT NULL DEFAULT false -- limits that were events only have become rows
);
INSERT INTO quota_setting VALUES (1, 'flat', 'RegionOne');
CREATE INDEX project_limit_target ON project_limit ((coalesce(project_id, domain_id)), resource_name);
CREATE INDEX project_limit_resource ON project_limit (resource_name, service_id);
CREATE INDEX tenancy_children ON tenancy (parent_id, id);

-- A row of the cloud's own region goes before one of no region; other regions' rows are not ours to enforce.
CREATE FUNCTION limit_default(want_type text, want_resource text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT r.default_limit FROM registered_limit r JOIN service s ON s.id = r.service_id, quota_setting q
    WHERE s.type = want_type AND r.resource_name = want_resource AND (r.region_id IS NULL OR r.region_id = q.region_id)
    ORDER BY r.region_id IS NULL, s.id LIMIT 1
$$;
CREATE FUNCTION limit_of(want_type text, want_resource text, target text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT l.resource_limit FROM project_limit l JOIN service s ON s.id = l.service_id, quota_setting q
    WHERE coalesce(l.project_id, l.domain_id) = target AND l.resource_name = want_resource AND s.type = want_type
        AND (l.region_id IS NULL OR l.region_id = q.region_id)
    ORDER BY l.region_id IS NULL, s.id LIMIT 1
$$;
CREATE FUNCTION limits_of(want_type text, want_resource text) RETURNS TABLE (id text, own bigint) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (1) coalesce(l.project_id, l.domain_id), l.resource_limit
    FROM project_limit l JOIN service s ON s.id = l.service_id, quota_setting q
    WHERE l.resource_name = want_resource AND s.type = want_type AND (l.region_id IS NULL OR l.region_id = q.region_id)
    ORDER BY 1, l.region_id IS NULL, s.id
$$;
-- Who stands above, nearest first; the domain last.
CREATE FUNCTION tenancy_above(target text) RETURNS TABLE (id text, is_domain boolean, distance int) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up (id, is_domain, parent_id, distance) AS (
        SELECT p.id, p.is_domain, p.parent_id, 1 FROM tenancy t JOIN tenancy p ON p.id = t.parent_id WHERE t.id = target
        UNION ALL
        SELECT p.id, p.is_domain, p.parent_id, up.distance + 1 FROM up JOIN tenancy p ON p.id = up.parent_id
    ) SELECT id, is_domain, distance FROM up
$$;
-- The nearest one above that has a limit.
CREATE FUNCTION limit_above(want_type text, want_resource text, target text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT a.id FROM tenancy_above(target) a WHERE limit_of(want_type, want_resource, a.id) >= 0 ORDER BY a.distance LIMIT 1
$$;
-- Those below, down to and with the first ones that have a limit.
CREATE FUNCTION limits_below(want_type text, want_resource text, target text) RETURNS TABLE (id text, own bigint) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE known AS MATERIALIZED (SELECT * FROM limits_of(want_type, want_resource)),
    down (id, own) AS (
        SELECT t.id, k.own FROM tenancy t LEFT JOIN known k ON k.id = t.id WHERE t.parent_id = target
        UNION ALL
        SELECT t.id, k.own FROM down d JOIN tenancy t ON t.parent_id = d.id LEFT JOIN known k ON k.id = t.id
        WHERE coalesce(d.own, -1) < 0
    ) SELECT down.id, down.own FROM down
$$;
CREATE FUNCTION limit_given(want_type text, want_resource text, target text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(own) FILTER (WHERE own >= 0), 0)::bigint FROM limits_below(want_type, want_resource, target)
$$;

-- What a project may use itself. In a tree: its limit less what it gave away; beneath a limit, nothing that was not given to it.
CREATE FUNCTION limit_share(want_type text, want_resource text, project text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN q.model <> 'strict_tree' THEN o.own
        WHEN o.own >= 0 THEN greatest(o.own - limit_given(want_type, want_resource, project), 0)
        WHEN limit_above(want_type, want_resource, project) IS NOT NULL THEN 0
        ELSE o.own END
    FROM quota_setting q, (SELECT limit_of(want_type, want_resource, project) AS own) o
$$;

CREATE FUNCTION limit_publish_one(want_type text, want_resource text, project text, share bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    known jsonb;
BEGIN
    SELECT body INTO known FROM feed_event WHERE kind = 'limit' AND body->>'project_id' = project AND body->>'service' = want_type
        AND body->>'resource' = want_resource;
    IF (known IS NULL AND share IS NOT NULL) OR (known IS NOT NULL AND (known->>'value')::bigint IS DISTINCT FROM share) THEN
        PERFORM feed_append('limit', jsonb_build_object('project_id', project, 'service', want_type, 'resource', want_resource, 'value', share));
    END IF;
END $$;
-- After a change of target's limit: itself, those above whose share it takes from, those below that have nothing of their own.
CREATE FUNCTION limit_publish(want_type text, want_resource text, target text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    bounded boolean;
BEGIN
    PERFORM limit_publish_one(want_type, want_resource, t.id, limit_share(want_type, want_resource, t.id))
        FROM tenancy t WHERE t.id = target AND NOT t.is_domain;
    IF (SELECT model FROM quota_setting) <> 'strict_tree' THEN
        RETURN;
    END IF;
    PERFORM limit_publish_one(want_type, want_resource, a.id, limit_share(want_type, want_resource, a.id))
        FROM tenancy_above(target) a WHERE NOT a.is_domain;
    bounded := coalesce(limit_of(want_type, want_resource, target), -1) >= 0 OR limit_above(want_type, want_resource, target) IS NOT NULL;
    PERFORM limit_publish_one(want_type, want_resource, b.id, CASE WHEN bounded THEN 0 ELSE b.own END)
        FROM limits_below(want_type, want_resource, target) b WHERE coalesce(b.own, -1) < 0;
END $$;

-- True when the limit of target breaks what the model promises.
CREATE FUNCTION limit_breaks_model(want_type text, want_resource text, target text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    mode text := (SELECT model FROM quota_setting);
    mine bigint := limit_of(want_type, want_resource, target);
    above text;
    bound bigint;
BEGIN
    IF mode = 'flat' OR mine IS NULL THEN
        RETURN false;
    ELSIF mode = 'strict_two_level' THEN
        IF (SELECT is_domain FROM tenancy WHERE id = target) THEN
            RETURN mine >= 0 AND EXISTS (SELECT FROM limits_of(want_type, want_resource) l JOIN tenancy t ON t.id = l.id
                WHERE t.domain_id = target AND (l.own < 0 OR l.own > mine));
        END IF;
        SELECT coalesce(limit_of(want_type, want_resource, parent_id), limit_default(want_type, want_resource)) INTO bound
            FROM tenancy WHERE id = target;
        RETURN bound >= 0 AND (mine < 0 OR mine > bound);
    END IF;
    above := limit_above(want_type, want_resource, target);
    RETURN (above IS NOT NULL AND (mine < 0
            OR limit_given(want_type, want_resource, above) > limit_of(want_type, want_resource, above)))
        OR (mine >= 0 AND (limit_given(want_type, want_resource, target) > mine
            OR EXISTS (SELECT FROM limits_below(want_type, want_resource, target) b WHERE b.own < 0)));
END $$;

CREATE FUNCTION project_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM limit_publish(s.type, OLD.resource_name, coalesce(OLD.project_id, OLD.domain_id)) FROM service s WHERE s.id = OLD.service_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM limit_publish(s.type, NEW.resource_name, coalesce(NEW.project_id, NEW.domain_id)) FROM service s WHERE s.id = NEW.service_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER project_limit_changed AFTER INSERT OR UPDATE OR DELETE ON project_limit FOR EACH ROW EXECUTE FUNCTION project_limit_changed();

CREATE FUNCTION registered_limit_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM limit_publish_one(s.type, OLD.resource_name, '', limit_default(s.type, OLD.resource_name)) FROM service s WHERE s.id = OLD.service_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM limit_publish_one(s.type, NEW.resource_name, '', limit_default(s.type, NEW.resource_name)) FROM service s WHERE s.id = NEW.service_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER registered_limit_changed AFTER INSERT OR UPDATE OR DELETE ON registered_limit FOR EACH ROW
    EXECUTE FUNCTION registered_limit_changed();

-- While a service or a tenancy that goes is still there, so that what followed from its limits can be told.
CREATE FUNCTION service_limits_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM project_limit WHERE service_id = OLD.id;
    DELETE FROM registered_limit WHERE service_id = OLD.id;
    RETURN OLD;
END $$;
CREATE TRIGGER service_limits_go BEFORE DELETE ON service FOR EACH ROW EXECUTE FUNCTION service_limits_go();
CREATE FUNCTION tenancy_limits_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM project_limit WHERE coalesce(project_id, domain_id) = OLD.id;
    RETURN OLD;
END $$;
CREATE TRIGGER tenancy_limits_go BEFORE DELETE ON tenancy FOR EACH ROW EXECUTE FUNCTION tenancy_limits_go();
CREATE FUNCTION tenancy_limits_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('limit', e.body || '{"value": null}') FROM feed_event e
        WHERE e.kind = 'limit' AND e.body->>'project_id' = OLD.id AND e.body->>'value' IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER tenancy_limits_gone AFTER DELETE ON tenancy FOR EACH ROW WHEN (NOT OLD.is_domain) EXECUTE FUNCTION tenancy_limits_gone();
-- A new project beneath a limit has nothing yet.
CREATE FUNCTION tenancy_limits_come() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM limit_publish_one(p.type, p.resource_name, NEW.id, limit_share(p.type, p.resource_name, NEW.id))
        FROM (SELECT DISTINCT s.type, l.resource_name FROM tenancy_above(NEW.id) a
            JOIN project_limit l ON coalesce(l.project_id, l.domain_id) = a.id JOIN service s ON s.id = l.service_id) p
        WHERE (SELECT model FROM quota_setting) = 'strict_tree';
    RETURN NULL;
END $$;
CREATE TRIGGER tenancy_limits_come AFTER INSERT ON tenancy FOR EACH ROW WHEN (NOT NEW.is_domain) EXECUTE FUNCTION tenancy_limits_come();

-- After another model or region was set.
CREATE FUNCTION limit_publish_all() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM limit_publish_one(p.type, p.resource_name, '', limit_default(p.type, p.resource_name))
        FROM (SELECT DISTINCT s.type, r.resource_name FROM registered_limit r JOIN service s ON s.id = r.service_id) p;
    PERFORM limit_publish(p.type, p.resource_name, p.target)
        FROM (SELECT s.type, l.resource_name, coalesce(l.project_id, l.domain_id) AS target FROM project_limit l JOIN service s ON s.id = l.service_id
            UNION
            SELECT body->>'service', body->>'resource', body->>'project_id' FROM feed_event WHERE kind = 'limit' AND body->>'project_id' <> '') p;
END $$;
