// SPDX-License-Identifier: Apache-2.0
// Keystone's current default rules. target.x is the thing acted on.
#include "services/identity/identity.h"

#define ADMIN "rule:admin_required"
#define READER "rule:admin_required or (role:reader and system_scope:all)"
#define SYSTEM_READER "(role:reader and system_scope:all)"
#define DOMAIN_READER "(role:reader and domain_id:%(target.domain_id)s)"
// Who answers for a project of an account.
#define MANAGES                                                                        \
    "rule:admin_required or user_id:%(target.project.owner_id)s or (role:manager and " \
    "project_id:%(target.project.id)s)"

// clang-format off
const struct policy_rule identity_policies[] = {
    {"admin_required", "role:admin or is_admin:1", "an administrator"},
    {"service_role", "role:service", "another service"},
    {"service_or_admin", "rule:admin_required or rule:service_role", ""},
    {"owner", "user_id:%(user_id)s", ""},
    {"token_subject", "user_id:%(target.token.user_id)s", "the token's own user"},
    {"identity:check_token", "rule:admin_required or " SYSTEM_READER " or rule:token_subject", "HEAD /v3/auth/tokens"},
    {"identity:validate_token", "rule:admin_required or " SYSTEM_READER " or rule:service_role or rule:token_subject", "GET /v3/auth/tokens"},
    {"identity:revoke_token", "rule:admin_required or rule:token_subject", "DELETE /v3/auth/tokens"},
    {"identity:close_account", ADMIN, "POST /accounts/v1/admin/accounts/{user_id}/closing"},
    {"identity:get_closing", ADMIN " or " SYSTEM_READER, "GET /accounts/v1/closings/{id} of others"},
    {"identity:list_closings", ADMIN " or " SYSTEM_READER, "GET /accounts/v1/closings of others"},
    {"identity:set_limits", "rule:service_or_admin", "POST /internal/v1/limits"},

    {"identity:list_domains", READER, ""},
    {"identity:get_domain", READER " or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s", ""},
    {"identity:create_domain", ADMIN, ""}, {"identity:update_domain", ADMIN, ""}, {"identity:delete_domain", ADMIN, ""},

    {"identity:list_projects", READER " or " DOMAIN_READER, ""},
    {"identity:get_project", READER " or (role:reader and domain_id:%(target.project.domain_id)s) or project_id:%(target.project.id)s", ""},
    {"identity:create_project", ADMIN, ""}, {"identity:update_project", ADMIN, ""}, {"identity:delete_project", ADMIN, ""},
    {"identity:list_user_projects", READER " or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s", ""},
    {"identity:list_project_tags", READER " or project_id:%(target.project.id)s", ""},
    {"identity:update_project_tags", ADMIN, ""},

    {"identity:list_users", READER " or " DOMAIN_READER, ""},
    {"identity:get_user", READER " or (role:reader and token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s", ""},
    {"identity:create_user", ADMIN, ""}, {"identity:update_user", ADMIN, ""}, {"identity:delete_user", ADMIN, ""},

    {"identity:list_groups", READER " or " DOMAIN_READER, ""},
    {"identity:get_group", READER " or (role:reader and domain_id:%(target.group.domain_id)s)", ""},
    {"identity:create_group", ADMIN, ""}, {"identity:update_group", ADMIN, ""}, {"identity:delete_group", ADMIN, ""},
    {"identity:list_groups_for_user", READER " or user_id:%(target.user.id)s", ""},
    {"identity:list_users_in_group", READER, ""}, {"identity:check_user_in_group", READER, ""},
    {"identity:add_user_to_group", ADMIN, ""}, {"identity:remove_user_from_group", ADMIN, ""},

    {"identity:list_roles", READER, ""}, {"identity:get_role", READER, ""},
    {"identity:create_role", ADMIN, ""}, {"identity:update_role", ADMIN, ""}, {"identity:delete_role", ADMIN, ""},
    {"identity:get_implied_role", READER, ""}, {"identity:set_implied_role", ADMIN, ""},
    {"identity:list_role_assignments", READER " or (role:reader and domain_id:%(target.domain_id)s)", ""},
    {"identity:list_grants", READER, ""}, {"identity:check_grant", READER, ""},
    {"identity:create_grant", ADMIN, ""}, {"identity:revoke_grant", ADMIN, ""},

    {"identity:list_services", READER, ""}, {"identity:get_service", READER, ""},
    {"identity:create_service", ADMIN, ""}, {"identity:update_service", ADMIN, ""}, {"identity:delete_service", ADMIN, ""},
    {"identity:list_endpoints", READER, ""}, {"identity:get_endpoint", READER, ""},
    {"identity:create_endpoint", ADMIN, ""}, {"identity:update_endpoint", ADMIN, ""}, {"identity:delete_endpoint", ADMIN, ""},
    {"identity:list_regions", "", ""}, {"identity:get_region", "", ""},
    {"identity:create_region", ADMIN, ""}, {"identity:update_region", ADMIN, ""}, {"identity:delete_region", ADMIN, ""},

    {"identity:list_credentials", "", "others' are not shown"},
    {"identity:get_credential", READER " or user_id:%(target.credential.user_id)s", ""},
    {"identity:create_credential", "rule:admin_required or user_id:%(user_id)s", ""},
    {"identity:update_credential", "rule:admin_required or user_id:%(target.credential.user_id)s", ""},
    {"identity:delete_credential", "rule:admin_required or user_id:%(target.credential.user_id)s", ""},
    {"identity:list_application_credentials", READER " or user_id:%(target.user.id)s", ""},
    {"identity:create_application_credential", "user_id:%(target.user.id)s", ""},
    {"identity:delete_application_credential", "rule:admin_required or user_id:%(target.user.id)s", ""},
    {"identity:list_trusts", READER, ""},
    {"identity:list_trusts_for_trustor", READER " or user_id:%(target.trust.trustor_user_id)s", ""},
    {"identity:list_trusts_for_trustee", READER " or user_id:%(target.trust.trustee_user_id)s", ""},
    {"identity:create_trust", "user_id:%(target.trust.trustor_user_id)s", ""},
    {"identity:get_trust", READER " or user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s", ""},
    {"identity:delete_trust", "rule:admin_required or user_id:%(target.trust.trustor_user_id)s", ""},
    {"identity:get_domain_config", READER, ""}, {"identity:get_domain_config_default", READER, ""},
    {"identity:create_domain_config", ADMIN, ""}, {"identity:update_domain_config", ADMIN, ""}, {"identity:delete_domain_config", ADMIN, ""},
    {"identity:list_consumers", READER, ""}, {"identity:get_consumer", READER, ""},
    {"identity:create_consumer", ADMIN, ""}, {"identity:update_consumer", ADMIN, ""}, {"identity:delete_consumer", ADMIN, ""},
    {"identity:list_endpoint_groups", READER, ""}, {"identity:get_endpoint_group", READER, ""},
    {"identity:create_endpoint_group", ADMIN, ""}, {"identity:update_endpoint_group", ADMIN, ""}, {"identity:delete_endpoint_group", ADMIN, ""},
    {"identity:add_endpoint_to_project", ADMIN, ""}, {"identity:check_endpoint_in_project", READER, ""}, {"identity:remove_endpoint_from_project", ADMIN, ""},
    {"identity:add_endpoint_group_to_project", ADMIN, ""}, {"identity:get_endpoint_group_in_project", READER, ""}, {"identity:remove_endpoint_group_from_project", ADMIN, ""},
    {"identity:list_endpoints_for_project", READER, ""}, {"identity:list_endpoint_groups_for_project", READER, ""},
    {"identity:list_projects_for_endpoint", READER, ""}, {"identity:list_projects_associated_with_endpoint_group", READER, ""},
    {"identity:list_endpoints_associated_with_endpoint_group", READER, ""},
    {"identity:ec2_credentials", "rule:admin_required or user_id:%(target.credential.user_id)s", ""},
    {"identity:authorize_request_token", ADMIN, ""}, {"identity:get_access_token", ADMIN, ""}, {"identity:list_access_tokens", ADMIN, ""},
    {"identity:get_access_token_role", ADMIN, ""}, {"identity:list_access_token_roles", ADMIN, ""},
    {"identity:ec2_delete_credential", "rule:admin_required or user_id:%(target.credential.user_id)s", "also OAuth access tokens"},
    {"identity:ec2tokens_validate", "rule:service_or_admin", "POST /v3/ec2tokens"},
    {"identity:s3tokens_validate", "rule:service_or_admin", "POST /v3/s3tokens"},
    {"identity:create_registered_limits", ADMIN, ""}, {"identity:update_registered_limit", ADMIN, ""}, {"identity:delete_registered_limit", ADMIN, ""},
    {"identity:create_limits", ADMIN, ""}, {"identity:update_limit", ADMIN, ""}, {"identity:delete_limit", ADMIN, ""},
    {"identity:create_limit_request", ADMIN " or (role:member and project_id:%(project_id)s)", "POST /accounts/v1/limit-requests, withdraw"},
    {"identity:decide_limit_request", ADMIN, "POST /accounts/v1/limit-requests/{id}/approve, refuse"},
    {"identity:list_policies", READER, ""}, {"identity:get_policy", READER, ""},
    {"identity:create_policy", ADMIN, ""}, {"identity:update_policy", ADMIN, ""}, {"identity:delete_policy", ADMIN, ""},

    {"identity:use_accounts", "", "one's own account, projects and trail"},
    {"identity:open_project", "", "POST /accounts/v1/projects"},
    {"identity:leave_project", "", ""},
    {"identity:list_members", MANAGES " or (role:reader and project_id:%(target.project.id)s)", "members of a project"},
    {"identity:remove_member", MANAGES, ""}, {"identity:invite_member", MANAGES, ""},
    {"identity:list_invitations", MANAGES, ""}, {"identity:revoke_invitation", MANAGES, ""},
    {"identity:list_accounts", READER, ""}, {"identity:get_account", READER, ""}, {"identity:list_audit", READER, ""},
    {"identity:approve_account", ADMIN, ""}, {"identity:reject_account", ADMIN, ""},
    {"identity:block_account", ADMIN, ""}, {"identity:unblock_account", ADMIN, ""},
    {"identity:list_domain_rules", READER, ""}, {"identity:change_domain_rule", ADMIN, ""},
    {0},
};
// clang-format on
