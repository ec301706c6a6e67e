// SPDX-License-Identifier: Apache-2.0
// What is registered in a new cloud, and the one way by which services and sign-ups set limits.
#include "services/identity/quota/quota.h"

#include "common/base/util.h"
#include "common/conf/conf.h"
#include "services/identity/quota/limit_db.h"

#include <string.h>

#define LIMITS_MAX 256
#define TWO_LEVELS 1 // projects stand directly beneath their domain

// Nova's are called what its unified limits are called; Neutron's and Glance's have one name.
// clang-format off
const struct quota_name quota_names[] = {
    {"compute", "servers",               "instances",      10,       "servers of a project"},
    {"compute", "class:VCPU",            "cores",          20,       "virtual CPUs of a project's servers"},
    {"compute", "class:MEMORY_MB",       "ram",            51200,    "MiB of memory of a project's servers"},
    {"compute", "server_metadata_items", "metadata_items", 128,      "metadata items of one server"},
    {"compute", "server_key_pairs",      "key_pairs",      100,      "key pairs of one user"},
    {"compute", "server_groups",         NULL,             10,       "server groups of a project"},
    {"compute", "server_group_members",  NULL,             10,       "servers in one server group"},
    {"compute", "server_injected_files", "injected_files", 0, "kept for Nova's older API: files are not injected"},
    {"compute", "server_injected_file_content_bytes", "injected_file_content_bytes", 0, "kept for Nova's older API"},
    {"compute", "server_injected_file_path_bytes", "injected_file_path_bytes", 0, "kept for Nova's older API"},
    {"compute", "fixed_ips",             NULL,             -1,       "kept for Nova's older API: networks are Neutron's"},
    {"compute", "floating_ips",          NULL,             -1,       "kept for Nova's older API"},
    {"compute", "security_groups",       NULL,             -1,       "kept for Nova's older API"},
    {"compute", "security_group_rules",  NULL,             -1,       "kept for Nova's older API"},
    {"network", "network",               NULL,             100,      "networks of a project"},
    {"network", "subnet",                NULL,             100,      "subnets of a project"},
    {"network", "subnetpool",            NULL,             -1,       "subnet pools of a project"},
    {"network", "port",                  NULL,             500,      "ports of a project"},
    {"network", "router",                NULL,             10,       "routers of a project"},
    {"network", "floatingip",            NULL,             50,       "floating IP addresses of a project"},
    {"network", "security_group",        NULL,             10,       "security groups of a project"},
    {"network", "security_group_rule",   NULL,             100,      "rules of a project's security groups"},
    {"network", "rbac_policy",           NULL,             10,       "RBAC policies of a project"},
    {"image",   "image_count_total",     NULL,             1000,     "images of a project"},
    {"image",   "image_size_total",      NULL,             10485760, "MiB of a project's images"},
    {"image",   "image_stage_total",     NULL,             10485760, "MiB of a project's staged data"},
    {"image",   "image_count_uploading", NULL,             1000,     "images of a project on their way at once"},
    {0},
};
// clang-format on

const char *
quota_name_of(const char *service, const char *name)
{
    for (size_t i = 0; quota_names[i].service; i++) {
        if (!strcmp(quota_names[i].service, service) && !g_strcmp0(quota_names[i].alias, name)) {
            return quota_names[i].name;
        }
    }
    return name;
}

// ---- start

static char *
names_to_text(void)
{
    json_auto_t *names = json_array();
    for (size_t i = 0; quota_names[i].service; i++) {
        const struct quota_name *name = &quota_names[i];
        json_array_append_new(
            names, json_pack("{s:s, s:s, s:s?, s:I, s:s}", "service", name->service, "name",
                             name->name, "alias", name->alias, "default_limit",
                             (json_int_t)name->default_limit, "description", name->description));
    }
    return json_dumps(names, JSON_COMPACT);
}

static enum rc
start_tx(struct db *db, void *argument, struct err *err)
{
    const struct conf *conf = argument;
    const char *model = conf_text(conf, "quota", "enforcement_model");
    g_autofree char *names = names_to_text();
    enum rc rc = limit_db_lock(db, err);
    rc = rc ? rc : limit_db_register(db, names, err);
    rc = rc ? rc : limit_db_adopt(db, names, err);
    rc = rc || strcmp(model, "strict_two_level") ? rc : limit_db_check_depth(db, TWO_LEVELS, err);
    return rc ? rc : limit_db_use(db, model, conf_text(conf, "bootstrap", "region"), err);
}

enum rc
quota_start(struct identity *identity, struct err *err)
{
    const struct conf *conf = service_conf(identity->service);
    const char *model = conf_text(conf, "quota", "enforcement_model");
    if (strcmp(model, "flat") && strcmp(model, "strict_two_level") &&
        strcmp(model, "strict_tree")) {
        return fault(err, RC_INVALID,
                     "setting quota.enforcement_model: '%s' is not flat, strict_two_level or "
                     "strict_tree",
                     model);
    }
    if (!strcmp(model, "strict_two_level")) {
        identity->max_tree_depth = MIN(identity->max_tree_depth, TWO_LEVELS);
    }
    struct db *db = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    return rc ? rc : db_tx(db, start_tx, (void *)conf, err);
}

// ---- many at once

enum rc
quota_set_limits(struct db *db, json_t *limits, json_t **ret_events, struct err *err)
{
    g_autofree char *text = json_dumps(limits, JSON_COMPACT);
    enum rc rc = limit_db_lock(db, err);
    rc = rc ? rc : limit_db_check_names(db, text, err);
    rc = rc ? rc : limit_db_store(db, text, err);
    rc = rc ? rc : limit_db_check_models(db, text, err);
    rc = rc ? rc : limit_db_check_defaults(db, text, err);
    return rc || !ret_events ? rc : limit_db_events(db, text, ret_events, err);
}

static enum rc
read_text(const char *item, const char *project_id, json_t *ret_limits, struct err *err)
{
    const char *colon = strchr(item, ':'), *equals = strrchr(item, '=');
    int64_t value = 0;
    if (!colon || !equals || colon >= equals || !parse_int64(equals + 1, -1, INT32_MAX, &value)) {
        return fault(err, RC_INVALID,
                     "setting accounts.sandbox_limits: '%s' is not service:resource=number", item);
    }
    g_autofree char *service = g_strndup(item, (gsize)(colon - item));
    g_autofree char *name = g_strndup(colon + 1, (gsize)(equals - colon - 1));
    json_array_append_new(ret_limits,
                          json_pack("{s:s, s:s, s:s, s:I}", "project_id",
                                    project_id ? project_id : "", "service", service, "resource",
                                    quota_name_of(service, name), "value", (json_int_t)value));
    return RC_OK;
}

enum rc
quota_set_text(struct db *db, const char *project_id, const char *text, struct err *err)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    json_auto_t *limits = json_array();
    enum rc rc = RC_OK;
    for (char **item = items; rc == RC_OK && *item; item++) {
        rc = *g_strstrip(*item) ? read_text(*item, project_id, limits, err) : RC_OK;
    }
    if (rc || !db || !json_array_size(limits)) {
        return rc;
    }
    g_autofree char *list = json_dumps(limits, JSON_COMPACT);
    rc = limit_db_lock(db, err);
    rc = rc ? rc : limit_db_store(db, list, err);
    return rc ? rc : limit_db_check_models(db, list, err);
}

struct limit {
    const char *project_id, *service, *resource;
    json_t *value;
};
static const struct field limit_fields[] = {
    FIELD(struct limit, project_id, "project_id", FIELD_TEXT, FIELD_REQUIRED, 0, 64),
    FIELD(struct limit, service, "service", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct limit, resource, "resource", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct limit, value, "value", FIELD_ANY, FIELD_REQUIRED | FIELD_NULLABLE),
};
static const struct body_spec limit_body = {.fields = limit_fields,
                                            .n_fields = N_ELEMENTS(limit_fields),
                                            .struct_size = sizeof(struct limit)};

struct limits {
    json_t *limits;
};
static const struct field limits_fields[] = {
    FIELD(struct limits, limits, "limits", FIELD_ARRAY, FIELD_REQUIRED, 1, LIMITS_MAX)};
static const struct body_spec limits_body = {.fields = limits_fields,
                                             .n_fields = N_ELEMENTS(limits_fields),
                                             .struct_size = sizeof(struct limits)};

// Checks one item and appends it under its registered name.
static enum rc
read_limit(json_t *item, GHashTable *seen, json_t *ret_limits, struct err *err)
{
    struct limit limit;
    enum rc rc = body_decode(&limit_body, item, &limit, NULL, err);
    if (rc) {
        return rc;
    }
    bool is_default = !limit.value || json_is_null(limit.value);
    int64_t value = json_integer_value(limit.value);
    if (!is_default && (!json_is_integer(limit.value) || value < -1 || value > INT32_MAX)) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'value': it must be null or an integer from -1 to %d",
                     INT32_MAX);
    }
    const char *name = quota_name_of(limit.service, limit.resource);
    if (!g_hash_table_add(seen,
                          g_strdup_printf("%s %s %s", limit.service, name, limit.project_id))) {
        return fault(err, RC_INVALID, "invalid input for field 'limits': '%s' is there twice",
                     limit.resource);
    }
    json_array_append_new(ret_limits,
                          json_pack("{s:s, s:s, s:s, s:o}", "project_id", limit.project_id,
                                    "service", limit.service, "resource", name, "value",
                                    is_default ? json_null() : json_integer(value)));
    return RC_OK;
}

struct setting_limits {
    json_t *limits, *events;
};

static enum rc
set_limits_tx(struct db *db, void *argument, struct err *err)
{
    struct setting_limits *setting = argument;
    json_decref(setting->events);
    setting->events = NULL;
    return quota_set_limits(db, setting->limits, &setting->events, err);
}

static enum rc
set_limits(struct request *request, struct reply *reply, struct err *err)
{
    const struct limits *body = request_body(request);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    json_auto_t *limits = json_array();
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    for (size_t i = 0; rc == RC_OK && i < json_array_size(body->limits); i++) {
        rc = read_limit(json_array_get(body->limits, i), seen, limits, err);
    }
    struct setting_limits setting = {.limits = limits};
    rc = rc ? rc : db_tx(db, set_limits_tx, &setting, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "limits", setting.events);
    }
    json_decref(setting.events);
    return rc;
}

const struct route quota_routes[] = {
    {.method = "POST",
     .path = "/internal/v1/limits",
     .handle = set_limits,
     .policy = "identity:set_limits",
     .status = 200,
     .body = &limits_body,
     .summary = "set limits of projects, and defaults"},
    {0},
};
