-- SPDX-License-Identifier: Apache-2.0
-- Keystone's model. A domain is a project that acts as a domain, so that both share one space of ids.
CREATE TABLE tenancy (
    id          text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    is_domain   boolean NOT NULL,
    domain_id   text REFERENCES tenancy (id) ON DELETE CASCADE,
    parent_id   text REFERENCES tenancy (id),
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    enabled     boolean NOT NULL DEFAULT true,
    tags        jsonb NOT NULL DEFAULT '[]',
    options     jsonb NOT NULL DEFAULT '{}',
    extra       jsonb NOT NULL DEFAULT '{}',
    CHECK (is_domain = (domain_id IS NULL))
);
CREATE UNIQUE INDEX domain_name ON tenancy (name) WHERE is_domain;
CREATE UNIQUE INDEX project_name ON tenancy (domain_id, name) WHERE NOT is_domain;
CREATE INDEX tenancy_parent ON tenancy (parent_id);

CREATE VIEW domain AS
    SELECT id, name, description, enabled, tags, options, extra, is_domain FROM tenancy WHERE is_domain;
ALTER VIEW domain ALTER COLUMN is_domain SET DEFAULT true;
CREATE VIEW project AS
    SELECT id, domain_id, parent_id, name, description, enabled, tags, options, extra, is_domain FROM tenancy WHERE NOT is_domain;
ALTER VIEW project ALTER COLUMN is_domain SET DEFAULT false;

CREATE TABLE user_account (
    id                  text PRIMARY KEY,
    domain_id           text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    name                text NOT NULL,
    enabled             boolean NOT NULL DEFAULT true,
    default_project_id  text,
    password_hash       text,
    password_changed_at timestamptz,
    n_failures          int NOT NULL DEFAULT 0,
    failed_at           timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    options             jsonb NOT NULL DEFAULT '{}',
    extra               jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT user_name UNIQUE (domain_id, name)
);
CREATE TABLE password_history (
    user_id    text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    n          bigint GENERATED ALWAYS AS IDENTITY,
    hash       text NOT NULL,
    PRIMARY KEY (user_id, n)
);

CREATE TABLE user_group (
    id          text PRIMARY KEY,
    domain_id   text NOT NULL REFERENCES tenancy (id) ON DELETE CASCADE,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    extra       jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT group_name UNIQUE (domain_id, name)
);
CREATE TABLE group_member (
    group_id text NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    user_id  text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_member_user ON group_member (user_id);

CREATE TABLE role (
    id          text PRIMARY KEY,
    domain_id   text REFERENCES tenancy (id) ON DELETE CASCADE,
    name        text NOT NULL,
    description text,
    options     jsonb NOT NULL DEFAULT '{}',
    extra       jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX role_name ON role (coalesce(domain_id, ''), name);
CREATE TABLE implied_role (
    prior_role_id   text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    implied_role_id text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_role_id, implied_role_id),
    CHECK (prior_role_id <> implied_role_id)
);
-- Every role with itself and all that it implies.
CREATE VIEW role_closure AS
    WITH RECURSIVE closure (prior_role_id, role_id) AS (
        SELECT id, id FROM role
        UNION
        SELECT c.prior_role_id, i.implied_role_id FROM closure c JOIN implied_role i ON i.prior_role_id = c.role_id
    ) SELECT prior_role_id, role_id FROM closure;

-- target_id NULL: the system.
CREATE TABLE assignment (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id   text REFERENCES user_account (id) ON DELETE CASCADE,
    group_id  text REFERENCES user_group (id) ON DELETE CASCADE,
    target_id text REFERENCES tenancy (id) ON DELETE CASCADE,
    role_id   text NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    inherited boolean NOT NULL DEFAULT false,
    CHECK ((user_id IS NULL) <> (group_id IS NULL))
);
CREATE UNIQUE INDEX assignment_once ON assignment
    (coalesce(user_id, ''), coalesce(group_id, ''), coalesce(target_id, ''), role_id, inherited);
CREATE INDEX assignment_user ON assignment (user_id);
CREATE INDEX assignment_group ON assignment (group_id);
CREATE INDEX assignment_target ON assignment (target_id);
CREATE INDEX assignment_role ON assignment (role_id);

-- Every tenancy with itself and its ancestors, the domain last: where inherited roles come from.
CREATE VIEW tenancy_ancestor AS
    WITH RECURSIVE up (id, ancestor_id) AS (
        SELECT id, parent_id FROM tenancy WHERE NOT is_domain
        UNION
        SELECT up.id, t.parent_id FROM up JOIN tenancy t ON t.id = up.ancestor_id WHERE t.parent_id IS NOT NULL
    ) SELECT id, ancestor_id FROM up WHERE ancestor_id IS NOT NULL;

-- What somebody may do where: assignments with groups and inheritance resolved, implied roles not.
CREATE VIEW effective_assignment AS
    SELECT coalesce(a.user_id, m.user_id) AS user_id, a.group_id, t.id AS target_id, a.role_id, a.target_id AS source_id, a.inherited
    FROM assignment a
    LEFT JOIN group_member m ON m.group_id = a.group_id
    LEFT JOIN LATERAL (
        SELECT a.target_id AS id WHERE NOT a.inherited
        UNION ALL
        SELECT p.id FROM tenancy_ancestor p WHERE a.inherited AND p.ancestor_id = a.target_id
    ) t ON true
    WHERE coalesce(a.user_id, m.user_id) IS NOT NULL AND (NOT a.inherited OR t.id IS NOT NULL);

CREATE TABLE region (
    id               text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 255),
    description      text NOT NULL DEFAULT '',
    parent_region_id text REFERENCES region (id),
    extra            jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE service (
    id          text PRIMARY KEY,
    type        text NOT NULL,
    name        text NOT NULL DEFAULT '',
    description text,
    enabled     boolean NOT NULL DEFAULT true,
    extra       jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE endpoint (
    id         text PRIMARY KEY,
    service_id text NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    region_id  text REFERENCES region (id),
    interface  text NOT NULL CHECK (interface IN ('public', 'internal', 'admin')),
    url        text NOT NULL,
    enabled    boolean NOT NULL DEFAULT true,
    extra      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX endpoint_service ON endpoint (service_id);

-- ES256 keys. A key verifies from its creation and signs from signs_from_us, so that every service knows it before it is used.
CREATE TABLE signing_key (
    kid           text PRIMARY KEY,
    private_pem   text NOT NULL,
    public_pem    text NOT NULL,
    signs_from_us bigint NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- What every service must learn, in the order of commits: n is taken under an advisory lock (feed_append).
CREATE TABLE feed_event (
    n          bigint PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('revocation', 'limit')),
    body       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX feed_limit ON feed_event ((body->>'project_id'), (body->>'service'), (body->>'resource')) WHERE kind = 'limit';
CREATE SEQUENCE feed_n;
CREATE FUNCTION feed_append(event_kind text, event_body jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    event_n bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('feed_event ' || current_schema()));
    event_n := nextval('feed_n');
    IF event_kind = 'limit' THEN
        DELETE FROM feed_event WHERE kind = 'limit' AND body->>'project_id' = event_body->>'project_id'
            AND body->>'service' = event_body->>'service' AND body->>'resource' = event_body->>'resource';
    ELSE
        event_body := event_body || jsonb_build_object('issued_before_us', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    END IF;
    INSERT INTO feed_event (n, kind, body) VALUES (event_n, event_kind, event_body);
    RETURN event_n;
END $$;

CREATE TABLE registered_limit (
    id            text PRIMARY KEY,
    service_id    text NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    region_id     text REFERENCES region (id),
    resource_name text NOT NULL,
    default_limit bigint NOT NULL CHECK (default_limit >= -1),
    description   text
);
CREATE TABLE project_limit (
    id             text PRIMARY KEY,
    service_id     text NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    region_id      text REFERENCES region (id),
    project_id     text REFERENCES tenancy (id) ON DELETE CASCADE,
    domain_id      text REFERENCES tenancy (id) ON DELETE CASCADE,
    resource_name  text NOT NULL,
    resource_limit bigint NOT NULL CHECK (resource_limit >= -1),
    description    text
);
CREATE TABLE credential (
    id         text PRIMARY KEY,
    user_id    text NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    project_id text,
    type       text NOT NULL,
    blob       text NOT NULL
);
CREATE TABLE policy_document (
    id    text PRIMARY KEY,
    type  text NOT NULL,
    blob  text NOT NULL,
    extra jsonb NOT NULL DEFAULT '{}'
);
