// SPDX-License-Identifier: Apache-2.0
// Rules by name: a service's defaults, overridden by the operator's file; compiled and linked once,
// then read-only.
#include "common/auth/policy_expr.h"
#include <glib.h>
#include <string.h>

#define FILE_MAX (1u << 20)

struct policy {
    GHashTable *rules;   // name → struct expr
    GHashTable *refused; // name → enum policy_scope flags; of rules that have some
};

static void
free_rule(void *expr)
{
    expr_free(expr);
}

void
policy_free(struct policy *policy)
{
    if (policy) {
        g_hash_table_unref(policy->rules);
        g_hash_table_unref(policy->refused);
        g_free(policy);
    }
}

static enum rc
add_rule(struct policy *policy, const char *name, const char *text, struct err *err)
{
    struct expr *expr = NULL;
    struct err inner = {0};
    enum rc rc = expr_parse(text, &expr, &inner);
    if (rc) {
        return fault(err, rc, "policy '%s': %s", name, inner.message);
    }
    g_hash_table_replace(policy->rules, g_strdup(name), expr);
    return RC_OK;
}

static enum rc
add_json(struct policy *policy, const char *path, const char *text, struct err *err)
{
    json_error_t where;
    json_auto_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(root)) {
        return fault(err, RC_INVALID, "policy file '%s', line %d: %s", path, where.line,
                     where.text);
    }
    const char *name;
    json_t *rule;
    json_object_foreach(root, name, rule)
    {
        if (!json_is_string(rule)) {
            return fault(err, RC_INVALID, "policy file '%s': rule '%s' is not a text", path, name);
        }
        enum rc rc = add_rule(policy, name, json_string_value(rule), err);
        if (rc) {
            return rc;
        }
    }
    return RC_OK;
}

// `"name": "rule"`, quotes optional where YAML lets them be.
static enum rc
add_line(struct policy *policy, char *line, struct err *err)
{
    char *name = line, *rule = NULL;
    if (*name == '"' || *name == '\'') {
        char *end = strchr(name + 1, *name);
        rule = end && end[1] == ':' ? end + 2 : NULL;
        name++;
        if (rule) {
            *end = 0;
        }
    } else if ((rule = strstr(name, ": "))) {
        *rule = 0;
        rule += 2;
    }
    if (!rule) {
        return fault(err, RC_INVALID, "policy line '%.100s' is not \"name\": \"rule\"", line);
    }
    g_strstrip(rule);
    size_t len = strlen(rule);
    if (len >= 2 && (*rule == '"' || *rule == '\'') && rule[len - 1] == *rule) {
        rule[len - 1] = 0;
        rule++;
    }
    return add_rule(policy, name, rule, err);
}

static enum rc
add_lines(struct policy *policy, const char *text, struct err *err)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (!**line || **line == '#' || !strcmp(*line, "---")) {
            continue;
        }
        enum rc rc = add_line(policy, *line, err);
        if (rc) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
add_file(struct policy *policy, const char *path, struct err *err)
{
    g_autofree char *text = NULL;
    size_t size = 0;
    g_autoptr(GError) error = NULL;
    if (!g_file_get_contents(path, &text, &size, &error)) {
        bool is_missing = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        return is_missing ? RC_OK
                          : fault(err, RC_INVALID, "cannot read policy file: %s", error->message);
    }
    if (size > FILE_MAX) {
        return fault(err, RC_INVALID, "policy file '%s' is larger than 1 MiB", path);
    }
    return g_strchug(text)[0] == '{' ? add_json(policy, path, text, err)
                                     : add_lines(policy, text, err);
}

// Points every rule:x at its rule and refuses circles: `open` holds the rules that are being
// walked.
static enum rc
link_expr(struct policy *policy, struct expr *expr, GHashTable *open, GHashTable *done,
          struct err *err)
{
    if (!expr) {
        return RC_OK;
    }
    if (expr->kind != EXPR_RULE) {
        enum rc rc = link_expr(policy, expr->left, open, done, err);
        return rc ? rc : link_expr(policy, expr->right, open, done, err);
    }
    struct expr *rule = g_hash_table_lookup(policy->rules, expr->name);
    expr->rule = rule;
    if (!rule) {
        return fault(err, RC_INVALID, "a policy refers to rule '%s', which is not there",
                     expr->name);
    }
    if (g_hash_table_contains(done, rule)) {
        return RC_OK;
    }
    if (!g_hash_table_add(open, rule)) {
        return fault(err, RC_INVALID, "policy rule '%s' refers to itself", expr->name);
    }
    enum rc rc = link_expr(policy, rule, open, done, err);
    g_hash_table_remove(open, rule);
    g_hash_table_add(done, rule);
    return rc;
}

static enum rc
link_rules(struct policy *policy, struct err *err)
{
    g_autoptr(GHashTable) open = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);
    GHashTableIter at;
    void *name, *expr;
    g_hash_table_iter_init(&at, policy->rules);
    while (g_hash_table_iter_next(&at, &name, &expr)) {
        g_hash_table_add(open, expr);
        enum rc rc = link_expr(policy, expr, open, done, err);
        if (rc) {
            return rc;
        }
        g_hash_table_remove(open, expr);
        g_hash_table_add(done, expr);
    }
    return RC_OK;
}

static enum rc
fill(struct policy *policy, const struct policy_rule *defaults, const char *path, struct err *err)
{
    enum rc rc = RC_OK;
    for (const struct policy_rule *rule = defaults; rule && rule->name && rc == RC_OK; rule++) {
        rc = add_rule(policy, rule->name, rule->rule, err);
        if (rule->refused_scopes) {
            g_hash_table_insert(policy->refused, (gpointer)rule->name,
                                GUINT_TO_POINTER(rule->refused_scopes));
        }
    }
    if (rc == RC_OK && path && path[0]) {
        rc = add_file(policy, path, err);
    }
    return rc ? rc : link_rules(policy, err);
}

enum rc
policy_new(const struct policy_rule *defaults, const char *overrides_path,
           struct policy **ret_policy, struct err *err)
{
    struct policy *policy = g_new0(struct policy, 1);
    policy->rules = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_rule);
    policy->refused = g_hash_table_new(g_str_hash, g_str_equal);
    enum rc rc = fill(policy, defaults, overrides_path, err);
    if (rc) {
        policy_free(policy);
        return rc;
    }
    *ret_policy = policy;
    return RC_OK;
}

static bool
is_refused_scope(const struct policy *policy, const char *rule, const struct auth_context *auth)
{
    unsigned refused = GPOINTER_TO_UINT(g_hash_table_lookup(policy->refused, rule));
    return (auth->domain_id && auth->domain_id[0] && (refused & POLICY_NO_DOMAIN)) ||
           (auth->is_system && (refused & POLICY_NO_SYSTEM));
}

bool
policy_allows(const struct policy *policy, const char *rule, const struct auth_context *auth,
              json_t *target)
{
    const struct expr *expr = g_hash_table_lookup(policy->rules, rule);
    return expr && auth && !is_refused_scope(policy, rule, auth) && expr_is_met(expr, auth, target);
}
