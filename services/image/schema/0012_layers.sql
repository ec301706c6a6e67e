-- SPDX-License-Identifier: Apache-2.0
-- What an image archive is made of: its layers, lowest first.

CREATE TABLE image_layer (
    image_id       uuid NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    position       int NOT NULL CHECK (position >= 0),
    digest         text NOT NULL CHECK (length(digest) = 64),  -- SHA-256 of the layer as it lies in the archive
    diff_id        text NOT NULL CHECK (length(diff_id) = 64), -- SHA-256 of its tar, unpacked
    compression    text NOT NULL CHECK (compression IN ('none', 'gzip', 'zstd')),
    size           bigint NOT NULL CHECK (size >= 0),
    unpacked_size  bigint NOT NULL CHECK (unpacked_size >= 0),
    archive_offset bigint NOT NULL CHECK (archive_offset >= 0),
    PRIMARY KEY (image_id, position)
);
ALTER TABLE image ADD COLUMN staged_archive text; -- kind of archive, as recognised
ALTER TABLE image ADD COLUMN staged_inside text;  -- format of a compressed disk
