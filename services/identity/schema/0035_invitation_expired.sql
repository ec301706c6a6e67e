-- SPDX-License-Identifier: Apache-2.0
-- An invitation that nobody answered ends as such, in the transaction that writes it into the trail.
ALTER TABLE invitation DROP CONSTRAINT invitation_state_check;
ALTER TABLE invitation ADD CONSTRAINT invitation_state_check CHECK (state IN ('pending', 'accepted', 'declined', 'revoked', 'expired'));
CREATE INDEX invitation_late ON invitation (expires_at) WHERE state = 'pending';
