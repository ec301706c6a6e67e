-- SPDX-License-Identifier: Apache-2.0
-- Messages committed with the facts they announce; the relay publishes them in order of id and deletes them.
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id  uuid NOT NULL DEFAULT gen_random_uuid(),
    routing_key text NOT NULL CHECK (octet_length(routing_key) BETWEEN 1 AND 255),
    type        text NOT NULL CHECK (type <> ''),
    request_id  text,
    body        jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- One channel per schema: channels are shared by the whole database.
CREATE FUNCTION outbox_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox_' || TG_TABLE_SCHEMA, '');
    RETURN NULL;
END $$;

CREATE TRIGGER outbox_wake AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake();
