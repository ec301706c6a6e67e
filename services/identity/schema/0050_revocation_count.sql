-- SPDX-License-Identifier: Apache-2.0
-- Tokens that were issued before there was token_setting may have had any life that there is.
INSERT INTO token_setting (life_us, n_revocations, seen_at) SELECT 86400000000, 1000, min(since) FROM (
    SELECT since FROM token_setting UNION ALL SELECT now()) s ON CONFLICT DO NOTHING;

-- A user's rows are counted when they may be too many, and not at each: so many more may come before that.
CREATE TABLE revocation_owner (
    owner_id text PRIMARY KEY,
    n_left   bigint NOT NULL,
    seen_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO revocation_owner (owner_id, n_left) SELECT DISTINCT owner_id, 0 FROM feed_event WHERE owner_id IS NOT NULL;

-- As revocation_put; whether it is a row more.
CREATE FUNCTION revocation_add(event_n bigint, event_body jsonb, event_ends_us bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    known feed_event;
BEGIN
    DELETE FROM feed_event WHERE kind = 'revocation' AND revocation_key(body) = revocation_key(event_body) RETURNING * INTO known;
    IF known.n IS NOT NULL THEN
        event_ends_us := greatest(event_ends_us, known.ends_us);
        event_body := jsonb_set(event_body, '{issued_before_us}',
            to_jsonb(greatest((event_body->>'issued_before_us')::bigint, (known.body->>'issued_before_us')::bigint)));
    END IF;
    INSERT INTO feed_event (n, kind, body, ends_us, owner_id)
        VALUES (event_n, 'revocation', event_body || jsonb_build_object('ends_us', event_ends_us), event_ends_us,
            CASE WHEN event_body ? 'audit_id' THEN event_body->>'user_id' END);
    RETURN known.n IS NULL;
END $$;

-- A row more of the user's. Rows that ended meanwhile make fewer than are reckoned with, never more.
CREATE FUNCTION revocation_count(own text, n_max bigint, life_us bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    room bigint;
    n_there bigint;
    last_n bigint;
    until_us bigint;
    last_us bigint;
    added boolean;
BEGIN
    INSERT INTO revocation_owner AS o (owner_id, n_left) VALUES (own, n_max - 1)
        ON CONFLICT (owner_id) DO UPDATE SET n_left = least(o.n_left, n_max) - 1, seen_at = now() RETURNING n_left INTO room;
    IF room >= 0 THEN
        RETURN;
    END IF;
    SELECT count(*) INTO n_there FROM feed_event WHERE owner_id = own;
    IF n_there > n_max THEN
        SELECT n INTO last_n FROM feed_event WHERE owner_id = own ORDER BY n DESC LIMIT 1 OFFSET n_max / 2;
        WITH gone AS (DELETE FROM feed_event WHERE owner_id = own AND n <= last_n
                RETURNING (body->>'issued_before_us')::bigint AS before_us, ends_us)
            SELECT max(before_us), max(ends_us) INTO until_us, last_us FROM gone;
        added := revocation_add(nextval('feed_n'), jsonb_build_object('user_id', own, 'issued_before_us', until_us, 'folded', true),
            greatest(until_us + life_us, last_us));
        n_there := n_max / 2;
    END IF;
    UPDATE revocation_owner SET n_left = n_max - n_there WHERE owner_id = own;
END $$;

CREATE OR REPLACE FUNCTION feed_append(event_kind text, event_body jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    event_n bigint;
    now_us bigint;
    longest_us bigint;
    n_max bigint;
    is_more boolean;
    own text := event_body->>'user_id';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('feed_event ' || current_schema()));
    event_n := nextval('feed_n');
    IF event_kind = 'limit' THEN
        DELETE FROM feed_event WHERE kind = 'limit' AND body->>'project_id' = event_body->>'project_id'
            AND body->>'service' = event_body->>'service' AND body->>'resource' = event_body->>'resource';
        INSERT INTO feed_event (n, kind, body) VALUES (event_n, event_kind, event_body);
        RETURN event_n;
    END IF;
    now_us := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    SELECT coalesce(max(life_us), 86400000000), coalesce((array_agg(n_revocations ORDER BY seen_at DESC))[1], 1000)
        INTO longest_us, n_max FROM token_setting WHERE seen_at > now() - interval '25 hours';
    IF own IS NOT NULL AND event_body - 'user_id' = '{}' THEN -- stands for all that there is of the user's single tokens
        DELETE FROM feed_event WHERE owner_id = own AND (body->>'issued_before_us')::bigint <= now_us;
        DELETE FROM revocation_owner WHERE owner_id = own AND NOT EXISTS (SELECT FROM feed_event e WHERE e.owner_id = own);
    END IF;
    is_more := revocation_add(event_n, event_body || jsonb_build_object('issued_before_us', now_us),
        coalesce((event_body->>'ends_us')::bigint, now_us + longest_us));
    IF is_more AND own IS NOT NULL AND event_body ? 'audit_id' THEN
        PERFORM revocation_count(own, n_max, longest_us);
    END IF;
    RETURN event_n;
END $$;
DROP FUNCTION revocation_fold(text, bigint, bigint);
DROP FUNCTION revocation_put(bigint, jsonb, bigint);
