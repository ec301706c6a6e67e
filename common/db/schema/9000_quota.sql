-- Limits that differ from the service's defaults; identity's feed writes them (common/auth), with the cursor it has reached.
CREATE TABLE quota_limit (
    project_id text NOT NULL,
    resource   text NOT NULL,
    value      bigint NOT NULL CHECK (value >= -1),
    PRIMARY KEY (project_id, resource)
);
CREATE TABLE feed_cursor (
    id     int PRIMARY KEY CHECK (id = 1),
    cursor bigint NOT NULL
);
