// SPDX-License-Identifier: Apache-2.0
// Claims ↔ context. A context owns all its texts in one chunk and is shared by reference count.
#include "common/auth/jws.h"
#include "common/json/write.h"
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

#define ROLES_MAX 256
#define GROUPS_MAX 256

struct context {
    struct auth_context public; // first: the public pointer is ours
    _Atomic int n_refs;
    GStringChunk *texts;
};

static const char *
keep(struct context *context, const char *text)
{
    return text && text[0] ? g_string_chunk_insert_const(context->texts, text) : "";
}

static const char *
keep_member(struct context *context, json_t *object, const char *name)
{
    return keep(context, json_string_value(json_object_get(object, name)));
}

static const char *
keep_item(struct context *context, json_t *object, const char *name, size_t i)
{
    return keep(context, json_string_value(json_array_get(json_object_get(object, name), i)));
}

static void
keep_roles(struct context *context, json_t *roles)
{
    size_t n = MIN(json_array_size(roles), ROLES_MAX);
    const char **ids = g_new0(const char *, n + 1), **names = g_new0(const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        json_t *role = json_array_get(roles, i);
        ids[i] = keep(context, json_string_value(json_array_get(role, 0)));
        names[i] = keep(context, json_string_value(json_array_get(role, 1)));
    }
    context->public.role_ids = ids;
    context->public.roles = names;
}

// A claim that is not what identity writes allows nothing.
static void
keep_appcred(struct context *context, json_t *claims)
{
    struct auth_context *auth = &context->public;
    json_t *rules = json_object_get(claims, "rules");
    auth->appcred_id = keep_item(context, claims, "appcred", 0);
    auth->appcred_name = keep_item(context, claims, "appcred", 1);
    auth->is_restricted = json_is_true(json_array_get(json_object_get(claims, "appcred"), 2));
    auth->n_access_rules = rules ? MAX(1, MIN(json_array_size(rules), ACCESS_RULES_MAX)) : 0;
    struct access_rule *kept = g_new0(struct access_rule, auth->n_access_rules);
    for (size_t i = 0; i < auth->n_access_rules; i++) {
        json_t *rule = json_array_get(rules, i);
        kept[i].service = keep(context, json_string_value(json_array_get(rule, 0)));
        kept[i].method = keep(context, json_string_value(json_array_get(rule, 1)));
        kept[i].path = keep(context, json_string_value(json_array_get(rule, 2)));
    }
    auth->access_rules = kept;
}

static void
keep_federation(struct context *context, json_t *federation)
{
    struct auth_context *auth = &context->public;
    json_t *groups = json_array_get(federation, 2);
    auth->provider_id = keep(context, json_string_value(json_array_get(federation, 0)));
    auth->protocol_id = keep(context, json_string_value(json_array_get(federation, 1)));
    if (!json_is_array(groups)) {
        return;
    }
    size_t n = MIN(json_array_size(groups), GROUPS_MAX);
    const char **ids = g_new0(const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        ids[i] = keep(context, json_string_value(json_array_get(groups, i)));
    }
    auth->group_ids = ids;
}

static void
keep_methods(struct context *context, json_t *methods)
{
    g_autoptr(GString) joined = g_string_new(NULL);
    for (size_t i = 0; i < json_array_size(methods); i++) {
        const char *method = json_string_value(json_array_get(methods, i));
        g_string_append_printf(joined, "%s%s", joined->len ? "," : "", method ? method : "");
    }
    context->public.methods = keep(context, joined->str);
}

static int64_t
time_member(json_t *claims, const char *us_name, const char *s_name)
{
    json_t *us = json_object_get(claims, us_name);
    json_int_t s = json_integer_value(json_object_get(claims, s_name));
    return json_is_integer(us)                         ? json_integer_value(us)
           : s < 0 || s > INT64_MAX / INT64_C(1000000) ? 0
                                                       : s * INT64_C(1000000);
}

static void
fill(struct context *context, json_t *claims)
{
    struct auth_context *auth = &context->public;
    auth->user_id = keep_member(context, claims, "sub");
    auth->user_name = keep_member(context, claims, "sub_name");
    auth->user_domain_id = keep_item(context, claims, "udom", 0);
    auth->user_domain_name = keep_item(context, claims, "udom", 1);
    auth->project_id = keep_item(context, claims, "prj", 0);
    auth->project_name = keep_item(context, claims, "prj", 1);
    auth->project_domain_id = keep_item(context, claims, "prj", 2);
    auth->project_domain_name = keep_item(context, claims, "prj", 3);
    auth->domain_id = keep_item(context, claims, "dom", 0);
    auth->domain_name = keep_item(context, claims, "dom", 1);
    auth->is_system = json_is_true(json_object_get(claims, "sys"));
    auth->audit_id = keep_member(context, claims, "aud_id");
    auth->audit_parent_id = keep_member(context, claims, "aud_parent");
    auth->issued_at_us = time_member(claims, "iat_us", "iat");
    auth->expires_at_us = time_member(claims, "exp_us", "exp");
    auth->password_expires_us = json_integer_value(json_object_get(claims, "pw_exp_us"));
    auth->trust_id = keep_item(context, claims, "trust", 0);
    auth->trustor_id = keep_item(context, claims, "trust", 1);
    auth->trustee_id = keep_item(context, claims, "trust", 2);
    auth->is_impersonating = json_is_true(json_array_get(json_object_get(claims, "trust"), 3));
    auth->oauth_id = keep_item(context, claims, "oauth", 0);
    auth->oauth_consumer_id = keep_item(context, claims, "oauth", 1);
    keep_appcred(context, claims);
    keep_federation(context, json_object_get(claims, "fed"));
    keep_roles(context, json_object_get(claims, "roles"));
    keep_methods(context, json_object_get(claims, "methods"));
    auth->is_admin = auth_has_role(auth, "admin");
    auth->is_service = auth_has_role(auth, "service");
}

enum rc
context_from_claims(json_t *claims, struct auth_context **ret_context, struct err *err)
{
    struct context *context = g_new0(struct context, 1);
    context->n_refs = 1;
    context->texts = g_string_chunk_new(1024);
    fill(context, claims);
    const struct auth_context *auth = &context->public;
    if (!auth->user_id[0] || !auth->audit_id[0] || auth->expires_at_us <= 0 ||
        auth->issued_at_us <= 0) {
        auth_context_unref(&context->public);
        return fault(err, RC_UNAUTHORIZED, "token lacks a claim");
    }
    *ret_context = &context->public;
    return RC_OK;
}

static void
write_roles(GString *text, const struct auth_context *auth)
{
    json_write_name(text, "roles");
    json_write_open(text, '[');
    for (size_t i = 0; auth->roles && auth->roles[i]; i++) {
        json_write_strings(text, auth->role_ids[i], auth->roles[i], NULL);
    }
    json_write_close(text, ']');
}

static void
write_rules(GString *text, const struct auth_context *auth)
{
    json_write_name(text, "rules");
    json_write_open(text, '[');
    for (size_t i = 0; i < auth->n_access_rules; i++) {
        const struct access_rule *rule = &auth->access_rules[i];
        json_write_strings(text, rule->service, rule->method, rule->path, NULL);
    }
    json_write_close(text, ']');
}

static bool
is_set(const char *text)
{
    return text && text[0];
}

void
auth_write_federation(GString *text, const struct auth_context *auth)
{
    if (!is_set(auth->provider_id)) {
        return;
    }
    json_write_name(text, "fed");
    json_write_open(text, '[');
    json_write_string(text, auth->provider_id);
    json_write_string(text, auth->protocol_id);
    if (auth->group_ids) {
        json_write_open(text, '[');
        for (size_t i = 0; auth->group_ids[i]; i++) {
            json_write_string(text, auth->group_ids[i]);
        }
        json_write_close(text, ']');
    }
    json_write_close(text, ']');
}

// Arrays of texts with a flag at their end.
static void
write_delegation(GString *text, const struct auth_context *auth)
{
    if (is_set(auth->trust_id)) {
        json_write_name(text, "trust");
        json_write_strings(text, auth->trust_id, auth->trustor_id, auth->trustee_id, NULL);
        g_string_truncate(text, text->len - 1);
        json_write_bool(text, auth->is_impersonating);
        json_write_close(text, ']');
    }
    if (is_set(auth->oauth_id)) {
        json_write_name(text, "oauth");
        json_write_strings(text, auth->oauth_id, auth->oauth_consumer_id, NULL);
    }
    if (is_set(auth->appcred_id)) {
        json_write_name(text, "appcred");
        json_write_strings(text, auth->appcred_id, auth->appcred_name, NULL);
        g_string_truncate(text, text->len - 1);
        json_write_bool(text, auth->is_restricted);
        json_write_close(text, ']');
    }
    if (auth->n_access_rules) {
        write_rules(text, auth);
    }
    auth_write_federation(text, auth);
}

static void
write_scope(GString *text, const struct auth_context *auth)
{
    if (is_set(auth->project_id)) {
        json_write_name(text, "prj");
        json_write_strings(text, auth->project_id, auth->project_name, auth->project_domain_id,
                           auth->project_domain_name, NULL);
    }
    if (is_set(auth->domain_id)) {
        json_write_name(text, "dom");
        json_write_strings(text, auth->domain_id, auth->domain_name, NULL);
    }
    if (auth->is_system) {
        json_write_name(text, "sys");
        json_write_bool(text, true);
    }
    write_roles(text, auth);
}

void
auth_write_methods(GString *text, const struct auth_context *auth)
{
    const char *method = auth->methods ? auth->methods : "";
    json_write_name(text, "methods");
    json_write_open(text, '[');
    while (*method) {
        size_t len = strcspn(method, ",");
        if (len) {
            json_write_text(text, method, len);
        }
        method += len + (method[len] == ',');
    }
    json_write_close(text, ']');
}

char *
claims_text(const struct auth_context *auth)
{
    GString *text = g_string_sized_new(1024);
    json_write_open(text, '{');
    json_write_member(text, "sub", auth->user_id);
    json_write_member(text, "sub_name", auth->user_name);
    json_write_name(text, "udom");
    json_write_strings(text, auth->user_domain_id, auth->user_domain_name, NULL);
    json_write_member(text, "aud_id", auth->audit_id);
    json_write_member_int(text, "iat", auth->issued_at_us / 1000000);
    json_write_member_int(text, "exp", auth->expires_at_us / 1000000);
    json_write_member_int(text, "iat_us", auth->issued_at_us);
    json_write_member_int(text, "exp_us", auth->expires_at_us);
    if (auth->password_expires_us) {
        json_write_member_int(text, "pw_exp_us", auth->password_expires_us);
    }
    if (is_set(auth->audit_parent_id)) {
        json_write_member(text, "aud_parent", auth->audit_parent_id);
    }
    write_delegation(text, auth);
    write_scope(text, auth);
    auth_write_methods(text, auth);
    json_write_close(text, '}');
    return g_string_free(text, FALSE);
}

bool
auth_has_role(const struct auth_context *auth, const char *role)
{
    for (const char *const *name = auth->roles; name && *name; name++) {
        if (!g_ascii_strcasecmp(*name, role)) {
            return true;
        }
    }
    return false;
}

struct auth_context *
auth_context_ref(struct auth_context *auth)
{
    atomic_fetch_add_explicit(&((struct context *)auth)->n_refs, 1, memory_order_relaxed);
    return auth;
}

void
auth_context_unref(struct auth_context *auth)
{
    struct context *context = (struct context *)auth;
    if (!context || atomic_fetch_sub_explicit(&context->n_refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    g_string_chunk_free(context->texts);
    g_free((void *)auth->roles);
    g_free((void *)auth->role_ids);
    g_free((void *)auth->access_rules);
    g_free((void *)auth->group_ids);
    g_free(context);
}
