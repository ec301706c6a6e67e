-- SPDX-License-Identifier: Apache-2.0
-- Every order that lists can be asked for, both ways, and every filter, at any number of images. Ties go by time and id.
DROP INDEX image_created_at, image_owner, image_name;
CREATE INDEX image_created_at ON image (created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_updated_at ON image (updated_at, id) WHERE status <> 'deleted';
CREATE INDEX image_owner ON image (owner, created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_visibility ON image (visibility, created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_id_text ON image ((id::text));
CREATE INDEX image_name ON image (name) WHERE status <> 'deleted';
CREATE INDEX image_name_order ON image (coalesce(name, ''), created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_size_order ON image (coalesce(size, -1), created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_size ON image (size, created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_virtual_size ON image (virtual_size) WHERE virtual_size IS NOT NULL;
CREATE INDEX image_min_disk ON image (min_disk, created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_min_ram ON image (min_ram, created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_protected ON image (created_at, id) WHERE protected;
CREATE INDEX image_hidden ON image (created_at, id) WHERE os_hidden;
CREATE INDEX image_checksum ON image (checksum) WHERE checksum IS NOT NULL;
CREATE INDEX image_hash ON image (os_hash_value) WHERE os_hash_value IS NOT NULL;
CREATE INDEX image_hash_algo ON image (os_hash_algo, created_at, id) WHERE os_hash_algo IS NOT NULL;
-- Few values, so that ties are many: an index for each direction.
CREATE INDEX image_status ON image (status, created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_status_up ON image (status, created_at DESC, id DESC) WHERE status <> 'deleted';
CREATE INDEX image_disk_format ON image (coalesce(disk_format, ''), created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_disk_format_up ON image (coalesce(disk_format, ''), created_at DESC, id DESC) WHERE status <> 'deleted';
CREATE INDEX image_container_format ON image (coalesce(container_format, ''), created_at, id) WHERE status <> 'deleted';
CREATE INDEX image_container_format_up ON image (coalesce(container_format, ''), created_at DESC, id DESC) WHERE status <> 'deleted';
CREATE INDEX image_tags ON image USING gin (tags);
CREATE INDEX image_properties ON image USING gin (properties jsonb_path_ops);
