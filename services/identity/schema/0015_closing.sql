-- SPDX-License-Identifier: Apache-2.0
-- The closing of an account, or of one of its projects: one leased job over all services. It outlives what it closes, so that the
-- owner can read its progress and the final statement; ids here refer to nothing on purpose.
CREATE TABLE closing (
    id          text PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('account', 'project')),
    user_id     text NOT NULL,
    email       text NOT NULL,
    locale      text NOT NULL,
    actor_id    text NOT NULL,
    request_id  text NOT NULL,
    token_hash  text NOT NULL UNIQUE, -- of what lets the owner read it without an account
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
    step        text NOT NULL,        -- name of what is done next
    round       int NOT NULL DEFAULT 1,
    round_at    timestamptz NOT NULL DEFAULT now(),
    n_round     bigint NOT NULL DEFAULT 0, -- removed in this round; one that begins late enough and finds nothing is the last
    accepted_at timestamptz NOT NULL DEFAULT now(),
    deadline    timestamptz NOT NULL,
    due_at      timestamptz NOT NULL DEFAULT now(),
    attempt     int NOT NULL DEFAULT 0,
    lease_owner text,
    lease_until timestamptz,
    done_at     timestamptz,
    CHECK ((state = 'done') = (done_at IS NOT NULL))
);
CREATE INDEX closing_due ON closing (due_at) WHERE state = 'running';
CREATE INDEX closing_user ON closing (user_id, accepted_at);
CREATE INDEX closing_accepted ON closing (accepted_at, id);

CREATE TABLE closing_project (
    project_id   text PRIMARY KEY,
    closing_id   text NOT NULL REFERENCES closing (id) ON DELETE CASCADE,
    name         text NOT NULL,
    statement_to text,  -- the instant that the final statement is asked for, kept before it is asked for
    statement    jsonb  -- as billing made it
);
CREATE INDEX closing_project_closing ON closing_project (closing_id, project_id);

CREATE TABLE closing_step (
    closing_id text NOT NULL REFERENCES closing (id) ON DELETE CASCADE,
    position   int NOT NULL,
    name       text NOT NULL,
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done')),
    n_removed  bigint NOT NULL DEFAULT 0,
    n_left     bigint NOT NULL DEFAULT 0,
    problem    text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (closing_id, name)
);
CREATE INDEX audit_closing ON audit ((detail ->> 'closing'), n) WHERE detail ? 'closing';
