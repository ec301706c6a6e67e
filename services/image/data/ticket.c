// SPDX-License-Identifier: Apache-2.0
// Download tickets for hosts that have no token: "<expiry in µs>.<HMAC-SHA256 over image id and
// expiry>", the key from the database, so that every process of this service accepts what another
// one made.
#include "common/base/digest.h"
#include "services/image/access.h"
#include "services/image/api.h"

#include <openssl/hmac.h>
#include <string.h>

struct ticket_body {
    const char *project_id;
};
static const struct field ticket_fields[] = {
    FIELD(struct ticket_body, project_id, "project_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
};
static const struct body_spec ticket_spec = {NULL, ticket_fields, N_ELEMENTS(ticket_fields),
                                             sizeof(struct ticket_body), BODY_REFUSE_UNKNOWN};

static char *
signature_of(const struct image_service *image, const char *image_id, int64_t expires_us)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    g_autofree char *text =
        g_strdup_printf("image-ticket:%s:%" G_GINT64_FORMAT, image_id, expires_us);
    HMAC(EVP_sha256(), image->ticket_key, (int)strlen(image->ticket_key),
         (const unsigned char *)text, strlen(text), mac, &size);
    return base64url_encode(mac, size);
}

bool
ticket_is_valid(const struct image_service *image, const char *image_id, const char *ticket)
{
    g_auto(GStrv) parts = g_strsplit(ticket, ".", 2);
    g_autofree char *id = g_ascii_strdown(image_id, -1);
    int64_t expires_us;
    if (g_strv_length(parts) != 2 || !parse_int64(parts[0], 1, INT64_MAX, &expires_us) ||
        expires_us < now_us()) {
        return false;
    }
    g_autofree char *expected = signature_of(image, id, expires_us);
    return equal_constant_time(expected, parts[1]);
}

static char *
ticket_url(const struct request *request, const char *image_id, int64_t expires_us)
{
    const struct image_service *image = image_service_of(request);
    const char *base = *image->public_url ? image->public_url : request_base_url(request);
    g_autofree char *signature = signature_of(image, image_id, expires_us);
    return g_strdup_printf("%s/v2/images/%s/file?ticket=%" G_GINT64_FORMAT ".%s", base, image_id,
                           expires_us, signature);
}

static enum rc
ticket_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct ticket_body *body = request_body(request);
    const struct viewer viewer = {.project_id = body->project_id};
    g_autoptr(image_row) row = NULL;
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = image_db_find(db, &viewer, request_param(request, "image_id"), false, &row, err);
    }
    if (rc == RC_OK && strcmp(row->status, "active")) {
        return fault(err, RC_CONFLICT, "Image %s is not active.", row->id);
    }
    if (rc != RC_OK) {
        return rc;
    }
    int64_t expires_us = now_us() + image_service_of(request)->ticket_ttl_s * G_USEC_PER_SEC;
    char expires_at[32];
    iso8601_format(expires_us, false, expires_at);
    g_autofree char *url = ticket_url(request, row->id, expires_us);
    reply->json = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:s?, s:s}", "id",
                            row->id, "url", url, "size", (json_int_t)row->size, "os_hash_algo",
                            digest_algo_of(row->digest)->name, "os_hash_value", row->digest,
                            "disk_format", row->disk_format, "container_format",
                            row->container_format, "min_disk", (json_int_t)row->min_disk, "min_ram",
                            (json_int_t)row->min_ram, "name", row->name, "expires_at", expires_at);
    return RC_OK;
}

// clang-format off
const struct route ticket_routes[] = {
    {.method = "POST", .path = "/internal/v1/images/{image_id}/ticket", .handle = ticket_create, .policy = "make_ticket", .status = 200,
     .body = &ticket_spec, .summary = "a URL that downloads an image without a token"},
    {0},
};
// clang-format on
