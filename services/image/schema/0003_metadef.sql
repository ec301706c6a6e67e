-- SPDX-License-Identifier: Apache-2.0
-- Metadata definitions: namespaces, and in each its objects, properties, tags and associations with resource types.

CREATE TABLE metadef_namespace (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace    text NOT NULL,
    display_name text,
    description  text,
    visibility   text NOT NULL CHECK (visibility IN ('public', 'private')),
    protected    boolean NOT NULL,
    owner        text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT metadef_namespace_name UNIQUE (namespace)
);

-- body: what the client gave, without the name.
CREATE TABLE metadef_item (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace_id bigint NOT NULL REFERENCES metadef_namespace (id) ON DELETE CASCADE,
    kind         text NOT NULL CHECK (kind IN ('object', 'property', 'tag', 'resource_type')),
    name         text NOT NULL,
    body         jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT metadef_item_name UNIQUE (namespace_id, kind, name)
);
CREATE INDEX metadef_item_resource_type ON metadef_item (name, namespace_id) WHERE kind = 'resource_type';

-- Known kinds of resources; an association with a new one adds it.
CREATE TABLE metadef_resource_type (
    name       text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO metadef_resource_type (name) VALUES
    ('OS::Cinder::Volume'), ('OS::Glance::Image'), ('OS::Nova::Aggregate'), ('OS::Nova::Flavor'), ('OS::Nova::Server'), ('OS::Trove::Instance');
