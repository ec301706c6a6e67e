-- SPDX-License-Identifier: Apache-2.0
-- Users show by whom they are known ("federated": [{"idp_id", "protocols": [{"protocol_id", "unique_id"}]}]); who is known by nobody has no
-- such attribute.
CREATE FUNCTION federated_user_shown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE user_account u SET extra = (u.extra - 'federated') || coalesce((SELECT jsonb_build_object('federated', jsonb_agg(
            jsonb_build_object('idp_id', p.provider_id, 'protocols', p.protocols) ORDER BY p.provider_id))
        FROM (SELECT f.provider_id, jsonb_agg(jsonb_build_object('protocol_id', f.protocol_id, 'unique_id', f.unique_id)
                ORDER BY f.protocol_id, f.unique_id) AS protocols
            FROM federated_user f WHERE f.user_id = u.id GROUP BY f.provider_id) p HAVING count(*) > 0), '{}')
    WHERE u.id IN (SELECT user_id FROM changed);
    RETURN NULL;
END $$;
CREATE TRIGGER federated_user_added AFTER INSERT ON federated_user REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION federated_user_shown();
CREATE TRIGGER federated_user_gone AFTER DELETE ON federated_user REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION federated_user_shown();
UPDATE user_account u SET extra = u.extra || jsonb_build_object('federated', p.providers)
FROM (SELECT user_id, jsonb_agg(jsonb_build_object('idp_id', provider_id, 'protocols', protocols) ORDER BY provider_id) AS providers
    FROM (SELECT user_id, provider_id, jsonb_agg(jsonb_build_object('protocol_id', protocol_id, 'unique_id', unique_id)
            ORDER BY protocol_id, unique_id) AS protocols FROM federated_user GROUP BY user_id, provider_id) e GROUP BY user_id) p
WHERE p.user_id = u.id;

-- Instead of those that there are. NULL: done; else the first that names no protocol of a provider, or (unless anywhere) one of another
-- domain, and nothing is. Tokens of a user who is known by one less end.
CREATE FUNCTION federated_user_set(own text, wanted jsonb, anywhere boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    wrong jsonb;
BEGIN
    SELECT jsonb_build_object('provider', e->>'idp_id', 'protocol', w->>'protocol_id', 'has_provider', p.id IS NOT NULL,
            'has_protocol', f.id IS NOT NULL) INTO wrong
        FROM jsonb_array_elements(wanted) e CROSS JOIN LATERAL jsonb_array_elements(e->'protocols') w
        LEFT JOIN federation_protocol f ON f.provider_id = e->>'idp_id' AND f.id = w->>'protocol_id'
        LEFT JOIN identity_provider p ON p.id = e->>'idp_id'
        WHERE f.id IS NULL OR NOT anywhere AND p.domain_id <> (SELECT u.domain_id FROM user_account u WHERE u.id = own) LIMIT 1;
    IF wrong IS NOT NULL THEN
        RETURN wrong;
    END IF;
    DELETE FROM federated_user f WHERE f.user_id = own AND NOT EXISTS (
        SELECT FROM jsonb_array_elements(wanted) e, jsonb_array_elements(e->'protocols') w
        WHERE f.provider_id = e->>'idp_id' AND f.protocol_id = w->>'protocol_id' AND f.unique_id = w->>'unique_id');
    IF FOUND THEN
        PERFORM feed_append('revocation', jsonb_build_object('user_id', own));
    END IF;
    INSERT INTO federated_user (provider_id, protocol_id, unique_id, user_id)
        SELECT DISTINCT e->>'idp_id', w->>'protocol_id', w->>'unique_id', own
        FROM jsonb_array_elements(wanted) e, jsonb_array_elements(e->'protocols') w
        WHERE NOT EXISTS (SELECT FROM federated_user f WHERE f.user_id = own AND f.provider_id = e->>'idp_id'
            AND f.protocol_id = w->>'protocol_id' AND f.unique_id = w->>'unique_id');
    RETURN NULL;
END $$;
