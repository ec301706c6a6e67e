-- SPDX-License-Identifier: Apache-2.0
-- Revocations are bounded: one row for each thing that is revoked, until the last token that it concerns has expired, and of one user's
-- single tokens (and what makes tokens: credentials, trusts, access tokens) only so many; when there are more, the older half becomes one
-- row that ends all the user's tokens issued until then, which says at least as much.

-- What the running processes were started with: the longest life counts for all that they issued. A process writes its row again and again;
-- what was not written for a day counts no longer. since: when the first process came that writes any.
CREATE TABLE token_setting (
    life_us       bigint PRIMARY KEY,
    n_revocations bigint NOT NULL,
    since         timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now()
);

-- What a revocation is about, whenever it is made.
CREATE FUNCTION revocation_key(event_body jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (event_body - '{issued_before_us,ends_us,folded}'::text[])::text
$$;
ALTER TABLE feed_event ADD COLUMN ends_us bigint;  -- of revocations: no token that it concerns lives longer
ALTER TABLE feed_event ADD COLUMN owner_id text;   -- of revocations that a later one of all the user's tokens can stand for
DELETE FROM feed_event e USING feed_event later WHERE e.kind = 'revocation' AND later.kind = 'revocation'
    AND revocation_key(later.body) = revocation_key(e.body) AND later.n > e.n;
UPDATE feed_event SET ends_us = (body->>'issued_before_us')::bigint + 86400000000 WHERE kind = 'revocation';
CREATE UNIQUE INDEX feed_revocation ON feed_event (revocation_key(body)) WHERE kind = 'revocation';
CREATE INDEX feed_revocation_ends ON feed_event (ends_us) WHERE kind = 'revocation';
CREATE INDEX feed_revocation_owner ON feed_event (owner_id, n) WHERE owner_id IS NOT NULL;

-- Under the lock of feed_append. Times never go back, neither when the clock does.
CREATE FUNCTION revocation_put(event_n bigint, event_body jsonb, event_ends_us bigint) RETURNS void LANGUAGE plpgsql AS $$
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
END $$;

-- One statement finds whether a user has too many, whatever there is of others.
CREATE FUNCTION revocation_fold(own text, n_max bigint, life_us bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last_n bigint;
    until_us bigint;
    last_us bigint;
BEGIN
    PERFORM 1 FROM feed_event WHERE owner_id = own ORDER BY n DESC LIMIT 1 OFFSET n_max;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT n INTO last_n FROM feed_event WHERE owner_id = own ORDER BY n DESC LIMIT 1 OFFSET n_max / 2;
    WITH gone AS (DELETE FROM feed_event WHERE owner_id = own AND n <= last_n
            RETURNING (body->>'issued_before_us')::bigint AS before_us, ends_us)
        SELECT max(before_us), max(ends_us) INTO until_us, last_us FROM gone;
    PERFORM revocation_put(nextval('feed_n'), jsonb_build_object('user_id', own, 'issued_before_us', until_us, 'folded', true),
        greatest(until_us + life_us, last_us));
END $$;

CREATE OR REPLACE FUNCTION feed_append(event_kind text, event_body jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    event_n bigint;
    now_us bigint;
    longest_us bigint;
    n_max bigint;
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
    END IF;
    PERFORM revocation_put(event_n, event_body || jsonb_build_object('issued_before_us', now_us),
        coalesce((event_body->>'ends_us')::bigint, now_us + longest_us));
    IF own IS NOT NULL AND event_body ? 'audit_id' THEN
        PERFORM revocation_fold(own, n_max, longest_us);
    END IF;
    RETURN event_n;
END $$;

-- Whose tokens they are is known of each, so that a user's own can be told from others'. A trust's are the trustor's with impersonation,
-- else the trustee's: who made no token by a trust has nothing to do with its end, so that nobody can fill another's share. is_used
-- NULL: not known, it may have been used by a process of before.
ALTER TABLE trust ADD COLUMN is_used boolean;
CREATE FUNCTION trust_revocation(t trust) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('audit_id', t.audit_id,
        'user_id', CASE WHEN t.impersonation THEN t.trustor_user_id WHEN t.is_used THEN t.trustee_user_id END))
$$;
CREATE OR REPLACE FUNCTION trust_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.is_used IS NOT FALSE THEN
        PERFORM feed_append('revocation', trust_revocation(OLD));
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION trust_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', trust_revocation(t)) FROM trust t
        WHERE NEW.body->>'user_id' IN (t.trustor_user_id, t.trustee_user_id) AND t.is_used IS NOT FALSE
        AND coalesce(NEW.body->>'project_id', t.project_id) = t.project_id
        AND (trust_revocation(t)->>'user_id' IS DISTINCT FROM NEW.body->>'user_id'
            OR revocation_key(NEW.body) <> jsonb_build_object('user_id', NEW.body->>'user_id')::text); -- which ends them by itself
    PERFORM feed_append('revocation', trust_revocation(t))
        FROM trust t JOIN user_account u ON u.id IN (t.trustor_user_id, t.trustee_user_id)
        WHERE u.domain_id = NEW.body->>'domain_id' AND NEW.body->>'user_id' IS NULL AND t.is_used IS NOT FALSE;
    RETURN NULL;
END $$;
DROP TRIGGER trust_touched ON feed_event;
CREATE TRIGGER trust_touched AFTER INSERT ON feed_event FOR EACH ROW
    WHEN (NEW.kind = 'revocation' AND NOT NEW.body ? 'audit_id' AND NOT NEW.body ? 'folded' AND (NEW.body ? 'user_id' OR NEW.body ? 'domain_id'))
    EXECUTE FUNCTION trust_touched();

CREATE OR REPLACE FUNCTION ec2_key_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('audit_id', 'ec2-' || left(OLD.digest, 18), 'user_id', OLD.user_id));
    RETURN NULL;
END $$;
DROP TRIGGER ec2_key_replaced ON credential;
CREATE TRIGGER ec2_key_replaced AFTER UPDATE OF digest, sealed, user_id ON credential FOR EACH ROW
    WHEN ((OLD.digest, OLD.user_id) IS DISTINCT FROM (NEW.digest, NEW.user_id) AND OLD.digest IS NOT NULL) EXECUTE FUNCTION ec2_key_gone();
CREATE OR REPLACE FUNCTION oauth1_access_token_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM feed_append('revocation', jsonb_build_object('audit_id', OLD.audit_id, 'user_id', OLD.user_id));
    RETURN NULL;
END $$;
