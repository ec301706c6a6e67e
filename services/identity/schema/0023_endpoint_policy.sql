-- SPDX-License-Identifier: Apache-2.0
-- Which policy document holds for an endpoint, for a service in a region, or for a service anywhere: at most one for each.
CREATE TABLE policy_association (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    policy_id   text NOT NULL REFERENCES policy_document (id) ON DELETE CASCADE,
    endpoint_id text REFERENCES endpoint (id) ON DELETE CASCADE,
    service_id  text REFERENCES service (id) ON DELETE CASCADE,
    region_id   text REFERENCES region (id) ON DELETE CASCADE,
    CHECK ((endpoint_id IS NULL) <> (service_id IS NULL)),
    CHECK (region_id IS NULL OR service_id IS NOT NULL)
);
CREATE UNIQUE INDEX policy_association_once ON policy_association
    (coalesce(endpoint_id, ''), coalesce(service_id, ''), coalesce(region_id, ''));
CREATE INDEX policy_association_policy ON policy_association (policy_id);
