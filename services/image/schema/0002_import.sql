-- SPDX-License-Identifier: Apache-2.0
-- Interoperable import: data staged before it becomes the image's, data fetched from elsewhere, and the tasks that tell of it.

ALTER TABLE image ADD COLUMN staged text REFERENCES blob (sha512);
ALTER TABLE image ADD COLUMN staged_size bigint CHECK (staged_size >= 0);
ALTER TABLE image ADD COLUMN staged_virtual_size bigint CHECK (staged_virtual_size >= 0);
ALTER TABLE image ADD COLUMN staged_checksum text;
ALTER TABLE image DROP CONSTRAINT image_upload;
ALTER TABLE image ADD CONSTRAINT image_upload CHECK (
    CASE status WHEN 'saving' THEN upload_id IS NOT NULL AND staged IS NULL
                WHEN 'importing' THEN upload_id IS NOT NULL AND staged IS NULL
                WHEN 'uploading' THEN (upload_id IS NOT NULL) <> (staged IS NOT NULL)
                ELSE upload_id IS NULL AND staged IS NULL END);
CREATE INDEX image_staged ON image (staged) WHERE staged IS NOT NULL;

CREATE TABLE image_task (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    image_id   uuid NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    upload_id  uuid, -- of the fetch that it is about
    status     text NOT NULL CHECK (status IN ('processing', 'success', 'failure')),
    owner      text NOT NULL,
    user_id    text NOT NULL,
    request_id text NOT NULL,
    input      jsonb NOT NULL,
    message    text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX image_task_image ON image_task (image_id, created_at);
CREATE INDEX image_task_processing ON image_task (upload_id) WHERE status = 'processing';
