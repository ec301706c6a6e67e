-- SPDX-License-Identifier: Apache-2.0
-- Which endpoints a project sees, by endpoint or by group; a project with none sees all.
CREATE TABLE endpoint_group (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    description text,
    filters     jsonb NOT NULL,
    extra       jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE project_endpoint (
    project_id  text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    endpoint_id text NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_id)
);
CREATE INDEX project_endpoint_endpoint ON project_endpoint (endpoint_id);
CREATE TABLE project_endpoint_group (
    project_id        text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    endpoint_group_id text NOT NULL REFERENCES endpoint_group (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE INDEX project_endpoint_group_group ON project_endpoint_group (endpoint_group_id);

CREATE VIEW endpoint_of_group AS
    SELECT g.id AS endpoint_group_id, e.id AS endpoint_id FROM endpoint_group g JOIN endpoint e
        ON coalesce(g.filters->>'service_id', e.service_id) = e.service_id
        AND coalesce(g.filters->>'interface', e.interface) = e.interface
        AND (g.filters->>'region_id' IS NULL OR g.filters->>'region_id' = e.region_id)
        AND coalesce((g.filters->>'enabled')::boolean, e.enabled) = e.enabled;
CREATE VIEW endpoint_of_project AS
    SELECT project_id, endpoint_id FROM project_endpoint
    UNION
    SELECT p.project_id, g.endpoint_id FROM project_endpoint_group p JOIN endpoint_of_group g USING (endpoint_group_id);

CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE ON endpoint_group FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE ON project_endpoint FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
CREATE TRIGGER catalog_changed AFTER INSERT OR UPDATE OR DELETE ON project_endpoint_group FOR EACH STATEMENT EXECUTE FUNCTION catalog_changed();
