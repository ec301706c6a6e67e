-- SPDX-License-Identifier: Apache-2.0
-- What tenants ask for. A decision and the limit that it sets are one transaction.
CREATE TABLE limit_request (
    id         text PRIMARY KEY,
    project_id text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    user_id    text NOT NULL,
    service    text NOT NULL,
    resource   text NOT NULL,
    value      bigint NOT NULL CHECK (value >= 0),
    reason     text NOT NULL,
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'refused', 'withdrawn')),
    created_at timestamptz NOT NULL DEFAULT now(),
    granted    bigint CHECK (granted >= 0),
    note       text,
    decided_at timestamptz,
    decided_by text,
    CHECK ((status = 'pending') = (decided_at IS NULL)),
    CHECK ((status = 'approved') = (granted IS NOT NULL))
);
CREATE UNIQUE INDEX limit_request_pending ON limit_request (project_id, service, resource) WHERE status = 'pending';
CREATE INDEX limit_request_order ON limit_request (created_at, id);
CREATE INDEX limit_request_project ON limit_request (project_id, created_at, id);
