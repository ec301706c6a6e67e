-- SPDX-License-Identifier: Apache-2.0
-- Limits that were taken back, found by age: those of projects that are gone are not told for ever.
CREATE INDEX feed_event_cleared ON feed_event (created_at) WHERE kind = 'limit' AND body -> 'value' = 'null'::jsonb;
