-- SPDX-License-Identifier: Apache-2.0
-- Neutron's resources. Every table that the API shows has a revision and times; dependent rows go with their owner.
CREATE TABLE network (
    id                      uuid PRIMARY KEY,
    project_id              text NOT NULL,
    name                    text NOT NULL DEFAULT '',
    description             text NOT NULL DEFAULT '',
    admin_state_up          boolean NOT NULL DEFAULT true,
    shared                  boolean NOT NULL DEFAULT false,
    external                boolean NOT NULL DEFAULT false,
    is_default              boolean NOT NULL DEFAULT false,
    port_security_enabled   boolean NOT NULL DEFAULT true,
    mtu                     integer NOT NULL CHECK (mtu BETWEEN 68 AND 65535),
    network_type            text NOT NULL DEFAULT 'geneve',
    physical_network        text,
    segmentation_id         integer,
    availability_zone_hints jsonb NOT NULL DEFAULT '[]',
    tags                    jsonb NOT NULL DEFAULT '[]',
    revision_number         bigint NOT NULL DEFAULT 1,
    created_at              timestamptz NOT NULL DEFAULT now(),
    updated_at              timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT network_provider CHECK (physical_network IS NULL OR network_type IN ('flat', 'vlan'))
);
CREATE INDEX network_project_id ON network (project_id);
CREATE INDEX network_name ON network (name);
CREATE UNIQUE INDEX network_one_flat ON network (physical_network) WHERE network_type = 'flat';
CREATE UNIQUE INDEX network_one_vlan ON network (physical_network, segmentation_id) WHERE network_type = 'vlan';
CREATE UNIQUE INDEX network_one_tunnel ON network (network_type, segmentation_id) WHERE physical_network IS NULL;
CREATE SEQUENCE network_segment MINVALUE 1 MAXVALUE 16777215 CYCLE;

CREATE TABLE subnet (
    id                uuid PRIMARY KEY,
    project_id        text NOT NULL,
    network_id        uuid NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    name              text NOT NULL DEFAULT '',
    description       text NOT NULL DEFAULT '',
    ip_version        integer NOT NULL CHECK (ip_version IN (4, 6)),
    cidr              cidr NOT NULL CHECK (family(cidr) = ip_version),
    gateway_ip        inet,
    enable_dhcp       boolean NOT NULL DEFAULT true,
    ipv6_ra_mode      text,
    ipv6_address_mode text,
    dns_nameservers   jsonb NOT NULL DEFAULT '[]',
    host_routes       jsonb NOT NULL DEFAULT '[]',
    service_types     jsonb NOT NULL DEFAULT '[]',
    subnetpool_id     uuid,
    tags              jsonb NOT NULL DEFAULT '[]',
    revision_number   bigint NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subnet_cidr UNIQUE (network_id, cidr) -- overlap is refused under the network's row lock
);
CREATE INDEX subnet_project_id ON subnet (project_id);
CREATE INDEX subnet_network_id ON subnet (network_id);

CREATE TABLE allocation_pool (
    subnet_id uuid NOT NULL REFERENCES subnet (id) ON DELETE CASCADE,
    first     inet NOT NULL,
    last      inet NOT NULL CHECK (last >= first),
    PRIMARY KEY (subnet_id, first)
);

CREATE TABLE port (
    id                    uuid PRIMARY KEY,
    project_id            text NOT NULL,
    network_id            uuid NOT NULL REFERENCES network (id),
    name                  text NOT NULL DEFAULT '',
    description           text NOT NULL DEFAULT '',
    admin_state_up        boolean NOT NULL DEFAULT true,
    mac_address           macaddr NOT NULL,
    device_id             text NOT NULL DEFAULT '',
    device_owner          text NOT NULL DEFAULT '',
    status                text NOT NULL DEFAULT 'DOWN' CHECK (status IN ('ACTIVE', 'DOWN', 'BUILD', 'ERROR', 'N/A')),
    port_security_enabled boolean NOT NULL DEFAULT true,
    allowed_address_pairs jsonb NOT NULL DEFAULT '[]',
    extra_dhcp_opts       jsonb NOT NULL DEFAULT '[]',
    host_id               text NOT NULL DEFAULT '',
    vnic_type             text NOT NULL DEFAULT 'normal',
    profile               jsonb NOT NULL DEFAULT '{}',
    tags                  jsonb NOT NULL DEFAULT '[]',
    revision_number       bigint NOT NULL DEFAULT 1,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT port_mac_address UNIQUE (network_id, mac_address)
);
CREATE INDEX port_project_id ON port (project_id);
CREATE INDEX port_device_id ON port (device_id);
CREATE INDEX port_host_id ON port (host_id) WHERE host_id <> '';

CREATE TABLE fixed_ip (
    port_id    uuid NOT NULL REFERENCES port (id) ON DELETE CASCADE,
    subnet_id  uuid NOT NULL REFERENCES subnet (id),
    network_id uuid NOT NULL,
    ip         inet NOT NULL,
    position   integer NOT NULL DEFAULT 0,
    CONSTRAINT fixed_ip_address PRIMARY KEY (subnet_id, ip)
);
CREATE INDEX fixed_ip_port_id ON fixed_ip (port_id);
CREATE INDEX fixed_ip_network_id ON fixed_ip (network_id, ip);

CREATE TABLE security_group (
    id              uuid PRIMARY KEY,
    project_id      text NOT NULL,
    name            text NOT NULL DEFAULT '',
    description     text NOT NULL DEFAULT '',
    stateful        boolean NOT NULL DEFAULT true,
    is_default      boolean NOT NULL DEFAULT false,
    tags            jsonb NOT NULL DEFAULT '[]',
    revision_number bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX security_group_project_id ON security_group (project_id);
CREATE UNIQUE INDEX security_group_one_default ON security_group (project_id) WHERE is_default;

CREATE TABLE security_group_rule (
    id                uuid PRIMARY KEY,
    project_id        text NOT NULL,
    security_group_id uuid NOT NULL REFERENCES security_group (id) ON DELETE CASCADE,
    description       text NOT NULL DEFAULT '',
    direction         text NOT NULL CHECK (direction IN ('ingress', 'egress')),
    ethertype         text NOT NULL CHECK (ethertype IN ('IPv4', 'IPv6')),
    protocol          text,
    protocol_number   integer, -- 0: any; what duplicates are recognised by
    port_range_min    integer,
    port_range_max    integer,
    remote_group_id   uuid REFERENCES security_group (id) ON DELETE CASCADE,
    remote_ip_prefix  inet,
    revision_number   bigint NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX security_group_rule_project_id ON security_group_rule (project_id);
CREATE INDEX security_group_rule_remote_group_id ON security_group_rule (remote_group_id);
CREATE UNIQUE INDEX security_group_rule_once ON security_group_rule (
    security_group_id, direction, ethertype, coalesce(protocol_number, -1), coalesce(port_range_min, -1), coalesce(port_range_max, -1),
    coalesce(remote_group_id, '00000000-0000-0000-0000-000000000000'),
    (CASE WHEN remote_ip_prefix IS NULL OR masklen(remote_ip_prefix) = 0 THEN '' ELSE network(remote_ip_prefix)::text END));

CREATE TABLE port_security_group (
    port_id           uuid NOT NULL REFERENCES port (id) ON DELETE CASCADE,
    security_group_id uuid NOT NULL REFERENCES security_group (id),
    PRIMARY KEY (port_id, security_group_id)
);
CREATE INDEX port_security_group_group ON port_security_group (security_group_id);

CREATE TABLE router (
    id                      uuid PRIMARY KEY,
    project_id              text NOT NULL,
    name                    text NOT NULL DEFAULT '',
    description             text NOT NULL DEFAULT '',
    admin_state_up          boolean NOT NULL DEFAULT true,
    distributed             boolean NOT NULL DEFAULT false,
    ha                      boolean NOT NULL DEFAULT false,
    flavor_id               uuid,
    gw_port_id              uuid REFERENCES port (id),
    enable_snat             boolean NOT NULL DEFAULT true,
    routes                  jsonb NOT NULL DEFAULT '[]',
    availability_zone_hints jsonb NOT NULL DEFAULT '[]',
    tags                    jsonb NOT NULL DEFAULT '[]',
    revision_number         bigint NOT NULL DEFAULT 1,
    created_at              timestamptz NOT NULL DEFAULT now(),
    updated_at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX router_project_id ON router (project_id);
CREATE INDEX router_gw_port_id ON router (gw_port_id);

-- A port that is an interface of a router; the port's network gives the subnets.
CREATE TABLE router_port (
    port_id   uuid PRIMARY KEY REFERENCES port (id) ON DELETE CASCADE,
    router_id uuid NOT NULL REFERENCES router (id)
);
CREATE INDEX router_port_router_id ON router_port (router_id);

CREATE TABLE floatingip (
    id                  uuid PRIMARY KEY,
    project_id          text NOT NULL,
    description         text NOT NULL DEFAULT '',
    floating_network_id uuid NOT NULL REFERENCES network (id),
    floating_ip_address inet NOT NULL,
    floating_port_id    uuid NOT NULL REFERENCES port (id),
    port_id             uuid REFERENCES port (id),
    fixed_ip_address    inet,
    router_id           uuid REFERENCES router (id),
    status              text NOT NULL DEFAULT 'DOWN' CHECK (status IN ('ACTIVE', 'DOWN', 'ERROR')),
    tags                jsonb NOT NULL DEFAULT '[]',
    revision_number     bigint NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT floatingip_once UNIQUE (port_id, fixed_ip_address),
    CONSTRAINT floatingip_association CHECK ((port_id IS NULL) = (fixed_ip_address IS NULL) AND (port_id IS NULL) = (router_id IS NULL))
);
CREATE INDEX floatingip_project_id ON floatingip (project_id);
CREATE INDEX floatingip_network ON floatingip (floating_network_id);
CREATE INDEX floatingip_router ON floatingip (router_id);
CREATE UNIQUE INDEX floatingip_port ON floatingip (floating_port_id);

CREATE TABLE address_scope (
    id         uuid PRIMARY KEY,
    project_id text NOT NULL,
    name       text NOT NULL DEFAULT '',
    shared     boolean NOT NULL DEFAULT false,
    ip_version integer NOT NULL CHECK (ip_version IN (4, 6))
);
CREATE TABLE subnetpool (
    id                uuid PRIMARY KEY,
    project_id        text NOT NULL,
    name              text NOT NULL DEFAULT '',
    description       text NOT NULL DEFAULT '',
    ip_version        integer NOT NULL CHECK (ip_version IN (4, 6)),
    prefixes          jsonb NOT NULL,
    min_prefixlen     integer NOT NULL,
    max_prefixlen     integer NOT NULL,
    default_prefixlen integer NOT NULL,
    default_quota     integer,
    address_scope_id  uuid REFERENCES address_scope (id),
    shared            boolean NOT NULL DEFAULT false,
    is_default        boolean NOT NULL DEFAULT false,
    tags              jsonb NOT NULL DEFAULT '[]',
    revision_number   bigint NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE subnet ADD FOREIGN KEY (subnetpool_id) REFERENCES subnetpool (id);

CREATE TABLE rbac_policy (
    id            uuid PRIMARY KEY,
    project_id    text NOT NULL,
    object_type   text NOT NULL,
    object_id     uuid NOT NULL,
    action        text NOT NULL,
    target_tenant text NOT NULL,
    CONSTRAINT rbac_policy_once UNIQUE (object_type, object_id, action, target_tenant)
);
