-- SPDX-License-Identifier: Apache-2.0
-- Secrets are stored sealed: key id, a point, ciphertext. A row written before has its text in the old column until an
-- identity process seals it.
ALTER TABLE credential ADD COLUMN sealed text, ALTER COLUMN blob DROP NOT NULL, ADD CHECK (blob IS NOT NULL OR sealed IS NOT NULL);
ALTER TABLE consumer ADD COLUMN sealed text, ALTER COLUMN secret DROP NOT NULL, ADD CHECK (secret IS NOT NULL OR sealed IS NOT NULL);
ALTER TABLE signing_key ADD COLUMN sealed text, ALTER COLUMN private_pem DROP NOT NULL,
    ADD CHECK (private_pem IS NOT NULL OR sealed IS NOT NULL);
-- Which rows a new key has yet to reach.
CREATE INDEX credential_sealed_by ON credential (left(sealed, 16));
CREATE INDEX consumer_sealed_by ON consumer (left(sealed, 16));
