-- SPDX-License-Identifier: Apache-2.0
-- A password for programs: it stands for some roles of one user on one project. audit_id is that of all its tokens, so
-- that deleting it ends them.
CREATE TABLE application_credential (
    id           text PRIMARY KEY,
    user_id      text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    project_id   text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    name         text NOT NULL,
    description  text,
    secret_hash  text NOT NULL,
    audit_id     text NOT NULL UNIQUE,
    unrestricted boolean NOT NULL,
    expires_at   timestamptz,
    CONSTRAINT application_credential_name UNIQUE (user_id, name)
);
CREATE TABLE application_credential_role (
    application_credential_id text NOT NULL REFERENCES application_credential (id) ON DELETE CASCADE,
    role_id                   text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (application_credential_id, role_id)
);
CREATE TABLE access_rule (
    id      text PRIMARY KEY,
    user_id text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    service text NOT NULL,
    path    text NOT NULL,
    method  text NOT NULL,
    UNIQUE (user_id, service, path, method)
);
CREATE TABLE application_credential_rule (
    application_credential_id text NOT NULL REFERENCES application_credential (id) ON DELETE CASCADE,
    access_rule_id            text NOT NULL REFERENCES access_rule (id),
    PRIMARY KEY (application_credential_id, access_rule_id)
);
