-- SPDX-License-Identifier: Apache-2.0
-- A user's groups with the end of the membership, for members by a provider's authorization_ttl; NULL: for good.
CREATE VIEW group_of_user AS
    SELECT g.*, m.user_id AS member_id, f.member_until FROM group_member m JOIN user_group g ON g.id = m.group_id
    LEFT JOIN federated_membership f ON m.provider_id IS NOT NULL AND f.user_id = m.user_id AND f.group_id = m.group_id;
