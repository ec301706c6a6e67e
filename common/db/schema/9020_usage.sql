-- SPDX-License-Identifier: Apache-2.0
-- Usage intervals of this service's resources and the facts that tell billing about them.

-- A range of one text, [key, key]: lets the exclusion constraint below say "same key" without an extension.
CREATE TYPE usage_key AS RANGE (subtype = text, collation = "C");

-- Half-open [from_us, to_us) in µs since the epoch, UTC; to_us NULL while it is open.
CREATE TABLE usage_interval (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id    text NOT NULL,
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    resource_name text NOT NULL,
    meter         text NOT NULL,
    quantity      bigint NOT NULL CHECK (quantity >= 0),
    from_us       bigint NOT NULL CHECK (from_us > 0),
    to_us         bigint CHECK (to_us >= from_us),
    CONSTRAINT usage_interval_overlap EXCLUDE USING gist (
        usage_key(resource_id || ' ' || meter, resource_id || ' ' || meter, '[]') WITH &&,
        int8range(from_us, to_us) WITH &&)
);
CREATE UNIQUE INDEX usage_interval_open ON usage_interval (resource_id, meter) WHERE to_us IS NULL;
CREATE INDEX usage_interval_resource ON usage_interval (resource_id, meter, from_us);
CREATE INDEX usage_interval_project ON usage_interval (project_id, from_us);

-- One row per opening and closing, never changed but for its number and mark. Kept, so that billing may ask again. The
-- relay, of which only one leads, numbers them densely: writers are not serialised by a counter.
CREATE TABLE usage_fact (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sequence      bigint UNIQUE CHECK (sequence > 0),
    published     boolean NOT NULL DEFAULT false,
    kind          text NOT NULL CHECK (kind IN ('open', 'close')),
    interval_id   uuid NOT NULL,
    project_id    text NOT NULL,
    resource_type text NOT NULL,
    resource_id   text NOT NULL,
    resource_name text NOT NULL,
    meter         text NOT NULL,
    quantity      bigint NOT NULL,
    from_us       bigint NOT NULL,
    to_us         bigint,
    request_id    text,
    UNIQUE (interval_id, kind)
);
CREATE INDEX usage_fact_unnumbered ON usage_fact (id) WHERE sequence IS NULL;
CREATE INDEX usage_fact_unpublished ON usage_fact (sequence) WHERE NOT published;

CREATE TRIGGER usage_fact_wake AFTER INSERT ON usage_fact FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake();
