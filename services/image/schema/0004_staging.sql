-- SPDX-License-Identifier: Apache-2.0
-- Data may be staged before the formats are known, and does not stay for ever.

ALTER TABLE image ADD COLUMN staged_format text; -- as recognised
ALTER TABLE image ADD COLUMN staged_at timestamptz;
UPDATE image SET staged_at = updated_at WHERE staged IS NOT NULL;
CREATE INDEX image_staged_at ON image (staged_at) WHERE staged IS NOT NULL;
