// SPDX-License-Identifier: Apache-2.0
// Meets an expression with a token and a target. An attribute that is missing on either side never
// matches.
#include "common/auth/policy_expr.h"
#include "common/base/util.h"
#include <stddef.h>
#include <string.h>

struct attribute {
    const char *name;
    size_t offset; // of a const char * in struct auth_context
};
#define ATTRIBUTE(name_, member)                     \
    {                                                \
        name_, offsetof(struct auth_context, member) \
    }
static const struct attribute attributes[] = {
    ATTRIBUTE("user_id", user_id),
    ATTRIBUTE("user", user_id),
    ATTRIBUTE("user_name", user_name),
    ATTRIBUTE("user_domain_id", user_domain_id),
    ATTRIBUTE("user_domain", user_domain_id),
    ATTRIBUTE("user.domain.id", user_domain_id),
    ATTRIBUTE("project_id", project_id),
    ATTRIBUTE("tenant_id", project_id),
    ATTRIBUTE("project", project_id),
    ATTRIBUTE("tenant", project_id),
    ATTRIBUTE("project_name", project_name),
    ATTRIBUTE("tenant_name", project_name),
    ATTRIBUTE("project_domain_id", project_domain_id),
    ATTRIBUTE("project_domain", project_domain_id),
    ATTRIBUTE("token.project.id", project_id),
    ATTRIBUTE("token.project.domain.id", project_domain_id),
    ATTRIBUTE("domain_id", domain_id),
    ATTRIBUTE("domain_name", domain_name),
    ATTRIBUTE("token.domain.id", domain_id),
};

static const char *
token_attribute(const struct auth_context *auth, const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(attributes); i++) {
        if (!strcmp(attributes[i].name, name)) {
            return *(const char *const *)((const char *)auth + attributes[i].offset);
        }
    }
    if (!strcmp(name, "is_admin") || !strcmp(name, "is_admin_project")) {
        return auth->is_admin ? "True" : "False";
    }
    return !strcmp(name, "system_scope") && auth->is_system ? "all" : NULL;
}

// A path of objects: target.project.domain_id. A key is never a path: targets hold what clients
// wrote, and an attribute that is named like one would be believed.
static json_t *
target_find(json_t *target, const char *name)
{
    const char *dot = strchr(name, '.');
    if (!dot) {
        return json_object_get(target, name);
    }
    g_autofree char *head = g_strndup(name, (gsize)(dot - name));
    json_t *inner = json_object_get(target, head);
    return json_is_object(inner) ? target_find(inner, dot + 1) : NULL;
}

static char *
text_of(json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        return g_strdup(json_string_value(value));
    case JSON_INTEGER:
        return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_TRUE:
        return g_strdup("True");
    case JSON_FALSE:
        return g_strdup("False");
    case JSON_NULL:
        return value ? g_strdup("None") : NULL;
    default:
        return NULL;
    }
}

static char *
target_text(json_t *target, const struct auth_context *auth, const char *name)
{
    if (target) {
        return text_of(target_find(target, name));
    }
    if (!strcmp(name, "project_id") || !strcmp(name, "tenant_id")) {
        return g_strdup(auth->project_id);
    }
    return strcmp(name, "user_id") ? NULL : g_strdup(auth->user_id);
}

static bool
match_is_met(const struct expr *expr, const struct auth_context *auth, json_t *target)
{
    const char *left = expr->is_literal ? expr->name : token_attribute(auth, expr->name);
    if (!expr->is_literal && !expr->is_target && !strcmp(expr->value, "None")) {
        return !left || !left[0];
    }
    g_autofree char *from_target =
        expr->is_target ? target_text(target, auth, expr->value) : g_strdup(expr->value);
    // An unscoped token has no project: it is never that of a thing without one.
    return left && from_target && (expr->is_literal || left[0]) && !strcmp(left, from_target);
}

bool
expr_is_met(const struct expr *expr, const struct auth_context *auth, json_t *target)
{
    switch (expr->kind) {
    case EXPR_TRUE:
        return true;
    case EXPR_FALSE:
        return false;
    case EXPR_AND:
        return expr_is_met(expr->left, auth, target) && expr_is_met(expr->right, auth, target);
    case EXPR_OR:
        return expr_is_met(expr->left, auth, target) || expr_is_met(expr->right, auth, target);
    case EXPR_NOT:
        return !expr_is_met(expr->left, auth, target);
    case EXPR_ROLE:
        return auth_has_role(auth, expr->name);
    case EXPR_RULE:
        return expr->rule && expr_is_met(expr->rule, auth, target);
    case EXPR_MATCH:
        return match_is_met(expr, auth, target);
    }
    return false;
}
