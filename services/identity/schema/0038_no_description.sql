-- SPDX-License-Identifier: Apache-2.0
-- Keystone keeps a description of null; one that was not given is empty.
ALTER TABLE tenancy ALTER COLUMN description DROP NOT NULL;
ALTER TABLE user_group ALTER COLUMN description DROP NOT NULL;
