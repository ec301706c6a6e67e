// SPDX-License-Identifier: Apache-2.0
// Action "rebuild": another image for the same server, on the same host with the same ports. The
// agent takes the old guest away, then makes the new one.
#include <arpa/inet.h>
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/server.h"
#include "services/compute/api/server_change_db.h"
#include "services/compute/api/server_check.h"
#include "services/compute/api/server_meta.h"

#define B struct rebuild_body
#define BYTES_PER_GIB (INT64_C(1) << 30)

struct rebuild_body {
    const char *image_id, *name, *admin_pass, *access_ipv4, *access_ipv6, *disk_config,
        *description;
    const char *key_name, *user_data, *hostname;
    json_t *metadata, *personality, *certificates;
    bool preserve_ephemeral;
};
// clang-format off
enum { R_IMAGE, R_NAME, R_PASS, R_IPV4, R_IPV6, R_DISK, R_META, R_EPHEMERAL, R_PERSONALITY, R_DESCRIPTION, R_KEY, R_DATA, R_CERTIFICATES, R_HOSTNAME, N_R };
static const char *const disk_configs[] = {"AUTO", "MANUAL", NULL};
static const struct field fields[N_R] = {
    [R_IMAGE] = FIELD(B, image_id, "imageRef", FIELD_UUID, FIELD_REQUIRED),
    [R_NAME] = FIELD(B, name, "name", FIELD_TEXT, 0, 1, 255),
    [R_PASS] = FIELD(B, admin_pass, "adminPass", FIELD_TEXT, FIELD_SECRET, 1, 255),
    [R_IPV4] = FIELD(B, access_ipv4, "accessIPv4", FIELD_TEXT, 0, 0, 64),
    [R_IPV6] = FIELD(B, access_ipv6, "accessIPv6", FIELD_TEXT, 0, 0, 64),
    [R_DISK] = {.name = "OS-DCF:diskConfig", .type = FIELD_TEXT, .offset = offsetof(B, disk_config), .values = disk_configs},
    [R_META] = FIELD(B, metadata, "metadata", FIELD_OBJECT, 0),
    [R_EPHEMERAL] = FIELD(B, preserve_ephemeral, "preserve_ephemeral", FIELD_BOOL, FIELD_LAX),
    [R_PERSONALITY] = FIELD(B, personality, "personality", FIELD_ARRAY, 0, 0, 255),
    [R_DESCRIPTION] = FIELD(B, description, "description", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
    [R_KEY] = FIELD(B, key_name, "key_name", FIELD_TEXT, FIELD_NULLABLE, 1, 255),
    [R_DATA] = FIELD(B, user_data, "user_data", FIELD_TEXT, FIELD_NULLABLE | FIELD_SECRET, 0, 65535),
    [R_CERTIFICATES] = FIELD(B, certificates, "trusted_image_certificates", FIELD_ANY, 0),
    [R_HOSTNAME] = FIELD(B, hostname, "hostname", FIELD_TEXT, 0, 2, 63),
};
static const struct body_spec spec = {.fields = fields, .n_fields = N_R, .struct_size = sizeof(B)};
static const struct { int field; unsigned min, max; } versions[] = {
    {R_PERSONALITY, 1, 56}, {R_DESCRIPTION, 19, 0}, {R_KEY, 54, 0}, {R_DATA, 57, 0}, {R_CERTIFICATES, 63, 0}, {R_HOSTNAME, 90, 0},
};
static const struct server_step rebuild_step = {LIFE_EV_REBUILD, "rebuild", "compute_rebuild_instance", "rebuild", "absent", .due_s = 5, .deadline_s = 300};
// clang-format on

static enum rc
check_body(const B *body, uint64_t present, unsigned version, struct err *err)
{
    unsigned char buffer[16];
    for (size_t i = 0; i < N_ELEMENTS(versions); i++) {
        bool fits = version >= versions[i].min && (!versions[i].max || version <= versions[i].max);
        if ((present >> versions[i].field & 1) && !fits) {
            return fault(err, RC_INVALID,
                         "Additional properties are not allowed ('%s' was unexpected)",
                         fields[versions[i].field].name);
        }
    }
    if (json_array_size(body->personality)) {
        return fault(err, RC_INVALID, "personality is not supported.");
    }
    if (body->name && (!text_is_clean(body->name, 255) || g_ascii_isspace(body->name[0]) ||
                       g_ascii_isspace(body->name[strlen(body->name) - 1]))) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'name': it has control characters or outer spaces");
    }
    if (body->access_ipv4 && *body->access_ipv4 &&
        inet_pton(AF_INET, body->access_ipv4, buffer) != 1) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'accessIPv4': it is not an IPv4 address");
    }
    if (body->access_ipv6 && *body->access_ipv6 &&
        inet_pton(AF_INET6, body->access_ipv6, buffer) != 1) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'accessIPv6': it is not an IPv6 address");
    }
    return meta_check(body->metadata, err);
}

static enum rc
answer(struct request *request, struct reply *reply, const B *body, const char *id, struct err *err)
{
    enum rc rc = server_reply(request, reply, id, VIEW_REBUILD, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *made = random_token(9), *text = g_steal_pointer(&reply->text);
    json_t *root = json_loads(text, 0, NULL);
    json_object_set_new(json_object_get(root, "server"), "adminPass",
                        json_string(body->admin_pass ? body->admin_pass : made));
    reply->json = root;
    reply_header_format(reply, "Location", "%s/v2.1/servers/%s", request_base_url(request), id);
    return RC_OK;
}

static struct server_rebuild
rebuild_of(struct request *request, const B *body, uint64_t present, json_t *image)
{
    int64_t size = json_integer_value(json_object_get(image, "size"));
    int64_t min_disk = json_integer_value(json_object_get(image, "min_disk"));
    return (struct server_rebuild){
        .image_id = body->image_id,
        .name = body->name,
        .description = body->description,
        .disk_config = body->disk_config,
        .access_ipv4 = body->access_ipv4,
        .access_ipv6 = body->access_ipv6,
        .hostname = body->hostname,
        .key_name = body->key_name,
        .user_data = body->user_data,
        .user_id = request_auth(request)->user_id,
        .sets_key = present >> R_KEY & 1,
        .sets_user_data = present >> R_DATA & 1,
        .sets_description = present >> R_DESCRIPTION & 1,
        .min_ram_mib = json_integer_value(json_object_get(image, "min_ram")),
        .min_disk_gib = MAX(min_disk, (size + BYTES_PER_GIB - 1) / BYTES_PER_GIB),
    };
}

static enum rc
run(struct request *request, const B *body, uint64_t present, json_t *image, struct err *err)
{
    json_auto_t *kept = image_kept(image);
    char *image_text = json_dumps(kept, JSON_COMPACT);
    char *metadata = body->metadata ? json_dumps(body->metadata, JSON_COMPACT) : NULL;
    struct server_rebuild rebuild = rebuild_of(request, body, present, image);
    struct server_actor actor = {
        .server_id = request_param(request, "server_id"),
        .project_id = request_is_admin(request) ? NULL : request_project(request),
        .auth = request_auth(request),
        .request_id = request_id(request),
        .also = server_db_rebuild,
        .argument = &rebuild,
    };
    struct db *db;
    rebuild.image_json = image_text;
    rebuild.metadata_json = metadata;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = server_db_step(db, &actor, &rebuild_step, err);
    }
    free(image_text);
    free(metadata);
    return rc;
}

enum rc
server_rebuild(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    B body;
    uint64_t present = 0;
    json_auto_t *image = NULL;
    struct server_brief server;
    struct db *db;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc != RC_OK || (rc = body_decode(&spec, argument, &body, &present, err)) != RC_OK ||
        (rc = check_body(&body, present, request_version(request), err)) != RC_OK ||
        (rc = check_image(request, body.image_id, &image, err)) != RC_OK ||
        (rc = run(request, &body, present, image, err)) != RC_OK) {
        return rc;
    }
    return answer(request, reply, &body, server.id, err);
}
