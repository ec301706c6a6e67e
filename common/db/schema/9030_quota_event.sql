-- SPDX-License-Identifier: Apache-2.0
-- Project '' holds the defaults that identity registered. n is the number of identity's event that a row stands for: an older event
-- never overwrites what was set since. value null: back to the default, kept for its number.
ALTER TABLE quota_limit ALTER COLUMN value DROP NOT NULL;
ALTER TABLE quota_limit ADD COLUMN n bigint NOT NULL DEFAULT 0;
