// SPDX-License-Identifier: Apache-2.0
// A token as Keystone shows it.
#include "common/base/util.h"
#include "common/json/write.h"
#include "services/identity/token/auth_place.h"
#include <string.h>

static void
write_named(GString *text, const char *id, const char *name)
{
    json_write_open(text, '{');
    json_write_member(text, "id", id);
    json_write_member(text, "name", name);
    json_write_close(text, '}');
}

static void
write_domain(GString *text, const char *id, const char *name)
{
    json_write_name(text, "domain");
    write_named(text, id, name);
}

static void
write_roles(GString *text, const struct auth_context *auth)
{
    json_write_name(text, "roles");
    json_write_open(text, '[');
    for (size_t i = 0; auth->roles[i]; i++) {
        write_named(text, auth->role_ids[i], auth->roles[i]);
    }
    json_write_close(text, ']');
}

static void
write_scope(GString *text, const struct auth_context *auth)
{
    if (auth->project_id[0]) {
        json_write_name(text, "project");
        json_write_open(text, '{');
        json_write_member(text, "id", auth->project_id);
        json_write_member(text, "name", auth->project_name);
        write_domain(text, auth->project_domain_id, auth->project_domain_name);
        json_write_close(text, '}');
        json_write_name(text, "is_domain");
        json_write_bool(text, false);
    } else if (auth->domain_id[0]) {
        write_domain(text, auth->domain_id, auth->domain_name);
    } else if (auth->is_system) {
        json_write_name(text, "system");
        json_write_json(text, "{\"all\":true}");
    } else {
        return;
    }
    write_roles(text, auth);
}

static void
write_id(GString *text, const char *id)
{
    json_write_open(text, '{');
    json_write_member(text, "id", id);
    json_write_close(text, '}');
}

static void
write_federation(GString *text, const struct auth_context *auth)
{
    json_write_name(text, "OS-FEDERATION");
    json_write_open(text, '{');
    json_write_name(text, "groups");
    json_write_open(text, '[');
    for (size_t i = 0; auth->group_ids[i]; i++) {
        write_id(text, auth->group_ids[i]);
    }
    json_write_close(text, ']');
    json_write_name(text, "identity_provider");
    write_id(text, auth->provider_id);
    json_write_name(text, "protocol");
    write_id(text, auth->protocol_id);
    json_write_close(text, '}');
}

static void
write_user(GString *text, const struct auth_context *auth)
{
    char ends_at[32];
    iso8601_format(auth->password_expires_us, true, ends_at);
    ends_at[strlen(ends_at) - 1] = '\0'; // Keystone writes this one without a Z
    json_write_name(text, "user");
    json_write_open(text, '{');
    json_write_member(text, "id", auth->user_id);
    json_write_member(text, "name", auth->user_name);
    write_domain(text, auth->user_domain_id, auth->user_domain_name);
    if (auth->group_ids) {
        write_federation(text, auth);
    } else {
        json_write_member(text, "password_expires_at", auth->password_expires_us ? ends_at : NULL);
    }
    json_write_close(text, '}');
}

static void
write_delegation(GString *text, const struct auth_context *auth)
{
    if (auth->trust_id && auth->trust_id[0]) {
        json_write_name(text, "OS-TRUST:trust");
        json_write_open(text, '{');
        json_write_member(text, "id", auth->trust_id);
        json_write_name(text, "impersonation");
        json_write_bool(text, auth->is_impersonating);
        json_write_name(text, "trustor_user");
        write_id(text, auth->trustor_id);
        json_write_name(text, "trustee_user");
        write_id(text, auth->trustee_id);
        json_write_close(text, '}');
    }
    if (auth->oauth_id && auth->oauth_id[0]) {
        json_write_name(text, "OS-OAUTH1");
        json_write_open(text, '{');
        json_write_member(text, "access_token_id", auth->oauth_id);
        json_write_member(text, "consumer_id", auth->oauth_consumer_id);
        json_write_close(text, '}');
    }
}

static void
write_times(GString *text, const struct auth_context *auth)
{
    char issued_at[32], expires_at[32];
    iso8601_format(auth->issued_at_us, true, issued_at);
    iso8601_format(auth->expires_at_us, true, expires_at);
    json_write_member(text, "expires_at", expires_at);
    json_write_member(text, "issued_at", issued_at);
}

char *
token_text(const struct auth_context *auth, const struct token_parts *parts)
{
    GString *text = g_string_sized_new(1024 + (parts->catalog ? strlen(parts->catalog) : 0));
    json_write_open(text, '{');
    json_write_name(text, "token");
    json_write_open(text, '{');
    auth_write_methods(text, auth);
    write_user(text, auth);
    json_write_name(text, "audit_ids");
    json_write_strings(text, auth->audit_id,
                       auth->audit_parent_id[0] ? auth->audit_parent_id : NULL, NULL);
    write_times(text, auth);
    write_scope(text, auth);
    write_delegation(text, auth);
    if (parts->appcred) {
        json_write_name(text, APPCRED);
        json_write_json(text, parts->appcred);
    }
    if (parts->catalog) {
        json_write_name(text, "catalog");
        json_write_json(text, parts->catalog);
    }
    if (parts->service_providers) {
        json_write_name(text, "service_providers");
        json_write_json(text, parts->service_providers);
    }
    json_write_close(text, '}');
    json_write_close(text, '}');
    return g_string_free(text, FALSE);
}
