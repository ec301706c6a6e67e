-- SPDX-License-Identifier: Apache-2.0
-- Programs known by OAuth 1.0a. The secret itself is kept: signatures are checked with it.
CREATE TABLE consumer (
    id          text PRIMARY KEY,
    description text,
    secret      text NOT NULL,
    extra       jsonb NOT NULL DEFAULT '{}'
);
