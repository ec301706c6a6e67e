-- SPDX-License-Identifier: Apache-2.0
-- Compute: flavors, key pairs, hosts and claims, servers with their ports, actions and groups.

CREATE TABLE flavor (
    id            text PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    description   text,
    vcpus         integer NOT NULL CHECK (vcpus > 0),
    ram_mib       integer NOT NULL CHECK (ram_mib > 0),
    disk_gib      integer NOT NULL CHECK (disk_gib >= 0),
    ephemeral_gib integer NOT NULL DEFAULT 0 CHECK (ephemeral_gib >= 0),
    swap_mib      integer NOT NULL DEFAULT 0 CHECK (swap_mib >= 0),
    rxtx_factor   numeric NOT NULL DEFAULT 1,
    is_public     boolean NOT NULL DEFAULT true,
    extra_specs   jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz
);

CREATE TABLE flavor_access (
    flavor_id  text NOT NULL REFERENCES flavor ON UPDATE CASCADE ON DELETE CASCADE,
    project_id text NOT NULL,
    PRIMARY KEY (flavor_id, project_id)
);

CREATE TABLE keypair (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    user_id     text NOT NULL,
    name        text NOT NULL,
    type        text NOT NULL CHECK (type IN ('ssh', 'x509')),
    public_key  text NOT NULL,
    fingerprint text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, name)
);

-- A hypervisor host: what its agent reported last, and what claims take of it (kept equal to the sums of claim's rows by
-- changing both in one statement).
CREATE TABLE compute_host (
    host               text PRIMARY KEY,
    number             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id                 uuid NOT NULL UNIQUE,
    service_id         uuid NOT NULL UNIQUE,
    boot_id            text NOT NULL DEFAULT '',
    hypervisor_type    text NOT NULL DEFAULT '',
    hypervisor_version bigint NOT NULL DEFAULT 0,
    arch               text NOT NULL DEFAULT '',
    cpu_model          text NOT NULL DEFAULT '',
    address            text NOT NULL DEFAULT '',
    zone               text NOT NULL DEFAULT 'nova',
    vcpus              bigint NOT NULL DEFAULT 0,
    ram_mib            bigint NOT NULL DEFAULT 0,
    disk_gib           bigint NOT NULL DEFAULT 0,
    cpu_percent        integer NOT NULL CHECK (cpu_percent > 0),
    ram_percent        integer NOT NULL CHECK (ram_percent > 0),
    disk_percent       integer NOT NULL CHECK (disk_percent > 0),
    used               jsonb NOT NULL DEFAULT '{}',
    vcpus_claimed      bigint NOT NULL DEFAULT 0 CHECK (vcpus_claimed >= 0),
    ram_claimed        bigint NOT NULL DEFAULT 0 CHECK (ram_claimed >= 0),
    disk_claimed       bigint NOT NULL DEFAULT 0 CHECK (disk_claimed >= 0),
    servers_claimed    bigint NOT NULL DEFAULT 0 CHECK (servers_claimed >= 0),
    disabled           boolean NOT NULL DEFAULT false,
    disabled_reason    text,
    forced_down        boolean NOT NULL DEFAULT false,
    lease_until        timestamptz NOT NULL DEFAULT now(),
    started_at         timestamptz NOT NULL DEFAULT now(),
    reported_at        timestamptz NOT NULL DEFAULT now(),
    created_at         timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE scheduler_process (
    number      bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000001),
    host        text PRIMARY KEY,
    service_id  uuid NOT NULL UNIQUE,
    disabled    boolean NOT NULL DEFAULT false,
    disabled_reason text,
    reported_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE server_group (
    id         uuid PRIMARY KEY,
    project_id text NOT NULL,
    user_id    text NOT NULL,
    name       text NOT NULL,
    policy     text NOT NULL CHECK (policy IN ('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity')),
    rules      jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX server_group_project ON server_group (project_id, created_at, id);

CREATE TABLE server (
    id             uuid PRIMARY KEY,
    number         bigint GENERATED ALWAYS AS IDENTITY,
    project_id     text NOT NULL,
    user_id        text NOT NULL,
    request_id     text NOT NULL,
    name           text NOT NULL,
    hostname       text NOT NULL,
    description    text,
    -- the flavor as it was
    flavor_id      text NOT NULL,
    flavor_name    text NOT NULL,
    vcpus          integer NOT NULL,
    ram_mib        integer NOT NULL,
    disk_gib       integer NOT NULL,
    ephemeral_gib  integer NOT NULL,
    swap_mib       integer NOT NULL,
    extra_specs    jsonb NOT NULL,
    image_id       uuid NOT NULL,
    image          jsonb NOT NULL,
    key_name       text,
    key_type       text,
    key_data       text,
    user_data      text,
    config_drive   boolean NOT NULL DEFAULT false,
    disk_config    text NOT NULL DEFAULT 'MANUAL',
    metadata       jsonb NOT NULL DEFAULT '{}',
    tags           text[] NOT NULL DEFAULT '{}',
    security_groups jsonb NOT NULL DEFAULT '[]',
    access_ipv4    inet,
    access_ipv6    inet,
    reservation_id text NOT NULL,
    launch_index   integer NOT NULL DEFAULT 0,
    group_id       uuid REFERENCES server_group ON DELETE SET NULL,
    zone           text,
    forced_host    text,
    different_host uuid[] NOT NULL DEFAULT '{}',
    same_host      uuid[] NOT NULL DEFAULT '{}',
    -- life cycle: only services/compute/core/life changes these
    vm_state       text NOT NULL DEFAULT 'building',
    task_state     text,
    power_state    integer NOT NULL DEFAULT 0,
    host           text REFERENCES compute_host,
    desired        text NOT NULL DEFAULT 'running' CHECK (desired IN ('running', 'stopped', 'absent')),
    generation     bigint NOT NULL DEFAULT 0,
    agent_generation bigint NOT NULL DEFAULT 0,
    agent_state    text NOT NULL DEFAULT '',
    agent_message  text NOT NULL DEFAULT '',
    reboot_count   bigint NOT NULL DEFAULT 0,
    reboot_hard    boolean NOT NULL DEFAULT false,
    locked         boolean NOT NULL DEFAULT false,
    locked_reason  text,
    fault_code     integer,
    fault_message  text,
    fault_details  text,
    fault_at       timestamptz,
    -- work: who does the next step, and when it is due
    lease_owner    text,
    lease_until    timestamptz,
    deadline       timestamptz,
    due_at         timestamptz,
    attempt        integer NOT NULL DEFAULT 0,
    ordered_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    launched_at    timestamptz,
    terminated_at  timestamptz,
    deleted_at     timestamptz
);
CREATE INDEX server_project ON server (project_id, created_at DESC, number DESC) WHERE deleted_at IS NULL;
CREATE INDEX server_all ON server (created_at DESC, number DESC) WHERE deleted_at IS NULL;
CREATE INDEX server_changed ON server (updated_at);
CREATE INDEX server_host ON server (host) WHERE deleted_at IS NULL;
CREATE INDEX server_due ON server (due_at) WHERE task_state IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX server_group_member ON server (group_id) WHERE deleted_at IS NULL;
CREATE INDEX server_reservation ON server (reservation_id);

CREATE TABLE server_port (
    server_id        uuid NOT NULL REFERENCES server ON DELETE CASCADE,
    position         integer NOT NULL,
    port_id          uuid NOT NULL UNIQUE,
    is_ours          boolean NOT NULL, -- made for the server and deleted with it; else the user's own
    network_id       uuid NOT NULL,
    network_name     text NOT NULL DEFAULT '',
    asked_ip         inet,
    tag              text,
    mac              text,
    mtu              integer,
    fixed_ips        jsonb NOT NULL DEFAULT '[]',
    floating_ips     jsonb NOT NULL DEFAULT '[]',
    metadata_port_id uuid,
    metadata_ip      text,
    status           text NOT NULL DEFAULT 'DOWN',
    PRIMARY KEY (server_id, position)
);

CREATE TABLE claim (
    server_id uuid PRIMARY KEY REFERENCES server,
    host      text NOT NULL REFERENCES compute_host,
    vcpus     integer NOT NULL,
    ram_mib   integer NOT NULL,
    disk_gib  integer NOT NULL
);
CREATE INDEX claim_host ON claim (host);

CREATE TABLE instance_action (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server_id  uuid NOT NULL REFERENCES server,
    action     text NOT NULL,
    request_id text NOT NULL,
    user_id    text NOT NULL,
    project_id text NOT NULL,
    message    text,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX instance_action_server ON instance_action (server_id, id DESC);

CREATE TABLE instance_action_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action_id   bigint NOT NULL REFERENCES instance_action ON DELETE CASCADE,
    event       text NOT NULL,
    host        text,
    details     text,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    result      text
);
CREATE INDEX instance_action_event_action ON instance_action_event (action_id, id);
