-- SPDX-License-Identifier: Apache-2.0
-- Blobs of any hash that [image] os_hash_algo may name live beside each other. The column `sha512` has its name from when
-- there was one; a digest tells its algorithm by its length.
ALTER TABLE blob DROP CONSTRAINT blob_sha512_check;
ALTER TABLE blob ADD CONSTRAINT blob_digest CHECK (length(sha512) IN (64, 96, 128));
