-- SPDX-License-Identifier: Apache-2.0
-- People asked into a project by mail. Whether the address has an account shows nowhere here.
CREATE TABLE invitation (
    id          text PRIMARY KEY,
    project_id  text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    email       text NOT NULL,
    role_id     text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    inviter_id  text NOT NULL,
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'accepted', 'declined', 'revoked')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    answered_at timestamptz
);
CREATE UNIQUE INDEX invitation_pending ON invitation (project_id, email) WHERE state = 'pending';
CREATE INDEX invitation_project ON invitation (project_id, id);
CREATE INDEX invitation_expires_at ON invitation (expires_at);
