-- SPDX-License-Identifier: Apache-2.0
-- Images, who they are shared with, and the blobs that hold their bytes.

-- One key, made at first start: signs download tickets (ticket.c).
CREATE TABLE ticket_key (
    id  int PRIMARY KEY CHECK (id = 1),
    key text NOT NULL CHECK (length(key) >= 43)
);

-- A blob's file exists at least as long as its row; a row that no image names is swept with its file.
CREATE TABLE blob (
    sha512     text PRIMARY KEY CHECK (length(sha512) = 128),
    size       bigint NOT NULL CHECK (size >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE image (
    id               uuid PRIMARY KEY,
    owner            text NOT NULL,
    name             text CHECK (length(name) <= 255),
    status           text NOT NULL CHECK (status IN ('queued', 'saving', 'uploading', 'importing', 'active', 'deactivated',
                                                     'killed', 'deleted')),
    visibility       text NOT NULL CHECK (visibility IN ('public', 'community', 'shared', 'private')),
    protected        boolean NOT NULL DEFAULT false,
    os_hidden        boolean NOT NULL DEFAULT false,
    container_format text,
    disk_format      text,
    min_disk         bigint NOT NULL DEFAULT 0 CHECK (min_disk >= 0),
    min_ram          bigint NOT NULL DEFAULT 0 CHECK (min_ram >= 0),
    size             bigint CHECK (size >= 0),
    virtual_size     bigint CHECK (virtual_size >= 0),
    checksum         text,
    os_hash_algo     text,
    os_hash_value    text,
    tags             text[] NOT NULL DEFAULT '{}',
    properties       jsonb NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    deleted_at       timestamptz,
    blob             text REFERENCES blob (sha512),
    -- An upload in flight: its temporary file's name, the process that receives it, and how long that is believed.
    upload_id        uuid,
    upload_owner     text,
    upload_until     timestamptz,
    upload_size      bigint CHECK (upload_size >= 0), -- as announced; counts against the quota meanwhile
    CONSTRAINT image_upload CHECK ((status IN ('saving', 'uploading')) = (upload_id IS NOT NULL)),
    CONSTRAINT image_data CHECK ((status IN ('active', 'deactivated')) = (blob IS NOT NULL)),
    CONSTRAINT image_deleted CHECK ((status = 'deleted') = (deleted_at IS NOT NULL))
);
CREATE INDEX image_owner ON image (owner, created_at DESC, id DESC) WHERE status <> 'deleted';
CREATE INDEX image_created_at ON image (created_at DESC, id DESC) WHERE status <> 'deleted';
CREATE INDEX image_name ON image (name) WHERE status <> 'deleted';
CREATE INDEX image_blob ON image (blob) WHERE blob IS NOT NULL;
CREATE INDEX image_upload_until ON image (upload_until) WHERE upload_id IS NOT NULL;
CREATE INDEX image_deleted_at ON image (deleted_at) WHERE status = 'deleted';

CREATE TABLE image_member (
    image_id   uuid NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    member_id  text NOT NULL CHECK (length(member_id) BETWEEN 1 AND 255),
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'rejected')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (image_id, member_id)
);
CREATE INDEX image_member_member ON image_member (member_id, image_id);
