-- SPDX-License-Identifier: Apache-2.0
-- Which revision of each object OVN's northbound database has. A row is written in the transaction of every change and
-- `applied` follows when OVN has confirmed that revision, so a crash in between loses nothing. The row of a deleted
-- object leaves when OVN has confirmed that nothing of it is left.
CREATE TABLE ovn_work (
    kind       text NOT NULL,
    id         uuid NOT NULL,
    revision   bigint NOT NULL DEFAULT 1,
    applied    bigint NOT NULL DEFAULT 0,
    request_id text NOT NULL,
    due_at     timestamptz NOT NULL, -- when the sweeper takes it; before that it is the request's own thread's
    attempt    integer NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, id)
);
CREATE INDEX ovn_work_due ON ovn_work (due_at) WHERE applied < revision;
CREATE INDEX ovn_work_request ON ovn_work (request_id) WHERE applied < revision;

-- One more revision of the object has to reach OVN.
CREATE FUNCTION ovn_work_add(wanted_kind text, wanted_id uuid, wanted_request text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ovn_work AS w (kind, id, request_id, due_at)
        VALUES (wanted_kind, wanted_id, wanted_request, now() + interval '2 seconds')
    ON CONFLICT (kind, id) DO UPDATE
        SET revision = w.revision + 1, request_id = excluded.request_id, due_at = excluded.due_at, attempt = 0
$$;
