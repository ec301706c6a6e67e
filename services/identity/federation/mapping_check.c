// SPDX-License-Identifier: Apache-2.0
// Which rules are rules: Keystone's schema of mappings, as tables.
#include "common/base/util.h"
#include "services/identity/federation/mapping.h"
#include <string.h>

#define TEXT_MAX 1024
#define ITEMS_MAX 1000

// PCRE2 ends a match at these limits instead of backtracking without end.
#define LIMITS "(*LIMIT_MATCH=%d)(*LIMIT_DEPTH=1000)(*LIMIT_HEAP=1024)"

GRegex *
mapping_regex_new(const char *pattern, GError **error)
{
    g_autofree char *limited = g_strdup_printf(LIMITS "%s", MAPPING_REGEX_STEPS, pattern);
    return g_regex_new(limited, 0, 0, error);
}

enum kind {
    TEXT,
    TEMPLATE, // a text with {0}, {1} …
    FLAG,
    TEXTS,  // an array of texts
    OBJECT, // of `shape`
    OBJECTS // an array of such
};
enum {
    REQUIRED = 1,
    NOT_EMPTY = 2, // an array
    DOMAINS = 4    // only where projects may name one
};
struct member {
    const char *name;
    enum kind kind;
    unsigned flags;
    const struct shape *shape;
};
struct shape {
    const struct member *members; // ended by name NULL
    // NULL, or what members say together.
    enum rc (*check)(json_t *object, const char *path, struct err *err);
};

static enum rc
bad(const char *path, const char *what, struct err *err)
{
    return fault(err, RC_INVALID, "invalid input for field '%s': %s", path, what);
}

static enum rc
check_group(json_t *group, const char *path, struct err *err)
{
    bool has_id = json_object_get(group, "id"), has_name = json_object_get(group, "name"),
         has_domain = json_object_get(group, "domain");
    return has_id
               ? has_name || has_domain ? bad(path, "it has an id and something else", err) : RC_OK
           : has_name && has_domain
               ? RC_OK
               : bad(path, "it has neither an id nor a name and a domain", err);
}

static enum rc
check_regexes(json_t *patterns, const char *path, struct err *err)
{
    for (size_t i = 0; i < json_array_size(patterns); i++) {
        g_autoptr(GError) error = NULL;
        GRegex *regex = mapping_regex_new(json_string_value(json_array_get(patterns, i)), &error);
        if (!regex) {
            return fault(err, RC_INVALID, "invalid input for field '%s': %s", path, error->message);
        }
        g_regex_unref(regex);
    }
    return RC_OK;
}

static enum rc
check_remote(json_t *remote, const char *path, struct err *err)
{
    static const char *const conditions[] = {"any_one_of", "not_any_of", "blacklist", "whitelist"};
    json_t *given = NULL;
    int n = 0;
    for (size_t i = 0; i < N_ELEMENTS(conditions); i++) {
        json_t *condition = json_object_get(remote, conditions[i]);
        n += condition != NULL;
        given = condition ? condition : given;
    }
    if (n > 1 || (!n && json_object_get(remote, "regex"))) {
        return bad(path, "it has more than one condition, or a regex without one", err);
    }
    return json_is_true(json_object_get(remote, "regex")) ? check_regexes(given, path, err) : RC_OK;
}

static enum rc
check_user(json_t *user, const char *path, struct err *err)
{
    const char *type = json_string_value(json_object_get(user, "type"));
    return !type || !strcmp(type, "ephemeral") || !strcmp(type, "local")
               ? RC_OK
               : bad(path, "its type is neither ephemeral nor local", err);
}

// clang-format off
static const struct shape domain = {(const struct member[]){
    {"id", TEMPLATE}, {"name", TEMPLATE}, {0}}};
static const struct shape role = {(const struct member[]){
    {"name", TEMPLATE, REQUIRED}, {0}}};
static const struct shape project = {(const struct member[]){
    {"name", TEMPLATE, REQUIRED}, {"roles", OBJECTS, REQUIRED, &role}, {"domain", OBJECT, DOMAINS, &domain}, {0}}};
static const struct shape user = {(const struct member[]){
    {"id", TEMPLATE}, {"name", TEMPLATE}, {"email", TEMPLATE}, {"domain", OBJECT, 0, &domain}, {"type", TEXT}, {0}}, check_user};
static const struct shape group = {(const struct member[]){
    {"id", TEMPLATE}, {"name", TEMPLATE}, {"domain", OBJECT, 0, &domain}, {0}}, check_group};
static const struct shape local = {(const struct member[]){
    {"user", OBJECT, 0, &user}, {"projects", OBJECTS, 0, &project}, {"group", OBJECT, 0, &group},
    {"groups", TEMPLATE}, {"group_ids", TEMPLATE}, {"domain", OBJECT, 0, &domain}, {0}}};
static const struct shape remote = {(const struct member[]){
    {"type", TEXT, REQUIRED}, {"any_one_of", TEXTS}, {"not_any_of", TEXTS}, {"blacklist", TEXTS}, {"whitelist", TEXTS}, {"regex", FLAG}, {0}}, check_remote};
static const struct shape rule = {(const struct member[]){
    {"local", OBJECTS, REQUIRED, &local}, {"remote", OBJECTS, REQUIRED | NOT_EMPTY, &remote}, {0}}};
// clang-format on

static enum rc
check_text(json_t *value, const char *path, struct err *err)
{
    const char *text = json_string_value(value);
    return !text                                       ? bad(path, "it is not a text", err)
           : strlen(text) != json_string_length(value) ? bad(path, "it has a NUL character", err)
           : strlen(text) > TEXT_MAX                   ? bad(path, "it is too long", err)
                                                       : RC_OK;
}

// {0}, {} and the doubled braces that stand for themselves.
static enum rc
check_template(json_t *value, const char *path, struct err *err)
{
    enum rc rc = check_text(value, path, err);
    for (const char *at = rc ? "" : json_string_value(value); *at; at++) {
        if ((*at == '{' || *at == '}') && at[1] == *at) {
            at++;
        } else if (*at == '{') {
            size_t n = strspn(at + 1, "0123456789");
            if (n > 3 || at[n + 1] != '}') {
                return bad(path, "it has a brace that begins no {number}", err);
            }
            at += n + 1;
        } else if (*at == '}') {
            return bad(path, "it has a brace that ends nothing", err);
        }
    }
    return rc;
}

static enum rc check_object(json_t *object, const struct shape *shape, bool names_domains,
                            const char *path, struct err *err);

static enum rc
check_items(json_t *items, const struct member *member, bool names_domains, const char *path,
            struct err *err)
{
    if (!json_is_array(items) || json_array_size(items) > ITEMS_MAX) {
        return bad(path, "it is not a list, or too long", err);
    }
    if ((member->flags & NOT_EMPTY) && !json_array_size(items)) {
        return bad(path, "it is empty", err);
    }
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(items); i++) {
        g_autofree char *each = g_strdup_printf("%s[%zu]", path, i);
        json_t *item = json_array_get(items, i);
        rc = member->kind == TEXTS ? check_text(item, each, err)
                                   : check_object(item, member->shape, names_domains, each, err);
    }
    return rc;
}

static enum rc
check_member(json_t *value, const struct member *member, bool names_domains, const char *path,
             struct err *err)
{
    switch (member->kind) {
    case TEXT:
        return check_text(value, path, err);
    case TEMPLATE:
        return check_template(value, path, err);
    case FLAG:
        return json_is_boolean(value) ? RC_OK : bad(path, "it is not a boolean", err);
    case OBJECT:
        return check_object(value, member->shape, names_domains, path, err);
    default:
        return check_items(value, member, names_domains, path, err);
    }
}

static const struct member *
member_of(const struct shape *shape, const char *name, bool names_domains)
{
    const struct member *member = shape->members;
    while (member->name &&
           (strcmp(member->name, name) || ((member->flags & DOMAINS) && !names_domains))) {
        member++;
    }
    return member->name ? member : NULL;
}

static enum rc
check_object(json_t *object, const struct shape *shape, bool names_domains, const char *path,
             struct err *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object)) {
        return bad(path, "it is not an object", err);
    }
    json_object_foreach(object, name, value)
    {
        g_autofree char *each = g_strdup_printf("%s.%.64s", path, name);
        const struct member *member = member_of(shape, name, names_domains);
        enum rc rc = member ? check_member(value, member, names_domains, each, err)
                            : bad(each, "there is no such member", err);
        if (rc) {
            return rc;
        }
    }
    for (const struct member *member = shape->members; member->name; member++) {
        if ((member->flags & REQUIRED) && !json_object_get(object, member->name)) {
            g_autofree char *each = g_strdup_printf("%s.%s", path, member->name);
            return bad(each, "it is missing", err);
        }
    }
    return shape->check ? shape->check(object, path, err) : RC_OK;
}

enum rc
mapping_check(json_t *rules, bool names_domains, struct err *err)
{
    static const struct member all = {"rules", OBJECTS, NOT_EMPTY, &rule};
    return check_items(rules, &all, names_domains, all.name, err);
}
