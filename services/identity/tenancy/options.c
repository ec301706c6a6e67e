// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/options.h"
#include <string.h>

const struct option user_options[] = {{"ignore_change_password_upon_first_use"},
                                      {"ignore_password_expiry"},
                                      {"ignore_lockout_failure_attempts"},
                                      {"ignore_user_inactivity"},
                                      {"lock_password"},
                                      {"multi_factor_auth_enabled"},
                                      {"multi_factor_auth_rules", .is_rules = true},
                                      {0}};
const struct option tenancy_options[] = {{"immutable"}, {0}};

#define RULES_MAX 32
#define METHODS_MAX 16

static bool
is_in(json_t *array, size_t end, json_t *value)
{
    for (size_t i = 0; i < end; i++) {
        if (json_equal(json_array_get(array, i), value)) {
            return true;
        }
    }
    return false;
}

static bool
is_rule(json_t *rule)
{
    bool fits =
        json_is_array(rule) && json_array_size(rule) > 0 && json_array_size(rule) <= METHODS_MAX;
    for (size_t i = 0; fits && i < json_array_size(rule); i++) {
        json_t *method = json_array_get(rule, i);
        fits =
            json_is_string(method) && json_string_length(method) <= 64 && !is_in(rule, i, method);
    }
    return fits;
}

static bool
are_rules(json_t *rules)
{
    bool fit = json_is_array(rules) && json_array_size(rules) <= RULES_MAX;
    for (size_t i = 0; fit && i < json_array_size(rules); i++) {
        json_t *rule = json_array_get(rules, i);
        fit = is_rule(rule) && !is_in(rules, i, rule);
    }
    return fit;
}

static enum rc
check_option(const struct option *options, const char *name, json_t *value, struct err *err)
{
    while (options->name && strcmp(options->name, name)) {
        options++;
    }
    if (!options->name) {
        return fault(err, RC_INVALID, "invalid input for field 'options': '%.64s' is no option",
                     name);
    }
    bool fits =
        json_is_null(value) || (options->is_rules ? are_rules(value) : json_is_boolean(value));
    return fits ? RC_OK
                : fault(err, RC_INVALID, "invalid input for field 'options/%s': it is not %s", name,
                        options->is_rules ? "a list of lists of different texts" : "a boolean");
}

enum rc
options_check(struct resource_op *op, const struct option *options, struct err *err)
{
    json_t *given = json_object_get(op->values, "options");
    if (!given) {
        return RC_OK;
    }
    json_auto_t *merged = op->old ? json_deep_copy(json_object_get(op->old, "options")) : NULL;
    if (!json_is_object(merged)) {
        json_decref(merged);
        merged = json_object();
    }
    const char *name;
    json_t *value;
    json_object_foreach(given, name, value)
    {
        enum rc rc = check_option(options, name, value, err);
        if (rc) {
            return rc;
        }
        if (json_is_null(value)) {
            json_object_del(merged, name);
        } else {
            json_object_set(merged, name, value);
        }
    }
    json_object_set(op->values, "options", merged);
    return RC_OK;
}

bool
options_are_immutable(json_t *options)
{
    return json_is_true(json_object_get(options, "immutable"));
}

enum rc
options_check_update(struct resource_op *op, struct err *err)
{
    json_t *option = json_object_get(json_object_get(op->input, "options"), "immutable");
    bool thaws =
        json_object_size(op->input) == 1 && (json_is_false(option) || json_is_null(option));
    return !options_are_immutable(json_object_get(op->old, "options")) || thaws
               ? RC_OK
               : fault(err, RC_FORBIDDEN,
                       "Unable to update immutable %s resource: `%s. Set resource option "
                       "\"immutable\" to false first.",
                       op->resource->singular, op->id);
}

enum rc
options_check_delete(struct resource_op *op, struct err *err)
{
    return !options_are_immutable(json_object_get(op->old, "options"))
               ? RC_OK
               : fault(err, RC_FORBIDDEN,
                       "Unable to delete immutable %s resource: `%s. Set resource option "
                       "\"immutable\" to false first.",
                       op->resource->singular, op->id);
}
