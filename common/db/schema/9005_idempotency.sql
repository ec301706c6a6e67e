-- The same POST with the same Idempotency-Key makes one thing (common/db/idempotency.h). Kept for a day.
CREATE TABLE idempotency_key (
    project_id   text NOT NULL,
    key          text NOT NULL CHECK (length(key) <= 255),
    request_hash text NOT NULL,
    resource_id  text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, key)
);
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);
