-- SPDX-License-Identifier: Apache-2.0
-- The few that everybody sees, in every order in which they are asked for without knowing how few they are: no sample of the
-- table tells what is so rare. Partial: other images cost nothing here.
CREATE INDEX image_public_created ON image (created_at, id) WHERE visibility = 'public' AND status <> 'deleted';
CREATE INDEX image_public_id ON image (id) WHERE visibility = 'public' AND status <> 'deleted';
CREATE INDEX image_community_created ON image (created_at, id) WHERE visibility = 'community' AND status <> 'deleted';
