-- SPDX-License-Identifier: Apache-2.0
-- Tasks by themselves: what began them, and their end.

-- As the tasks API names it: import is of its own, api_image_import of POST /v2/images/{id}/import.
ALTER TABLE image_task ADD COLUMN type text NOT NULL DEFAULT 'api_image_import' CHECK (type IN ('import', 'api_image_import'));
CREATE INDEX image_task_created ON image_task (created_at, id);
CREATE INDEX image_task_owner ON image_task (owner, created_at, id);
-- Ended ones go after a while.
CREATE INDEX image_task_ended ON image_task (updated_at) WHERE status <> 'processing';
