// SPDX-License-Identifier: Apache-2.0
// A token as Keystone shows it.
#include "common/base/util.h"
#include "services/identity/token/auth.h"
#include <string.h>

static json_t *
named_json(const char *id, const char *name)
{
    return json_pack("{s:s, s:s}", "id", id, "name", name);
}

static json_t *
roles_json(const struct auth_context *auth)
{
    json_t *roles = json_array();
    for (size_t i = 0; auth->roles[i]; i++) {
        json_array_append_new(roles, named_json(auth->role_ids[i], auth->roles[i]));
    }
    return roles;
}

static json_t *
methods_json(const struct auth_context *auth)
{
    json_t *methods = json_array();
    g_auto(GStrv) parts = g_strsplit(auth->methods, ",", 8);
    for (char **part = parts; *part; part++) {
        json_array_append_new(methods, json_string(*part));
    }
    return methods;
}

static void
add_scope(json_t *token, const struct auth_context *auth)
{
    if (auth->project_id[0]) {
        json_t *project = named_json(auth->project_id, auth->project_name);
        json_object_set_new(project, "domain",
                            named_json(auth->project_domain_id, auth->project_domain_name));
        json_object_set_new(token, "project", project);
        json_object_set_new(token, "is_domain", json_false());
    } else if (auth->domain_id[0]) {
        json_object_set_new(token, "domain", named_json(auth->domain_id, auth->domain_name));
    } else if (auth->is_system) {
        json_object_set_new(token, "system", json_pack("{s:b}", "all", 1));
    } else {
        return;
    }
    json_object_set_new(token, "roles", roles_json(auth));
}

static json_t *
time_or_null(int64_t us)
{
    char text[32];
    iso8601_format(us, true, text);
    text[us ? strlen(text) - 1 : 0] = '\0'; // Keystone writes this one without a Z
    return us ? json_string(text) : json_null();
}

json_t *
token_json(const struct auth_context *auth)
{
    char issued_at[32], expires_at[32];
    iso8601_format(auth->issued_at_us, true, issued_at);
    iso8601_format(auth->expires_at_us, true, expires_at);
    json_t *user = named_json(auth->user_id, auth->user_name);
    json_object_set_new(user, "domain", named_json(auth->user_domain_id, auth->user_domain_name));
    json_object_set_new(user, "password_expires_at", time_or_null(auth->password_expires_us));
    json_t *audit_ids = json_pack("[s]", auth->audit_id);
    if (auth->audit_parent_id[0]) {
        json_array_append_new(audit_ids, json_string(auth->audit_parent_id));
    }
    json_t *token =
        json_pack("{s:o, s:o, s:o, s:s, s:s}", "methods", methods_json(auth), "user", user,
                  "audit_ids", audit_ids, "expires_at", expires_at, "issued_at", issued_at);
    add_scope(token, auth);
    if (auth->trust_id && auth->trust_id[0]) {
        json_object_set_new(token, "OS-TRUST:trust",
                            json_pack("{s:s, s:b, s:{s:s}, s:{s:s}}", "id", auth->trust_id,
                                      "impersonation", auth->is_impersonating, "trustor_user", "id",
                                      auth->trustor_id, "trustee_user", "id", auth->trustee_id));
    }
    if (auth->oauth_id && auth->oauth_id[0]) {
        json_object_set_new(token, "OS-OAUTH1",
                            json_pack("{s:s, s:s}", "access_token_id", auth->oauth_id,
                                      "consumer_id", auth->oauth_consumer_id));
    }
    return token;
}
