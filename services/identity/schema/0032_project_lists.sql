-- SPDX-License-Identifier: Apache-2.0
-- Lists of projects never step over domains, wherever these sort.
CREATE INDEX tenancy_project ON tenancy (id) WHERE NOT is_domain;
CREATE INDEX tenancy_project_name ON tenancy (name, id) WHERE NOT is_domain;
-- The beginnings of names, in any collation.
CREATE INDEX user_account_begin ON user_account (name text_pattern_ops);
CREATE INDEX tenancy_begin ON tenancy (name text_pattern_ops);
CREATE INDEX user_group_begin ON user_group (name text_pattern_ops);
