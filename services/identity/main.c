// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/close_api.h"
#include "services/identity/delegation/admit.h"
#include "services/identity/quota/limit_request.h"
#include "services/identity/secret/reseal.h"
#include "services/identity/start.h"

// clang-format off
static const struct route *const routes[] = {
    discovery_routes,
    auth_routes,
    subject_routes,
    reach_routes,
    tenancy_routes,
    user_routes,
    group_routes,
    role_routes,
    grant_routes,
    catalog_routes,
    credential_routes,
    ec2_routes,
    ec2_token_routes,
    oauth1_routes,
    oauth1_access_routes,
    oauth2_routes,
    appcred_routes,
    trust_routes,
    domain_config_routes,
    consumer_routes,
    endpoint_filter_routes,
    endpoint_policy_routes,
    revoke_routes,
    federation_provider_routes,
    federation_protocol_routes,
    federation_mapping_routes,
    federation_sign_in_routes,
    federation_websso_routes,
    limit_routes,
    quota_routes,
    limit_request_routes,
    feed_routes,
    account_routes,
    account_project_routes,
    account_member_routes,
    invite_routes,
    invite_answer_routes,
    profile_routes,
    change_proven_routes,
    account_admin_routes,
    close_routes,
    NULL,
};
// clang-format on

static const struct service_command commands[] = {
    {"make-secret-keys", "make the first keys for stored secrets, exit", command_make_secret_keys},
    {"rotate-secret-keys", "the staged key for stored secrets becomes the primary, exit",
     command_rotate_secret_keys},
    {"show-secret-keys", "list the keys for stored secrets and the rows that need them, exit",
     command_show_secret_keys},
    {"rotate-signing-key", "a new key will sign tokens soon, exit", command_rotate_signing_key},
    {"replace-signing-keys", "a stolen key: all go, a new one signs at once, exit",
     command_replace_signing_keys},
    {0},
};

static const struct service_def identity = {
    .name = "identity",
    .service_types = (const char *const[]){"identity", "account", NULL},
    .admit = delegation_admit,
    .parts = SERVICE_DB | SERVICE_HTTP,
    .default_port = 5000,
    .settings = identity_settings,
    .routes = routes,
    .policies = identity_policies,
    .error_body = identity_error_body,
    .version_service = "",
    .migrations = service_migrations,
    .start = identity_start,
    .make_auth = identity_make_auth,
    .on_reply = identity_on_reply,
    .on_handled = identity_on_handled,
    .commands = commands,
};

int
main(int argc, char **argv)
{
    return service_main(&identity, argc, argv);
}
