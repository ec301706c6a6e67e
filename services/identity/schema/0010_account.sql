-- SPDX-License-Identifier: Apache-2.0
-- A person's account: it begins with the proof of an address and outlives the user that it had, so that a closed account's
-- statement and trail can still be shown. Ids here refer to nothing on purpose.
CREATE TABLE account (
    user_id        text PRIMARY KEY,
    email          text NOT NULL,
    full_name      text NOT NULL DEFAULT '',
    locale         text NOT NULL DEFAULT 'en',
    state          text NOT NULL CHECK (state IN ('waiting', 'active', 'blocked', 'closing', 'closed')),
    terms_version  text,
    terms_at       timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    changed_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX account_email ON account (email) WHERE state <> 'closed';
CREATE INDEX account_state ON account (state, created_at, user_id);
-- Projects that an account opened and answers for.
CREATE TABLE account_project (
    project_id text PRIMARY KEY,
    user_id    text NOT NULL REFERENCES account (user_id),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX account_project_user ON account_project (user_id);
INSERT INTO account (user_id, email, full_name, locale, state, created_at)
    SELECT id, name, coalesce(extra ->> 'full_name', ''), coalesce(extra ->> 'locale', 'en'), 'active', created_at
    FROM user_account WHERE extra ? 'email' AND extra ? 'locale';
INSERT INTO account_project (project_id, user_id)
    SELECT default_project_id, id FROM user_account WHERE default_project_id IS NOT NULL AND extra ? 'email' AND extra ? 'locale';

-- What happened to accounts and their projects, and who did it; written in the transaction of what it tells.
CREATE TABLE audit (
    n          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    user_id    text,          -- the account it is about
    project_id text,
    actor_id   text,          -- NULL: nobody was logged in (sign-up, a mail's token) or the service itself
    action     text NOT NULL, -- 'account.close.servers'
    outcome    text NOT NULL DEFAULT 'done',
    detail     jsonb NOT NULL DEFAULT '{}',
    request_id text
);
CREATE INDEX audit_user ON audit (user_id, n);
CREATE INDEX audit_project ON audit (project_id, n);
