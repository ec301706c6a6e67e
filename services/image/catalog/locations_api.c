// SPDX-License-Identifier: Apache-2.0
// POST and GET /v2/images/{image_id}/locations (2.17): add one to a queued image, which is fetched
// meanwhile; where an image's data is, for services.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/catalog/locations.h"
#include "services/image/data/job.h"

#include <string.h>

struct location_body {
    const char *url;
    json_t *validation_data;
};
static const struct field body_fields[] = {
    FIELD(struct location_body, url, "url", FIELD_TEXT, FIELD_REQUIRED),
    FIELD(struct location_body, validation_data, "validation_data", FIELD_OBJECT, 0),
};
static const struct body_spec body_spec = {NULL, body_fields, N_ELEMENTS(body_fields),
                                           sizeof(struct location_body), BODY_ALLOW_UNKNOWN};

// Services may name what only they can reach; nobody else is told what that would be.
static enum rc
check_scheme(const struct request *request, struct err *err)
{
    const struct location_body *body = request_body(request);
    return g_str_has_prefix(body->url, "http") || request_is_allowed(request, "service_api", NULL)
               ? RC_OK
               : fault(err, RC_FORBIDDEN, "Locations are http or https URLs");
}

static enum rc
location_add(struct request *request, struct reply *reply, struct err *err)
{
    const struct location_body *body = request_body(request);
    g_autoptr(image_row) image = NULL;
    struct job_end *end = NULL;
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = image_load(request, db, "add_image_location", &image, err);
    }
    if (rc == RC_OK && strcmp(image->status, "queued")) {
        rc = fault(err, RC_CONFLICT, "It's not allowed to add locations if image status is %s.",
                   image->status);
    }
    if (rc == RC_OK) {
        rc = check_scheme(request, err);
    }
    if (rc == RC_OK) {
        json_auto_t *value =
            json_pack("{s:s, s:O*}", "url", body->url, "validation_data", body->validation_data);
        rc = locations_begin(request, db, &image, value, RC_INVALID, &end, err);
    }
    job_end_unref(end);
    return rc;
}

static enum rc
locations_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(image_row) image = NULL;
    json_auto_t *entry = NULL;
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = image_load(request, db, "fetch_image_location", &image, err);
    }
    if (rc == RC_OK) {
        rc = locations_load(db, image->id, &entry, err);
    }
    if (rc == RC_OK) {
        reply->json = locations_of(image_service_of(request)->stores, entry);
    }
    return rc;
}

// clang-format off
const struct route locations_routes[] = {
    {.method = "POST", .path = "/v2/images/{image_id}/locations", .handle = location_add, .status = 202, .flags = ROUTE_SLOW, .body = &body_spec,
     .summary = "make the data at a URL an image's"},
    {.method = "GET", .path = "/v2/images/{image_id}/locations", .handle = locations_list, .status = 200, .summary = "where an image's data is"},
    {0},
};
// clang-format on
