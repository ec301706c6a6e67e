-- SPDX-License-Identifier: Apache-2.0
-- The next free address of a subnet's pools, lowest first; NULL when there is none. The caller holds the subnet's row.
CREATE FUNCTION subnet_free_ip(wanted uuid) RETURNS inet LANGUAGE sql STABLE AS $$
    SELECT c.ip FROM (
        SELECT p.first AS ip FROM allocation_pool p WHERE p.subnet_id = wanted
        UNION ALL
        SELECT f.ip + 1 FROM allocation_pool p
            JOIN fixed_ip f ON f.subnet_id = p.subnet_id AND f.ip >= p.first AND f.ip < p.last
            WHERE p.subnet_id = wanted) c
    WHERE NOT EXISTS (SELECT 1 FROM fixed_ip taken WHERE taken.subnet_id = wanted AND taken.ip = c.ip)
    ORDER BY c.ip LIMIT 1
$$;

-- ?fixed_ips=ip_address=A, subnet_id=S, ip_address_substr=T: values of one key are alternatives, keys add up.
CREATE FUNCTION port_has_fixed_ips(wanted uuid, filters text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM fixed_ip f WHERE f.port_id = wanted
            AND (NOT EXISTS (SELECT 1 FROM unnest(filters) v WHERE starts_with(v, 'ip_address='))
                 OR 'ip_address=' || host(f.ip) = ANY (filters))
            AND (NOT EXISTS (SELECT 1 FROM unnest(filters) v WHERE starts_with(v, 'subnet_id='))
                 OR 'subnet_id=' || f.subnet_id = ANY (filters))
            AND (NOT EXISTS (SELECT 1 FROM unnest(filters) v WHERE starts_with(v, 'ip_address_substr='))
                 OR EXISTS (SELECT 1 FROM unnest(filters) v
                            WHERE starts_with(v, 'ip_address_substr=') AND position(substr(v, 19) IN host(f.ip)) > 0)))
$$;

-- The tags filters: each value is a comma-separated list.
CREATE FUNCTION tags_match(tags jsonb, filters text[], match_all boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN match_all THEN bool_and(tags ? t) ELSE bool_or(tags ? t) END
    FROM unnest(filters) v, unnest(string_to_array(v, ',')) t
$$;
