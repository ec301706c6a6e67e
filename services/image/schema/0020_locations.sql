-- SPDX-License-Identifier: Apache-2.0
-- URLs that clients gave as locations: an image's data came from them or was compared with them, and is ours.
CREATE TABLE image_url (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in this order
    image_id uuid NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    url      text NOT NULL CHECK (length(url) BETWEEN 1 AND 255),
    metadata jsonb NOT NULL,
    CONSTRAINT image_url_once UNIQUE (image_id, url)
);
-- Its data came from the first of its URLs, which are shown instead of the stores that it is in.
ALTER TABLE image ADD COLUMN is_located boolean NOT NULL DEFAULT false;

ALTER TABLE image_task DROP CONSTRAINT image_task_type_check;
ALTER TABLE image_task ADD CONSTRAINT image_task_type CHECK (type IN ('import', 'api_image_import', 'location_import'));
