// SPDX-License-Identifier: Apache-2.0
// Options of single domains: /v3/domains/{id}/config, whole, by group and by option, and their
// defaults.
#include "common/base/util.h"
#include "services/identity/tenancy/domain_config_db.h"
#include <string.h>

static const struct option {
    const char *group, *name;
    const char *default_json; // NULL: a secret, never shown
} options[] = {
    {"identity", "driver", "\"sql\""},
    {"identity", "list_limit", "null"},
    {"ldap", "url", "\"ldap://localhost\""},
    {"ldap", "user", "null"},
    {"ldap", "password", NULL},
    {"ldap", "suffix", "\"cn=example,cn=com\""},
    {"ldap", "query_scope", "\"one\""},
    {"ldap", "page_size", "0"},
    {"ldap", "alias_dereferencing", "\"default\""},
    {"ldap", "debug_level", "null"},
    {"ldap", "chase_referrals", "null"},
    {"ldap", "user_tree_dn", "null"},
    {"ldap", "user_filter", "null"},
    {"ldap", "user_objectclass", "\"inetOrgPerson\""},
    {"ldap", "user_id_attribute", "\"cn\""},
    {"ldap", "user_name_attribute", "\"sn\""},
    {"ldap", "user_mail_attribute", "\"mail\""},
    {"ldap", "user_description_attribute", "\"description\""},
    {"ldap", "user_pass_attribute", "\"userPassword\""},
    {"ldap", "user_enabled_attribute", "\"enabled\""},
    {"ldap", "user_enabled_invert", "false"},
    {"ldap", "user_enabled_mask", "0"},
    {"ldap", "user_enabled_default", "\"True\""},
    {"ldap", "user_attribute_ignore", "[\"default_project_id\"]"},
    {"ldap", "user_default_project_id_attribute", "null"},
    {"ldap", "user_enabled_emulation", "false"},
    {"ldap", "user_enabled_emulation_dn", "null"},
    {"ldap", "user_enabled_emulation_use_group_config", "false"},
    {"ldap", "user_additional_attribute_mapping", "[]"},
    {"ldap", "group_tree_dn", "null"},
    {"ldap", "group_filter", "null"},
    {"ldap", "group_objectclass", "\"groupOfNames\""},
    {"ldap", "group_id_attribute", "\"cn\""},
    {"ldap", "group_name_attribute", "\"ou\""},
    {"ldap", "group_members_are_ids", "false"},
    {"ldap", "group_member_attribute", "\"member\""},
    {"ldap", "group_desc_attribute", "\"description\""},
    {"ldap", "group_attribute_ignore", "[]"},
    {"ldap", "group_additional_attribute_mapping", "[]"},
    {"ldap", "tls_cacertfile", "null"},
    {"ldap", "tls_cacertdir", "null"},
    {"ldap", "use_tls", "false"},
    {"ldap", "tls_req_cert", "\"demand\""},
    {"ldap", "use_pool", "true"},
    {"ldap", "pool_size", "10"},
    {"ldap", "pool_retry_max", "3"},
    {"ldap", "pool_retry_delay", "0.1"},
    {"ldap", "pool_connection_timeout", "-1"},
    {"ldap", "pool_connection_lifetime", "600"},
    {"ldap", "use_auth_pool", "true"},
    {"ldap", "auth_pool_size", "100"},
    {"ldap", "auth_pool_connection_lifetime", "60"},
};

// option NULL: any of the group.
static const struct option *
find_option(const char *group, const char *option)
{
    for (size_t i = 0; i < N_ELEMENTS(options); i++) {
        if (!strcmp(options[i].group, group) && (!option || !strcmp(options[i].name, option))) {
            return &options[i];
        }
    }
    return NULL;
}

// ---- what the path names

enum level { WHOLE, GROUP, OPTION };
#define DEFAULT_DOMAIN "default"
static const enum level whole = WHOLE, by_group = GROUP, by_option = OPTION;
struct place {
    const char *group, *option; // NULL: all
};

static enum rc
check_names(const char *group, const char *option, struct err *err)
{
    if (group && !find_option(group, NULL)) {
        return fault(err, RC_FORBIDDEN,
                     "Invalid domain specific configuration: Group %.64s is not supported for "
                     "domain specific configurations.",
                     group);
    }
    if (option && !find_option(group, option)) {
        return fault(err, RC_FORBIDDEN,
                     "Invalid domain specific configuration: Option %.64s in group %.64s is not "
                     "supported for domain specific configurations.",
                     option, group);
    }
    return RC_OK;
}

static enum rc
place_of(const struct request *request, struct place *ret_place, struct err *err)
{
    enum level level = *(const enum level *)request_route(request)->data;
    *ret_place =
        (struct place){.group = level >= GROUP ? request_param(request, "group") : NULL,
                       .option = level == OPTION ? request_param(request, "option") : NULL};
    return check_names(ret_place->group, ret_place->option, err);
}

// The part of the place, wrapped as it is shown; NULL: not there.
static json_t *
part_of(json_t *config, const struct place *place)
{
    json_t *group = place->group ? json_object_get(config, place->group) : config;
    json_t *part = place->option ? json_object_get(group, place->option) : group;
    const char *name = place->option ? place->option : place->group;
    if (!part || (!place->group && !json_object_size(config))) {
        return NULL;
    }
    return name ? json_pack("{s:{s:O}}", "config", name, part) : json_pack("{s:O}", "config", part);
}

static void
hide_secrets(json_t *config)
{
    for (size_t i = 0; i < N_ELEMENTS(options); i++) {
        json_t *group = json_object_get(config, options[i].group);
        if (options[i].default_json || !json_object_get(group, options[i].name)) {
            continue;
        }
        json_object_del(group, options[i].name);
        if (!json_object_size(group)) {
            json_object_del(config, options[i].group);
        }
    }
}

static enum rc
not_found(const struct request *request, const struct place *place, struct err *err)
{
    return fault(err, RC_NOT_FOUND,
                 "Could not find %s%.64s%sdomain configuration for domain %.64s.",
                 place->option  ? "option "
                 : place->group ? "group "
                                : "",
                 place->option  ? place->option
                 : place->group ? place->group
                                : "",
                 place->group ? " in " : "", request_param(request, "id"));
}

// ---- what the body says

static enum rc
check_group(const char *name, json_t *group, struct err *err)
{
    const char *option;
    json_t *value;
    enum rc rc = check_names(name, NULL, err);
    if (rc == RC_OK && !json_object_size(group)) {
        rc = fault(err, RC_FORBIDDEN,
                   "Invalid domain specific configuration: No options specified for group %.64s.",
                   name);
    }
    json_object_foreach(group, option, value)
    {
        rc = rc ? rc : check_names(name, option, err);
    }
    return rc;
}

// ret_config: new reference, {group: {option: value}} of what was given for the place.
static enum rc
given(const struct request *request, const struct place *place, json_t **ret_config,
      struct err *err)
{
    json_t *config = json_object_get(request_json(request), "config");
    if (!json_is_object(config)) {
        return fault(err, RC_INVALID, "invalid input for field 'config': it is not an object");
    }
    const char *name = place->option ? place->option : place->group;
    if (!json_object_size(config) ||
        (name && (json_object_size(config) != 1 || !json_object_get(config, name)))) {
        return fault(err, RC_FORBIDDEN,
                     "Invalid domain specific configuration: the request must have %.64s%s",
                     name ? name : "options", name ? " and nothing else." : ".");
    }
    config = place->option ? json_pack("{s:O}", place->group, config) : json_incref(config);
    const char *group;
    json_t *value;
    enum rc rc = RC_OK;
    json_object_foreach(config, group, value)
    {
        rc = rc ? rc : check_group(group, value, err);
    }
    if (rc) {
        json_decref(config);
        return rc;
    }
    *ret_config = config;
    return RC_OK;
}

// ---- handlers

struct change {
    const struct request *request;
    const struct place *place;
    json_t *given;  // NULL: the place is deleted
    json_t *config; // as it is afterwards
    bool replace, was_there;
};

static void
merge(json_t *config, json_t *added)
{
    const char *name;
    json_t *group;
    json_object_foreach(added, name, group)
    {
        json_t *old = json_object_get(config, name);
        if (old) {
            json_object_update(old, group);
        } else {
            json_object_set(config, name, group);
        }
    }
}

static void
cut(json_t *config, const struct place *place)
{
    json_t *group = place->group ? json_object_get(config, place->group) : NULL;
    if (!place->group) {
        json_object_clear(config);
    } else if (place->option && json_object_size(group) > 1) {
        json_object_del(group, place->option);
    } else {
        json_object_del(config, place->group);
    }
}

static enum rc
change_tx(struct db *db, void *argument, struct err *err)
{
    struct change *change = argument;
    const char *domain_id = request_param(change->request, "id");
    g_clear_pointer(&change->config, json_decref);
    enum rc rc = domain_config_db_get(db, domain_id, &change->config, err);
    if (rc) {
        return rc;
    }
    json_auto_t *part = part_of(change->config, change->place);
    change->was_there = part != NULL;
    if (!part && (change->given ? !change->replace : change->place->group != NULL)) {
        return not_found(change->request, change->place, err);
    }
    if (!change->given || change->replace) {
        cut(change->config, change->place);
    }
    if (change->given) {
        merge(change->config, change->given);
    }
    return domain_config_db_set(db, domain_id, change->config, err);
}

static enum rc
write_config(struct request *request, bool replace, struct reply *reply, struct err *err)
{
    struct place place;
    struct db *db = NULL;
    json_auto_t *config = NULL;
    struct change change = {.request = request, .place = &place, .replace = replace};
    enum rc rc = place_of(request, &place, err);
    rc = rc ? rc : given(request, &place, &config, err);
    change.given = config;
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, change_tx, &change, err);
    if (rc == RC_OK) {
        json_auto_t *shown = json_deep_copy(change.config);
        hide_secrets(shown);
        reply->json = json_pack("{s:O}", "config", shown);
        reply->status = replace && !change.was_there ? 201 : 200;
    }
    json_decref(change.config);
    return rc;
}

static enum rc
put_config(struct request *request, struct reply *reply, struct err *err)
{
    return write_config(request, true, reply, err);
}

static enum rc
patch_config(struct request *request, struct reply *reply, struct err *err)
{
    return write_config(request, false, reply, err);
}

static enum rc
delete_config(struct request *request, struct reply *reply, struct err *err)
{
    struct place place;
    struct db *db = NULL;
    struct change change = {.request = request, .place = &place};
    enum rc rc = place_of(request, &place, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, change_tx, &change, err);
    json_decref(change.config);
    return rc;
}

// What the cloud asks of passwords, for everybody with a token: of all domains the same, and told
// for the default one, as in Keystone.
static enum rc
show_compliance(struct request *request, const char *option, struct reply *reply, struct err *err)
{
    const struct conf *conf = service_conf(identity_of(request)->service);
    static const char *const readable[] = {"password_regex", "password_regex_description"};
    enum rc rc =
        request_allow(request, "identity:get_security_compliance_domain_config", NULL, err);
    if (rc || strcmp(request_param(request, "id"), DEFAULT_DOMAIN)) {
        return rc ? rc
                  : fault(err, RC_FORBIDDEN,
                          "Invalid domain specific configuration: security_compliance can be read "
                          "for the default domain only.");
    }
    json_auto_t *all = json_object();
    for (size_t i = 0; i < N_ELEMENTS(readable); i++) {
        const char *value = conf_text(conf, "security_compliance", readable[i]);
        json_object_set_new(all, readable[i], value[0] ? json_string(value) : json_null());
    }
    json_t *one = option ? json_object_get(all, option) : NULL;
    if (option && !one) {
        return fault(err, RC_FORBIDDEN,
                     "Invalid domain specific configuration: of security_compliance only "
                     "password_regex and password_regex_description can be read.");
    }
    reply->json = option ? json_pack("{s:{s:O}}", "config", option, one)
                         : json_pack("{s:{s:O}}", "config", "security_compliance", all);
    return RC_OK;
}

static enum rc
show_config(struct request *request, struct reply *reply, struct err *err)
{
    const enum level level = *(const enum level *)request_route(request)->data;
    if (level != WHOLE && !strcmp(request_param(request, "group"), "security_compliance")) {
        return show_compliance(request, level == OPTION ? request_param(request, "option") : NULL,
                               reply, err);
    }
    struct place place;
    struct db *db = NULL;
    json_auto_t *config = NULL;
    enum rc rc = request_allow(request, "identity:get_domain_config", NULL, err);
    rc = rc ? rc : place_of(request, &place, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : domain_config_db_get(db, request_param(request, "id"), &config, err);
    if (rc) {
        return rc;
    }
    hide_secrets(config);
    reply->json = part_of(config, &place);
    return reply->json ? RC_OK : not_found(request, &place, err);
}

static enum rc
show_default(struct request *request, struct reply *reply, struct err *err)
{
    struct place place;
    json_auto_t *config = json_object();
    enum rc rc = place_of(request, &place, err);
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(options); i++) {
        if (!options[i].default_json) {
            continue;
        }
        if (!json_object_get(config, options[i].group)) {
            json_object_set_new(config, options[i].group, json_object());
        }
        json_object_set_new(json_object_get(config, options[i].group), options[i].name,
                            json_loads(options[i].default_json, JSON_DECODE_ANY, NULL));
    }
    if (rc) {
        return rc;
    }
    reply->json = part_of(config, &place);
    return reply->json ? RC_OK
                       : fault(err, RC_FORBIDDEN, "Option %.64s is never shown.", place.option);
}

#define CONFIG "/v3/domains/{id}/config"
#define DEFAULTS "/v3/domains/config"
#define READS(path_, level_)                                                            \
    {.method = "GET",                                                                   \
     .path = CONFIG path_,                                                              \
     .handle = show_config,                                                             \
     .status = 200,                                                                     \
     .data = &level_,                                                                   \
     .summary = "show a domain's options"},                                             \
    {                                                                                   \
        .method = "GET", .path = DEFAULTS path_ "/default", .handle = show_default,     \
        .policy = "identity:get_domain_config_default", .status = 200, .data = &level_, \
        .summary = "show default options of domains"                                    \
    }
#define WRITES(path_, level_)                                                      \
    {.method = "PATCH",                                                            \
     .path = CONFIG path_,                                                         \
     .handle = patch_config,                                                       \
     .policy = "identity:update_domain_config",                                    \
     .status = 200,                                                                \
     .data = &level_,                                                              \
     .summary = "change a domain's options"},                                      \
    {                                                                              \
        .method = "DELETE", .path = CONFIG path_, .handle = delete_config,         \
        .policy = "identity:delete_domain_config", .status = 204, .data = &level_, \
        .summary = "back to the default options"                                   \
    }
const struct route domain_config_routes[] = {
    READS("", whole),
    READS("/{group}", by_group),
    READS("/{group}/{option}", by_option),
    WRITES("", whole),
    WRITES("/{group}", by_group),
    WRITES("/{group}/{option}", by_option),
    {.method = "PUT",
     .path = CONFIG,
     .handle = put_config,
     .policy = "identity:create_domain_config",
     .status = 200,
     .data = &whole,
     .summary = "set a domain's options"},
    {0},
};
