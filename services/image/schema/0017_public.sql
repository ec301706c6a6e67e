-- SPDX-License-Identifier: Apache-2.0
-- What everybody sees is part of every tenant's list: filters and orders find their page in it without walking all of it.
-- Partial: an image that is not public costs nothing here.
CREATE INDEX image_public_container ON image (coalesce(container_format, ''), created_at, id) WHERE visibility = 'public' AND status <> 'deleted';
CREATE INDEX image_public_disk ON image (coalesce(disk_format, ''), created_at, id) WHERE visibility = 'public' AND status <> 'deleted';
CREATE INDEX image_public_status ON image (status, created_at, id) WHERE visibility = 'public' AND status <> 'deleted';
CREATE INDEX image_public_min_disk ON image (min_disk, created_at, id) WHERE visibility = 'public' AND status <> 'deleted';
CREATE INDEX image_public_name ON image (coalesce(name, ''), created_at, id) WHERE visibility = 'public' AND status <> 'deleted';
CREATE INDEX image_public_size ON image (coalesce(size, -1), created_at, id) WHERE visibility = 'public' AND status <> 'deleted';
CREATE INDEX image_public_updated ON image (updated_at, id) WHERE visibility = 'public' AND status <> 'deleted';
