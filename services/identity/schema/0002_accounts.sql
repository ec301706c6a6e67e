-- SPDX-License-Identifier: Apache-2.0
-- People who open an account by themselves. Only hashes of tokens are stored.
CREATE TABLE sign_up (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL,
    token_hash    text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    name          text NOT NULL,
    project_name  text,
    locale        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz
);
CREATE INDEX sign_up_email ON sign_up (email);
CREATE INDEX sign_up_expires_at ON sign_up (expires_at);

-- Requests counted per bucket ("address x", "network y", "all") and window.
CREATE TABLE rate_limit (
    bucket       text PRIMARY KEY,
    window_start timestamptz NOT NULL,
    n            int NOT NULL
);

-- Mails to be sent; the sender takes due rows, and forgets the body once it is sent or given up.
CREATE TABLE mail (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient    text NOT NULL,
    subject      text NOT NULL,
    body         text NOT NULL,
    attempt      int NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT now(),
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mail_due_at ON mail (due_at);
