// SPDX-License-Identifier: Apache-2.0
// Keystone's current default rules. target.x is the thing acted on. A domain's manager runs the
// domain's users, groups and projects, and gives and takes the three ordinary roles there.
#include "services/identity/identity.h"

// clang-format off
#define ADMIN "rule:admin_required"
#define SYSTEM_READER "(role:reader and system_scope:all)"
#define READER "rule:admin_required or " SYSTEM_READER
#define IN_DOMAIN(role, thing) "(role:" role " and domain_id:%(target." thing ".domain_id)s)"
#define READER_OR_DOMAIN(thing) READER " or " IN_DOMAIN("reader", thing)
#define ADMIN_OR_MANAGER(thing) ADMIN " or " IN_DOMAIN("manager", thing)
#define LIST_IN_DOMAIN READER " or (role:reader and domain_id:%(target.domain_id)s)"
#define OF_USER(thing) "user_id:%(target." thing ".user_id)s"
#define SELF "user_id:%(target.user.id)s"
#define BOTH(role, actor, place) \
    "(role:" role " and domain_id:%(target." actor ".domain_id)s and domain_id:%(target." place ")s)"
#define GRANTS(role) \
    "(" BOTH(role, "user", "project.domain_id") " or " BOTH(role, "user", "domain.id") " or " \
    BOTH(role, "group", "project.domain_id") " or " BOTH(role, "group", "domain.id") ")"
// A role of all domains, or of one's own.
#define ROLE_IS_NEAR "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"
#define ROLE_IS_ORDINARY "rule:domain_managed_target_role"
#define READ_ROLES READER " or (role:manager and not domain_id:None)"
#define TRUST_PARTY OF_TRUSTOR " or user_id:%(target.trust.trustee_user_id)s"
#define OF_TRUSTOR "user_id:%(target.trust.trustor_user_id)s"
// What admins write and system readers read: things of the whole cloud, so nothing for a domain's token.
#define READ(...) {"identity:" __VA_ARGS__, READER, "", POLICY_NO_DOMAIN}
#define WRITE(...) {"identity:" __VA_ARGS__, ADMIN, "", POLICY_NO_DOMAIN}
#define CRUD(one, many) \
    READ("list_" many), READ("get_" one), WRITE("create_" one), WRITE("update_" one), WRITE("delete_" one)
#define DOMAIN_CRUD(one, many) \
    {"identity:list_" many, LIST_IN_DOMAIN, ""}, {"identity:create_" one, ADMIN_OR_MANAGER(one), ""}, \
    {"identity:update_" one, ADMIN_OR_MANAGER(one), ""}, {"identity:delete_" one, ADMIN_OR_MANAGER(one), ""}
// Who answers for a project of an account.
#define MANAGES                                                                        \
    "rule:admin_required or user_id:%(target.project.owner_id)s or (role:manager and " \
    "project_id:%(target.project.id)s)"

const struct policy_rule identity_policies[] = {
    {"admin_required", "role:admin or is_admin:1", "an administrator"},
    {"service_role", "role:service", "another service"},
    {"service_or_admin", "rule:admin_required or rule:service_role", ""},
    {"owner", "user_id:%(user_id)s", ""},
    {"admin_or_token_subject", "rule:admin_required or rule:token_subject", ""},
    {"service_admin_or_token_subject", "rule:service_or_admin or rule:token_subject", ""},
    {"admin_or_owner", "rule:admin_required or rule:owner", ""},
    {"token_subject", "user_id:%(target.token.user_id)s", "the token's own user"},
    {"domain_managed_target_role", "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
     "the roles that a domain's manager may give and take"},
    {"identity:check_token", READER " or rule:token_subject", "HEAD /v3/auth/tokens"},
    {"identity:validate_token", READER " or rule:service_role or rule:token_subject", "GET /v3/auth/tokens"},
    {"identity:revoke_token", "rule:admin_required or rule:token_subject", "DELETE /v3/auth/tokens"},
    {"identity:close_account", ADMIN, "POST /accounts/v1/admin/accounts/{user_id}/closing"},
    {"identity:get_closing", READER, "GET /accounts/v1/closings/{id} of others"},
    {"identity:list_closings", READER, "GET /accounts/v1/closings of others"},
    {"identity:set_limits", "rule:service_or_admin", "POST /internal/v1/limits"},
    {"identity:revocation_list", "rule:service_or_admin", "", POLICY_NO_DOMAIN}, {"identity:list_revoke_events", "rule:service_or_admin", "", POLICY_NO_DOMAIN},

    {"identity:list_domains", LIST_IN_DOMAIN, ""}, WRITE("create_domain"), WRITE("update_domain"), WRITE("delete_domain"),
    {"identity:get_domain", READER " or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s", ""},

    DOMAIN_CRUD("project", "projects"),
    {"identity:get_project", READER_OR_DOMAIN("project") " or project_id:%(target.project.id)s", ""},
    {"identity:list_user_projects", READER_OR_DOMAIN("user") " or " SELF, ""},
    {"identity:list_project_tags", READER_OR_DOMAIN("project") " or project_id:%(target.project.id)s", ""},
    {"identity:get_project_tag", READER_OR_DOMAIN("project") " or project_id:%(target.project.id)s", ""},
    {"identity:update_project_tags", ADMIN_OR_MANAGER("project"), ""}, {"identity:delete_project_tags", ADMIN_OR_MANAGER("project"), ""},
    {"identity:create_project_tag", ADMIN_OR_MANAGER("project"), ""}, {"identity:delete_project_tag", ADMIN_OR_MANAGER("project"), ""},

    DOMAIN_CRUD("user", "users"),
    {"identity:get_user", READER " or (role:reader and token.domain.id:%(target.user.domain_id)s) or " SELF, ""},

    DOMAIN_CRUD("group", "groups"),
    {"identity:get_group", READER_OR_DOMAIN("group"), ""},
    {"identity:list_groups_for_user", READER_OR_DOMAIN("user") " or " SELF, ""},
    {"identity:list_users_in_group", READER_OR_DOMAIN("group"), ""},
    {"identity:check_user_in_group", READER " or " BOTH("reader", "group", "user.domain_id"), ""},
    {"identity:add_user_to_group", ADMIN " or " BOTH("manager", "group", "user.domain_id"), ""},
    {"identity:remove_user_from_group", ADMIN " or " BOTH("manager", "group", "user.domain_id"), ""},

    {"identity:list_roles", READ_ROLES, ""}, {"identity:get_role", READER " or (role:manager and rule:domain_managed_target_role)", ""},
    WRITE("create_role"), WRITE("update_role"), WRITE("delete_role"),
    READ("list_domain_roles"), READ("get_domain_role"), WRITE("create_domain_role"), WRITE("update_domain_role"), WRITE("delete_domain_role"),
    READ("get_implied_role"), READ("list_implied_roles"), READ("check_implied_role"), READ("list_role_inference_rules"),
    WRITE("create_implied_role"), WRITE("delete_implied_role"),
    {"identity:list_role_assignments", LIST_IN_DOMAIN, ""},
    {"identity:list_role_assignments_for_tree", READER_OR_DOMAIN("project"), ""},
    {"identity:list_grants", READER " or " GRANTS("reader"), ""}, {"identity:check_grant", READER " or (" GRANTS("reader") " and " ROLE_IS_NEAR ")", ""},
    {"identity:create_grant", ADMIN " or (" GRANTS("manager") " and " ROLE_IS_ORDINARY ")", ""},
    {"identity:revoke_grant", ADMIN " or (" GRANTS("manager") " and " ROLE_IS_ORDINARY ")", ""},
    READ("list_system_grants_for_user"), READ("check_system_grant_for_user"), WRITE("create_system_grant_for_user"), WRITE("revoke_system_grant_for_user"),
    READ("list_system_grants_for_group"), READ("check_system_grant_for_group"), WRITE("create_system_grant_for_group"), WRITE("revoke_system_grant_for_group"),

    CRUD("service", "services"), CRUD("endpoint", "endpoints"),
    {"identity:list_regions", "", ""}, {"identity:get_region", "", ""}, WRITE("create_region"), WRITE("update_region"), WRITE("delete_region"),

    {"identity:list_credentials", "", "others' are not shown"},
    {"identity:get_credential", READER " or " OF_USER("credential"), ""},
    {"identity:create_credential", "rule:admin_required or user_id:%(user_id)s", ""},
    {"identity:update_credential", ADMIN " or " OF_USER("credential"), ""},
    {"identity:delete_credential", ADMIN " or " OF_USER("credential"), ""},
    {"identity:get_application_credential", READER " or " SELF, "", POLICY_NO_DOMAIN}, {"identity:list_application_credentials", READER " or " SELF, "", POLICY_NO_DOMAIN},
    {"identity:create_application_credential", SELF, "", POLICY_NO_DOMAIN | POLICY_NO_SYSTEM},
    {"identity:delete_application_credential", ADMIN " or " SELF, "", POLICY_NO_DOMAIN},
    {"identity:get_access_rule", SYSTEM_READER " or " SELF, "", POLICY_NO_DOMAIN}, {"identity:list_access_rules", SYSTEM_READER " or " SELF, "", POLICY_NO_DOMAIN},
    {"identity:delete_access_rule", "(role:admin and system_scope:all) or " SELF, "", POLICY_NO_DOMAIN},
    READ("list_trusts"),
    {"identity:list_trusts_for_trustor", READER " or " OF_TRUSTOR, "", POLICY_NO_DOMAIN},
    {"identity:list_trusts_for_trustee", READER " or user_id:%(target.trust.trustee_user_id)s", "", POLICY_NO_DOMAIN},
    {"identity:create_trust", OF_TRUSTOR, "", POLICY_NO_DOMAIN | POLICY_NO_SYSTEM},
    {"identity:get_trust", READER " or " TRUST_PARTY, "", POLICY_NO_DOMAIN},
    {"identity:delete_trust", ADMIN " or " OF_TRUSTOR, "", POLICY_NO_DOMAIN},
    {"identity:get_security_compliance_domain_config", "", "what the cloud asks of passwords"},
    READ("get_domain_config"), READ("get_domain_config_default"), WRITE("create_domain_config"), WRITE("update_domain_config"), WRITE("delete_domain_config"),
    CRUD("identity_provider", "identity_providers"), CRUD("protocol", "protocols"), CRUD("mapping", "mappings"), CRUD("service_provider", "service_providers"),
    CRUD("consumer", "consumers"), CRUD("endpoint_group", "endpoint_groups"),
    WRITE("add_endpoint_to_project"), READ("check_endpoint_in_project"), WRITE("remove_endpoint_from_project"),
    WRITE("add_endpoint_group_to_project"), READ("get_endpoint_group_in_project"), WRITE("remove_endpoint_group_from_project"),
    READ("list_endpoints_for_project"), READ("list_endpoint_groups_for_project"),
    READ("list_projects_for_endpoint"), READ("list_projects_associated_with_endpoint_group"), READ("list_endpoints_associated_with_endpoint_group"),
    {"identity:ec2_get_credential", READER " or " OF_USER("credential"), "", POLICY_NO_DOMAIN}, {"identity:ec2_list_credentials", READER " or " OF_USER("credential"), "", POLICY_NO_DOMAIN},
    {"identity:ec2_create_credential", ADMIN " or (role:member and " OF_USER("credential") ")", "", POLICY_NO_DOMAIN},
    WRITE("create_registered_limits"), WRITE("update_registered_limit"), WRITE("delete_registered_limit"),
    {"identity:authorize_request_token", ADMIN, "", POLICY_NO_DOMAIN | POLICY_NO_SYSTEM}, {"identity:get_access_token", ADMIN, "", POLICY_NO_DOMAIN | POLICY_NO_SYSTEM}, {"identity:list_access_tokens", ADMIN, "", POLICY_NO_DOMAIN | POLICY_NO_SYSTEM},
    {"identity:get_access_token_role", ADMIN, "", POLICY_NO_DOMAIN | POLICY_NO_SYSTEM}, {"identity:list_access_token_roles", ADMIN, "", POLICY_NO_DOMAIN | POLICY_NO_SYSTEM},
    {"identity:ec2_delete_credential", ADMIN " or (role:member and " OF_USER("credential") ")", "also OAuth access tokens", POLICY_NO_DOMAIN},
    {"identity:ec2tokens_validate", "rule:service_or_admin", "POST /v3/ec2tokens"},
    {"identity:s3tokens_validate", "rule:service_or_admin", "POST /v3/s3tokens"},
    {"identity:create_limit_request", ADMIN " or (role:member and project_id:%(project_id)s)", "POST /accounts/v1/limit-requests, withdraw"},
    {"identity:decide_limit_request", ADMIN, "POST /accounts/v1/limit-requests/{id}/approve, refuse"},
    {"identity:get_limit_model", "", ""}, {"identity:list_limits", "", "others' are not shown"},
    {"identity:get_limit", READER " or domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s or project_id:%(target.limit.project_id)s", ""},
    {"identity:list_registered_limits", "", ""}, {"identity:get_registered_limit", "", ""},
    WRITE("create_limits"), WRITE("update_limit"), WRITE("delete_limit"),
    CRUD("policy", "policies"), READ("list_endpoints_for_policy"), READ("get_policy_for_endpoint"),
    WRITE("create_policy_association_for_endpoint"), READ("check_policy_association_for_endpoint"), WRITE("delete_policy_association_for_endpoint"),
    WRITE("create_policy_association_for_service"), READ("check_policy_association_for_service"), WRITE("delete_policy_association_for_service"),
    WRITE("create_policy_association_for_region_and_service"), READ("check_policy_association_for_region_and_service"),
    WRITE("delete_policy_association_for_region_and_service"),
    {"identity:use_accounts", "", "one's own account, projects and trail"},
    {"identity:open_project", "", "POST /accounts/v1/projects"},
    {"identity:leave_project", "", ""},
    {"identity:list_members", MANAGES " or (role:reader and project_id:%(target.project.id)s)", "members of a project"},
    {"identity:remove_member", MANAGES, ""}, {"identity:change_member", MANAGES, ""}, {"identity:invite_member", MANAGES, ""},
    {"identity:list_invitations", MANAGES, ""}, {"identity:revoke_invitation", MANAGES, ""},
    {"identity:list_accounts", READER, ""}, {"identity:get_account", READER, ""}, {"identity:list_audit", READER, ""},
    {"identity:approve_account", ADMIN, ""}, {"identity:reject_account", ADMIN, ""},
    {"identity:block_account", ADMIN, ""}, {"identity:unblock_account", ADMIN, ""},
    {"identity:list_domain_rules", READER, ""}, {"identity:change_domain_rule", ADMIN, ""},
    {0},
};
// clang-format on
