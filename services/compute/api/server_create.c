// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/server_create.h"

#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/server.h"

#define BYTES_PER_GIB (INT64_C(1) << 30)

struct making { // one request on its way
    struct server_body body;
    struct server_lookup lookup;
    json_t *image, *groups;
    char reservation_id[16], password[32];
    char first_id[UUID_SIZE];
};

static enum rc
check_own(const struct making *making, struct err *err)
{
    const struct server_body *body = &making->body;
    if (!making->lookup.key_ok) {
        return fault(err, RC_INVALID, "Invalid key_name provided.");
    }
    if (!making->lookup.zone_ok) {
        return fault(err, RC_INVALID, "The requested availability zone is not available");
    }
    if (!making->lookup.group_ok) {
        return fault(err, RC_INVALID, "Instance group %s could not be found.", body->group_id);
    }
    return RC_OK;
}

static enum rc
check_fits_flavor(const struct making *making, struct err *err)
{
    int64_t min_ram = json_integer_value(json_object_get(making->image, "min_ram"));
    int64_t min_disk = json_integer_value(json_object_get(making->image, "min_disk"));
    int64_t size = json_integer_value(json_object_get(making->image, "size"));
    int64_t disk = making->lookup.disk_gib;
    if (min_ram > making->lookup.ram_mib) {
        return fault(err, RC_INVALID, "Flavor's memory is too small for requested image.");
    }
    if (disk && (min_disk > disk || size > disk * BYTES_PER_GIB)) {
        return fault(err, RC_INVALID,
                     "Flavor's disk is too small for requested image. Flavor disk is %lld bytes, "
                     "image is %lld bytes.",
                     (long long)(disk * BYTES_PER_GIB),
                     (long long)MAX(size, min_disk * BYTES_PER_GIB));
    }
    return RC_OK;
}

static enum rc
check_networks(struct request *request, struct server_body *body, struct err *err)
{
    if (body->is_auto_network) {
        bool found = false;
        enum rc rc = check_auto_network(request, &body->ports[0], &found, err);
        body->n_ports = found ? 1 : 0;
        if (rc == RC_OK && !found && request_version(request) >= 37) {
            rc = fault(err, RC_INVALID, "Unable to automatically allocate a network for project %s",
                       request_project(request));
        }
        return rc;
    }
    for (unsigned i = 0; i < body->n_ports; i++) {
        enum rc rc = check_port(request, &body->ports[i], err);
        if (rc != RC_OK) {
            return rc;
        }
        for (unsigned j = 0; j < i; j++) {
            if (body->ports[i].port_id &&
                g_strcmp0(body->ports[i].port_id, body->ports[j].port_id) == 0) {
                return fault(err, RC_INVALID, "Port ID %s is given more than once.",
                             body->ports[i].port_id);
            }
        }
    }
    return RC_OK;
}

static enum rc
check_groups(struct request *request, struct making *making, struct err *err)
{
    json_t *names = making->body.security_groups;
    const char *only = json_string_value(json_object_get(json_array_get(names, 0), "name"));
    if (!json_array_size(names) ||
        (json_array_size(names) == 1 && g_strcmp0(only, "default") == 0)) {
        making->groups = json_pack("[{s:s}]", "name", "default");
        return RC_OK;
    }
    return check_security_groups(request, names, &making->groups, err);
}

static json_t *
text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

static json_t *
array_or_empty(json_t *array)
{
    return array ? json_incref(array) : json_array();
}

// What later steps need of the image: placement hints and the fault's wording; the rest comes with
// its ticket.
json_t *
image_kept(json_t *image)
{
    static const char *const kept[] = {
        "name",       "size",         "disk_format",     "min_disk",
        "min_ram",    "architecture", "hw_architecture", "hypervisor_type",
        "img_hv_type"};
    json_t *object = json_object();
    for (size_t i = 0; i < N_ELEMENTS(kept); i++) {
        json_t *value = json_object_get(image, kept[i]);
        if (value && !json_is_null(value)) {
            json_object_set(object, kept[i], value);
        }
    }
    return object;
}

static json_t *
common_columns(struct request *request, const struct making *making)
{
    const struct server_body *body = &making->body;
    const struct auth_context *auth = request_auth(request);
    const struct compute *compute = request_context(request);
    json_t *common = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:i}", "project_id", auth->project_id, "user_id",
        auth->user_id, "request_id", request_id(request), "flavor_id", body->flavor_id, "image_id",
        body->image_id, "config_drive", body->config_drive, "disk_config",
        body->disk_config ? body->disk_config : "MANUAL", "deadline_s", compute->build_deadline_s);
    const struct {
        const char *name;
        json_t *value;
    } more[] = {
        {"description", text_or_null(body->description)},
        {"image", image_kept(making->image)},
        {"key_name", text_or_null(body->key_name)},
        {"key_type", text_or_null(making->lookup.key_type)},
        {"key_data", text_or_null(making->lookup.key_data)},
        {"user_data", text_or_null(body->user_data)},
        {"metadata", body->metadata ? json_incref(body->metadata) : json_object()},
        {"tags", array_or_empty(body->tags)},
        {"security_groups", json_incref(making->groups)},
        {"access_ipv4", text_or_null(body->access_ipv4)},
        {"access_ipv6", text_or_null(body->access_ipv6)},
        {"reservation_id", json_string(making->reservation_id)},
        {"group_id", text_or_null(body->group_id)},
        {"zone", text_or_null(body->zone)},
        {"forced_host", text_or_null(body->forced_host)},
        {"same_host", array_or_empty(body->same_host)},
        {"different_host", array_or_empty(body->different_host)},
    };
    for (size_t i = 0; i < N_ELEMENTS(more); i++) {
        json_object_set_new(common, more[i].name, more[i].value);
    }
    return common;
}

// Letters, digits and dashes of the name; "server-UUID" when nothing is left.
static char *
host_name(const char *name, const char *id)
{
    GString *text = g_string_new(NULL);
    for (const char *at = name; *at && text->len < 63; at++) {
        if (g_ascii_isalnum(*at) || *at == '-' || *at == '.') {
            g_string_append_c(text, g_ascii_tolower(*at));
        } else if (*at == ' ' || *at == '_') {
            g_string_append_c(text, '-');
        }
    }
    while (text->len && strchr("-.", text->str[text->len - 1])) {
        g_string_truncate(text, text->len - 1);
    }
    while (text->len && strchr("-.", text->str[0])) {
        g_string_erase(text, 0, 1);
    }
    if (!text->len) {
        g_string_printf(text, "server-%s", id);
    }
    return g_string_free(text, FALSE);
}

static json_t *
port_rows(const struct server_body *body, const char *server_id)
{
    json_t *rows = json_array();
    for (unsigned i = 0; i < body->n_ports; i++) {
        const struct wanted_port *port = &body->ports[i];
        char name[16], derived[UUID_SIZE];
        snprintf(name, sizeof(name), "port%u", i);
        uuid_derive(server_id, name, derived);
        json_t *row = json_pack("{s:i,s:s,s:b,s:s,s:s}", "position", (int)i, "port_id",
                                port->port_id ? port->port_id : derived, "is_ours", !port->port_id,
                                "network_id", port->network_id, "network_name", port->network_name);
        json_object_set_new(row, "asked_ip", text_or_null(port->asked_ip));
        json_object_set_new(row, "tag", text_or_null(port->tag));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *
server_rows(struct making *making)
{
    const struct server_body *body = &making->body;
    json_t *rows = json_array();
    for (int i = 0; i < body->max_count; i++) {
        char id[UUID_SIZE];
        uuid_new(id);
        if (i == 0) {
            g_strlcpy(making->first_id, id, sizeof(making->first_id));
        }
        g_autofree char *name = body->max_count > 1
                                    ? g_strdup_printf("%.240s-%d", body->name, i + 1)
                                    : g_strdup(body->name);
        g_autofree char *hostname = host_name(body->hostname ? body->hostname : name, id);
        json_array_append_new(rows,
                              json_pack("{s:s,s:s,s:s,s:i,s:o}", "id", id, "name", name, "hostname",
                                        hostname, "launch_index", i, "ports", port_rows(body, id)));
    }
    return rows;
}

static enum rc
store(struct request *request, struct making *making, char **ret_id, bool *ret_is_new,
      struct err *err)
{
    json_auto_t *common = common_columns(request, making), *servers = server_rows(making);
    char *canonical = json_dumps(request_json(request), JSON_COMPACT | JSON_SORT_KEYS);
    g_autofree char *hash = sha256_hex(canonical, strlen(canonical));
    free(canonical);
    struct server_new new = {
        .auth = request_auth(request),
        .request_id = request_id(request),
        .group_id = making->body.group_id,
        .idempotency_key = request_header(request, "Idempotency-Key"),
        .request_hash = hash,
        .common = common,
        .servers = servers,
        .lookup = &making->lookup,
        .n = (size_t)making->body.max_count,
    };
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = server_create_db(db, &new, err);
    }
    if (rc == RC_QUOTA &&
        making->body.min_count < making->body.max_count) { // as few as asked for may still fit
        new.n = (size_t)making->body.min_count;
        rc = server_create_db(db, &new, err);
    }
    *ret_is_new = !new.existing;
    *ret_id = new.existing ? new.existing : g_strdup(making->first_id);
    return rc;
}

static enum rc
answer(struct request *request, struct reply *reply, const struct making *making, const char *id,
       bool is_new, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    const char *base = request_base_url(request), *reservation_id = making->reservation_id;
    const char *disk_config = making->body.disk_config ? making->body.disk_config : "MANUAL";
    json_auto_t *groups = json_array();
    size_t i;
    json_t *group;
    json_array_foreach(making->groups, i, group)
    {
        json_array_append_new(groups, json_pack("{s:O}", "name", json_object_get(group, "name")));
    }
    if (!is_new) {
        enum rc rc = request_db(request, &db, err);
        if (rc != RC_OK || (rc = server_created_db(db, id, &rows, err)) != RC_OK) {
            return rc;
        }
        reservation_id = db_text(rows, 0, "reservation_id");
    }
    if (making->body.return_reservation_id) {
        reply->json = json_pack("{s:s}", "reservation_id", reservation_id);
        return RC_OK;
    }
    g_autofree char *self = g_strdup_printf("%s/v2.1/servers/%s", base, id);
    g_autofree char *bookmark = g_strdup_printf("%s/servers/%s", base, id);
    json_t *server = json_pack("{s:s,s:[{s:s,s:s},{s:s,s:s}],s:s,s:O}", "id", id, "links", "rel",
                               "self", "href", self, "rel", "bookmark", "href", bookmark,
                               "OS-DCF:diskConfig", disk_config, "security_groups", groups);
    if (is_new) { // a repeated request cannot be told the first one's password
        json_object_set_new(
            server, "adminPass",
            json_string(making->body.admin_pass ? making->body.admin_pass : making->password));
    }
    reply_header(reply, "Location", self);
    reply->json = json_pack("{s:o}", "server", server);
    return RC_OK;
}

static enum rc
check_all(struct request *request, struct making *making, struct err *err)
{
    struct db *db;
    enum rc rc = server_body_read(request, &making->body, err);
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK ||
        (rc = server_lookup_db(db, &making->body, request_auth(request), &making->lookup, err)) !=
            RC_OK ||
        (rc = check_own(making, err)) != RC_OK ||
        (rc = check_image(request, making->body.image_id, &making->image, err)) != RC_OK ||
        (rc = check_fits_flavor(making, err)) != RC_OK ||
        (rc = check_networks(request, &making->body, err)) != RC_OK) {
        return rc;
    }
    return check_groups(request, making, err);
}

static void
make_secrets(struct making *making)
{
    g_autofree char *reservation = random_token(9), *password = random_token(9);
    for (char *at = reservation; *at; at++) {
        *at = g_ascii_isalnum(*at) ? g_ascii_tolower(*at) : 'x';
    }
    g_snprintf(making->reservation_id, sizeof(making->reservation_id), "r-%.8s", reservation);
    g_strlcpy(making->password, password, sizeof(making->password));
}

enum rc
server_create(struct request *request, struct reply *reply, struct err *err)
{
    struct making *making = g_new0(struct making, 1);
    g_autofree char *id = NULL;
    bool is_new = true;
    enum rc rc = RC_OK;
    if (!*request_project(request)) {
        rc = fault(err, RC_FORBIDDEN, "A server needs a project: the token has none.");
    }
    if (rc == RC_OK && (rc = check_all(request, making, err)) == RC_OK) {
        make_secrets(making);
        rc = store(request, making, &id, &is_new, err);
    }
    if (rc == RC_OK) {
        rc = answer(request, reply, making, id, is_new, err);
    }
    server_lookup_done(&making->lookup);
    json_decref(making->image);
    json_decref(making->groups);
    g_free(making);
    return rc;
}
