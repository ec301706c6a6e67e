-- SPDX-License-Identifier: Apache-2.0
-- Which watched tables a transaction changed, written in it by the trigger table_changed() (common/db/table_change.h).
CREATE TABLE table_change (
    tx         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    name       text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tx, name)
);
CREATE INDEX table_change_changed_at ON table_change (changed_at);

-- For each statement: CREATE TRIGGER table_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON … EXECUTE FUNCTION table_changed().
CREATE FUNCTION table_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO table_change (name) VALUES (TG_TABLE_NAME) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
