-- SPDX-License-Identifier: Apache-2.0
-- Rows that say "back to the default" go as soon as the cursor is past them.
CREATE INDEX quota_limit_cleared ON quota_limit (n) WHERE value IS NULL;
