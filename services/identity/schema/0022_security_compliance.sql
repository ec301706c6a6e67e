-- SPDX-License-Identifier: Apache-2.0
-- When a password ends, whether its user chose it, and when the user was last seen (kept only while inactive users are disabled).
ALTER TABLE user_account ADD COLUMN password_expires_at timestamptz,
    ADD COLUMN password_is_own boolean NOT NULL DEFAULT false,
    ADD COLUMN last_active_on date;
CREATE INDEX user_account_password_expires_at ON user_account (password_expires_at);

-- A filter like "lt:2030-01-01T00:00:00Z"; its form was checked before.
CREATE FUNCTION time_matches(value timestamptz, condition text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE split_part(condition, ':', 1)
        WHEN 'lt' THEN value < t WHEN 'lte' THEN value <= t WHEN 'gt' THEN value > t
        WHEN 'gte' THEN value >= t WHEN 'neq' THEN value <> t ELSE value = t END
    FROM (SELECT substr(condition, strpos(condition, ':') + 1)::timestamp AT TIME ZONE 'UTC' AS t) given
$$;
