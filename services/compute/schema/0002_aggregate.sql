-- SPDX-License-Identifier: Apache-2.0
-- Host aggregates. One with a zone gives its hosts that availability zone.

CREATE TABLE aggregate (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid       uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    name       text NOT NULL UNIQUE,
    zone       text,
    metadata   jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz
);

CREATE TABLE aggregate_host (
    aggregate_id bigint NOT NULL REFERENCES aggregate,
    host         text NOT NULL REFERENCES compute_host ON DELETE CASCADE,
    PRIMARY KEY (aggregate_id, host)
);
CREATE INDEX aggregate_host_host ON aggregate_host (host);
