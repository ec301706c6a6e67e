-- SPDX-License-Identifier: Apache-2.0
-- A region may go while limits name it, as in Keystone: they say then what was meant, and count for no region that is there.
DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT conrelid::regclass AS name, conname FROM pg_constraint WHERE contype = 'f' AND confrelid = 'region'::regclass
        AND conrelid IN ('registered_limit'::regclass, 'project_limit'::regclass)
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', each.name, each.conname); END LOOP;
END $$;
