-- SPDX-License-Identifier: Apache-2.0
-- Several stores: where each blob's bytes are, which of the stores an image is in, and what an upload is about to store.

-- placing: a live upload may be writing it. removing: whoever sweeps deletes the bytes, nobody else may write them.
-- corrupt: not what its name says, never served. repairing: being written again from another store.
CREATE TABLE blob_location (
    sha512      text NOT NULL REFERENCES blob (sha512) ON DELETE CASCADE,
    store       text NOT NULL,
    state       text NOT NULL CHECK (state IN ('placing', 'present', 'corrupt', 'repairing', 'removing')),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    verified_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sha512, store)
);
CREATE INDEX blob_location_verified ON blob_location (verified_at) WHERE state = 'present';
CREATE INDEX blob_location_state ON blob_location (state, changed_at) WHERE state <> 'present';

CREATE TABLE image_location (
    image_id   uuid NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    store      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (image_id, store)
);

INSERT INTO blob_location (sha512, store, state) SELECT sha512, 'local', 'present' FROM blob;
INSERT INTO image_location (image_id, store) SELECT id, 'local' FROM image WHERE blob IS NOT NULL;

-- Staged data is a temporary file from now on. What was staged before is staged again by its owner.
UPDATE image SET status = 'queued', staged = NULL, staged_size = NULL, staged_virtual_size = NULL, staged_checksum = NULL,
    staged_format = NULL, staged_at = NULL, updated_at = now() WHERE staged IS NOT NULL;
ALTER TABLE image DROP CONSTRAINT image_staged_fkey;
DROP INDEX image_staged;
ALTER TABLE image ADD COLUMN staged_file uuid;
ALTER TABLE image ADD CONSTRAINT image_staged_file CHECK ((staged IS NULL) = (staged_file IS NULL));

-- What the upload or copy in flight is about to store: kept while its lease holds.
ALTER TABLE image ADD COLUMN upload_blob text;
CREATE INDEX image_upload_blob ON image (upload_blob) WHERE upload_blob IS NOT NULL;

ALTER TABLE image DROP CONSTRAINT image_upload;
ALTER TABLE image ADD CONSTRAINT image_upload CHECK (
    CASE WHEN status = 'saving' THEN upload_id IS NOT NULL AND staged IS NULL
         WHEN status = 'importing' THEN upload_id IS NOT NULL
         WHEN status = 'uploading' THEN (upload_id IS NOT NULL) <> (staged IS NOT NULL)
         WHEN status IN ('active', 'deactivated') THEN staged IS NULL -- an upload_id: being copied to more stores
         ELSE upload_id IS NULL AND staged IS NULL END);
