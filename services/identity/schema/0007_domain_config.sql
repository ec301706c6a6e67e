-- SPDX-License-Identifier: Apache-2.0
-- Options of one domain that differ from the defaults: {group: {option: value}}.
CREATE TABLE domain_config (
    domain_id text PRIMARY KEY REFERENCES tenancy (id) ON DELETE CASCADE,
    config    jsonb NOT NULL
);
