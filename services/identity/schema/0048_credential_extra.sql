-- SPDX-License-Identifier: Apache-2.0
-- What a client gave a credential beyond its attributes is kept and shown, as of every other thing of identity.
ALTER TABLE credential ADD COLUMN extra jsonb NOT NULL DEFAULT '{}';
