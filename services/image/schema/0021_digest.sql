-- SPDX-License-Identifier: Apache-2.0
-- Blobs are known by a digest, and since 0015 not of sha512 alone.
ALTER TABLE blob RENAME COLUMN sha512 TO digest;
ALTER TABLE blob_location RENAME COLUMN sha512 TO digest;
ALTER TABLE blob_part RENAME COLUMN sha512 TO digest;
