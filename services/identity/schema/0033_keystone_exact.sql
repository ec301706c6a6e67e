-- SPDX-License-Identifier: Apache-2.0
-- Keystone's default roles cannot be changed or deleted until their option is taken off.
UPDATE role SET options = options || '{"immutable": true}'
WHERE domain_id IS NULL AND name IN ('admin', 'manager', 'member', 'reader', 'service');

-- Access rules are shown in the order in which they were given.
ALTER TABLE application_credential_rule ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE access_rule ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY;

-- A domain by its name; where no name is just so, letters' case does not count, as long as one domain alone is meant.
CREATE FUNCTION domain_named(wanted text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT id FROM tenancy WHERE is_domain AND name = wanted),
        (SELECT min(id) FROM tenancy WHERE is_domain AND lower(name) = lower(wanted) HAVING count(*) = 1))
$$;
