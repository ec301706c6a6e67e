// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/mapping.h"
#include "common/base/util.h"
#include <string.h>

struct run {
    json_t *assertion;
    bool names_domains;
    int n_matches;
    json_t *user, *groups, *projects; // what has come out so far; user NULL: nobody yet
};

static enum rc
refuse(struct err *err, const char *what)
{
    return fault(err, RC_UNAUTHORIZED, "the mapping refuses the assertion: %s", what);
}

// ---- remote: does a rule apply, and which values does it hand on

static enum rc
matches_regex(struct run *run, const char *pattern, const char *value, bool *ret_matches,
              struct err *err)
{
    g_autoptr(GError) error = NULL;
    if (++run->n_matches > MAPPING_MATCHES_MAX) {
        return refuse(err, "its expressions and values are too many");
    }
    GRegex *regex = mapping_regex_new(pattern, &error);
    if (!regex) {
        return refuse(err, "an expression does not compile");
    }
    *ret_matches = g_regex_match_full(regex, value, -1, 0, 0, NULL, &error);
    g_regex_unref(regex);
    return error ? refuse(err, "an expression cannot be decided within its bounds") : RC_OK;
}

static enum rc
matches_any(struct run *run, json_t *patterns, bool is_regex, const char *value, bool *ret_matches,
            struct err *err)
{
    bool found = false;
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && !found && i < json_array_size(patterns); i++) {
        const char *pattern = json_string_value(json_array_get(patterns, i));
        if (is_regex) {
            rc = matches_regex(run, pattern, value, &found, err);
        } else {
            found = !strcmp(pattern, value);
        }
    }
    *ret_matches = found;
    return rc;
}

// Those of the values that match, or those that do not; new reference.
static enum rc
select_values(struct run *run, json_t *remote, const char *condition, bool wanted,
              json_t **ret_kept, struct err *err)
{
    json_t *values =
               json_object_get(run->assertion, json_string_value(json_object_get(remote, "type"))),
           *patterns = json_object_get(remote, condition);
    bool is_regex = json_is_true(json_object_get(remote, "regex"));
    json_t *kept = json_array();
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(values); i++) {
        bool found = false;
        json_t *value = json_array_get(values, i);
        rc = matches_any(run, patterns, is_regex, json_string_value(value), &found, err);
        if (found == wanted) {
            json_array_append(kept, value);
        }
    }
    if (rc) {
        json_decref(kept);
        return rc;
    }
    *ret_kept = kept;
    return RC_OK;
}

// A condition that only admits hands nothing on (no direct value); *ret_applies false: the rule is
// not for this assertion.
static enum rc
take_remote(struct run *run, json_t *remote, json_t *direct, bool *ret_applies, struct err *err)
{
    json_t *values =
        json_object_get(run->assertion, json_string_value(json_object_get(remote, "type")));
    bool must_have = json_object_get(remote, "any_one_of"),
         must_lack = json_object_get(remote, "not_any_of"),
         is_black = json_object_get(remote, "blacklist"),
         is_white = json_object_get(remote, "whitelist");
    *ret_applies = json_array_size(values) > 0;
    if (!*ret_applies) {
        return RC_OK;
    }
    if (!must_have && !must_lack && !is_black && !is_white) {
        json_array_append(direct, values);
        return RC_OK;
    }
    json_auto_t *kept = NULL;
    const char *condition = must_have   ? "any_one_of"
                            : must_lack ? "not_any_of"
                            : is_black  ? "blacklist"
                                        : "whitelist";
    enum rc rc = select_values(run, remote, condition, !is_black, &kept, err);
    if (rc == RC_OK && (is_black || is_white)) {
        json_array_append(direct, kept);
    } else if (rc == RC_OK) {
        *ret_applies = (json_array_size(kept) > 0) == must_have;
    }
    return rc;
}

// ---- local: texts with the values in their places

// The values of exactly "{N}": a list; NULL: the text is more, or less, than that.
static json_t *
whole_list(const char *text, json_t *direct)
{
    size_t n = strspn(text[0] == '{' ? text + 1 : "", "0123456789");
    bool is_whole = text[0] == '{' && !strcmp(text + 1 + n, "}");
    return is_whole ? json_array_get(direct, n ? (size_t)g_ascii_strtoull(text + 1, NULL, 10) : 0)
                    : NULL;
}

// One value stands in each place: several have no order that anybody promised.
static enum rc
expand(const char *text, json_t *direct, json_t **ret_text, struct err *err)
{
    g_autoptr(GString) out = g_string_new(NULL);
    size_t next = 0;
    for (const char *at = text; *at; at++) {
        if ((*at == '{' || *at == '}') && at[1] == *at) {
            g_string_append_c(out, *at++);
        } else if (*at == '{') {
            size_t n = strspn(at + 1, "0123456789"),
                   place = n ? (size_t)g_ascii_strtoull(at + 1, NULL, 10) : next++;
            json_t *values = json_array_get(direct, place);
            if (!values || at[n + 1] != '}') { // of a literal list nobody has looked at the braces
                return refuse(err, "a local section names a remote match that is not there");
            }
            if (json_array_size(values) != 1) {
                return refuse(err, "a place for one value has none or several");
            }
            g_string_append(out, json_string_value(json_array_get(values, 0)));
            at += n + 1;
        } else {
            g_string_append_c(out, *at);
        }
    }
    if (!text_is_clean(out->str, 1024)) {
        return refuse(err, "a value is too long or has control characters");
    }
    *ret_text = json_string(out->str);
    return RC_OK;
}

// All texts of an object or array; new reference.
static enum rc
expand_all(json_t *local, json_t *direct, json_t **ret_all, struct err *err)
{
    const char *name;
    json_t *value, *each = NULL;
    size_t i;
    enum rc rc = RC_OK;
    if (json_is_string(local)) {
        return expand(json_string_value(local), direct, ret_all, err);
    }
    json_auto_t *all = json_is_array(local) ? json_array() : json_object();
    json_array_foreach(local, i, value)
    {
        rc = rc ? rc : expand_all(value, direct, &each, err);
        if (rc == RC_OK) {
            json_array_append_new(all, each);
        }
    }
    json_object_foreach(local, name, value)
    {
        rc = rc ? rc : expand_all(value, direct, &each, err);
        if (rc == RC_OK) {
            json_object_set_new(all, name, each);
        }
    }
    if (rc == RC_OK) {
        *ret_all = json_incref(all);
    }
    return rc;
}

static enum rc
expand_literal(json_t *literal, json_t *direct, json_t **ret_list, struct err *err)
{
    for (size_t i = 0; i < json_array_size(literal); i++) {
        if (!json_is_string(json_array_get(literal, i))) {
            return refuse(err, "a list has something else than texts");
        }
    }
    return expand_all(literal, direct, ret_list, err);
}

// Several texts: those of "{N}", those of a JSON array, or the one that the text is.
static enum rc
expand_list(const char *text, json_t *direct, json_t **ret_list, struct err *err)
{
    json_t *values = whole_list(text, direct), *one = NULL;
    if (values) {
        *ret_list = json_incref(values);
        return RC_OK;
    }
    json_auto_t *literal = text[0] == '[' ? json_loads(text, 0, NULL) : NULL;
    if (literal) {
        return expand_literal(literal, direct, ret_list, err);
    }
    enum rc rc = expand(text, direct, &one, err);
    if (rc == RC_OK) {
        *ret_list = json_pack("[o]", one);
    }
    return rc;
}

// ---- what comes out

static enum rc
take_user(struct run *run, json_t *user, json_t *direct, json_t *domain, struct err *err)
{
    if (run->user) { // the first rule that names somebody decides
        return RC_OK;
    }
    json_t *all = NULL;
    enum rc rc = expand_all(user, direct, &all, err);
    if (rc == RC_OK && run->names_domains && domain && !json_object_get(all, "domain")) {
        json_object_set(all, "domain", domain);
    }
    if (rc == RC_OK && !json_object_size(all)) {
        json_decref(all);
    } else if (rc == RC_OK) {
        run->user = all;
    }
    return rc;
}

static enum rc
take_groups(struct run *run, const char *text, json_t *direct, json_t *domain, struct err *err)
{
    json_auto_t *names = NULL;
    enum rc rc = domain ? expand_list(text, direct, &names, err)
                        : refuse(err, "groups are named without their domain");
    for (size_t i = 0; rc == RC_OK && i < json_array_size(names); i++) {
        json_array_append_new(run->groups, json_pack("{s:O, s:O}", "name", json_array_get(names, i),
                                                     "domain", domain));
    }
    return rc;
}

static enum rc
take_group_ids(struct run *run, const char *text, json_t *direct, struct err *err)
{
    json_auto_t *ids = NULL;
    enum rc rc = expand_list(text, direct, &ids, err);
    for (size_t i = 0; rc == RC_OK && i < json_array_size(ids); i++) {
        json_array_append_new(run->groups, json_pack("{s:O}", "id", json_array_get(ids, i)));
    }
    return rc;
}

static enum rc
take_projects(struct run *run, json_t *projects, json_t *direct, json_t *domain, struct err *err)
{
    json_t *all = NULL;
    enum rc rc = expand_all(projects, direct, &all, err);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *project = json_array_get(all, i), *given = json_object_get(project, "roles"),
               *roles = json_array();
        for (size_t j = 0; j < json_array_size(given); j++) {
            json_array_append(roles, json_object_get(json_array_get(given, j), "name"));
        }
        json_object_set_new(project, "roles", roles);
        if (run->names_domains && domain && !json_object_get(project, "domain")) {
            json_object_set(project, "domain", domain);
        }
    }
    json_decref(run->projects);
    run->projects = all;
    return RC_OK;
}

static enum rc
take_local(struct run *run, json_t *local, json_t *direct, struct err *err)
{
    json_t *user = json_object_get(local, "user"), *group = json_object_get(local, "group"),
           *groups = json_object_get(local, "groups"), *ids = json_object_get(local, "group_ids"),
           *projects = json_object_get(local, "projects"), *one = NULL;
    json_auto_t *domain = NULL;
    json_t *own = json_object_get(local, "domain");
    enum rc rc = own ? expand_all(own, direct, &domain, err) : RC_OK;
    rc = rc || !user ? rc : take_user(run, user, direct, domain, err);
    if (rc == RC_OK && group) {
        rc = expand_all(group, direct, &one, err);
        if (rc == RC_OK) {
            json_array_append_new(run->groups, one);
        }
    }
    rc = rc || !groups ? rc : take_groups(run, json_string_value(groups), direct, domain, err);
    rc = rc || !ids ? rc : take_group_ids(run, json_string_value(ids), direct, err);
    return rc || !projects ? rc : take_projects(run, projects, direct, domain, err);
}

static enum rc
take_rule(struct run *run, json_t *rule, bool *ret_applies, struct err *err)
{
    json_auto_t *direct = json_array();
    json_t *remotes = json_object_get(rule, "remote"), *locals = json_object_get(rule, "local");
    bool applies = true;
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && applies && i < json_array_size(remotes); i++) {
        rc = take_remote(run, json_array_get(remotes, i), direct, &applies, err);
    }
    for (size_t i = 0; rc == RC_OK && applies && i < json_array_size(locals); i++) {
        rc = take_local(run, json_array_get(locals, i), direct, err);
    }
    *ret_applies = applies && json_array_size(locals);
    return rc;
}

static json_t *
outcome(struct run *run)
{
    json_t *user = run->user ? json_incref(run->user) : json_object();
    if (!json_object_get(user, "type")) {
        json_object_set_new(user, "type", json_string("ephemeral"));
    }
    return json_pack("{s:o, s:O, s:O}", "user", user, "groups", run->groups, "projects",
                     run->projects);
}

enum rc
mapping_apply(json_t *rules, bool names_domains, json_t *assertion, json_t **ret_mapped,
              struct err *err)
{
    struct run run = {.assertion = assertion,
                      .names_domains = names_domains,
                      .groups = json_array(),
                      .projects = json_array()};
    bool any = false;
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(rules); i++) {
        bool applies = false;
        rc = take_rule(&run, json_array_get(rules, i), &applies, err);
        any |= applies;
    }
    if (rc == RC_OK && !any) {
        rc = refuse(err, "no rule is for it");
    }
    if (rc == RC_OK) {
        *ret_mapped = outcome(&run);
    }
    json_decref(run.user);
    json_decref(run.groups);
    json_decref(run.projects);
    return rc;
}
