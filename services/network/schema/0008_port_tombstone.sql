-- SPDX-License-Identifier: Apache-2.0
-- Ids of ports that another service has deleted, also of ports that were never there: a creation that was overtaken by the deletion
-- finds the id here and is refused. Rows are swept after 25 hours: no token lives longer than a day,
-- so no request of that time is accepted any more.
CREATE TABLE port_tombstone (
    id         uuid PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX port_tombstone_deleted_at ON port_tombstone (deleted_at);

-- Deletion and creation of one id wait for each other, to the end of their transactions.
CREATE FUNCTION port_tombstone_lock(wanted uuid) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext('port'), hashtext(wanted::text))
$$;

CREATE FUNCTION port_tombstone_add(wanted uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM port_tombstone_lock(wanted);
    INSERT INTO port_tombstone (id) VALUES (wanted) ON CONFLICT (id) DO UPDATE SET deleted_at = excluded.deleted_at;
END $$;

-- The look comes after the wait and sees what was committed meanwhile.
CREATE FUNCTION port_tombstone_has(wanted uuid) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM port_tombstone_lock(wanted);
    RETURN EXISTS (SELECT 1 FROM port_tombstone WHERE id = wanted);
END $$;
