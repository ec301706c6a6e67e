// SPDX-License-Identifier: Apache-2.0
// Stores as clients see them: which there are, which of them an image is in, and leaving one.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/store/location_db.h"

#include <string.h>

static json_t *
view_store(const struct stores *stores, const struct store *store, bool is_detailed)
{
    json_t *view = json_pack("{s:s}", "id", store_name(store));
    if (*store_description(store)) {
        json_object_set_new(view, "description", json_string(store_description(store)));
    }
    if (store == stores_default(stores)) {
        json_object_set_new(view, "default", json_string("true"));
    }
    if (is_detailed) {
        json_object_set_new(view, "type", json_string(store_kind(store)));
        json_object_set_new(view, "properties", store_describe(store));
    }
    return view;
}

static enum rc
info_stores(struct request *request, struct reply *reply, struct err *err)
{
    const struct stores *stores = image_service_of(request)->stores;
    bool is_detailed = request_route(request)->data != NULL;
    json_t *list = json_array();
    for (guint i = 0; i < stores_count(stores); i++) {
        json_array_append_new(list, view_store(stores, stores_at(stores, i), is_detailed));
    }
    reply->json = json_pack("{s:o}", "stores", list);
    return RC_OK;
}

static enum rc
leave_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct request *request = argument;
    struct viewer viewer = viewer_of(request);
    g_autoptr(image_row) row = NULL;
    enum rc rc = image_db_find(db, &viewer, request_param(request, "image_id"), true, &row, err);
    if (rc == RC_OK) {
        rc = image_allow(request, "get_image_location", row, NULL, err);
    }
    if (rc == RC_OK) {
        rc = image_allow(request, "delete_image_location", row, NULL, err);
    }
    if (rc == RC_OK && strcmp(row->status, "active")) {
        return fault(err, RC_CONFLICT,
                     "It's not allowed to remove image data from store if image status is not "
                     "'active'");
    }
    return rc == RC_OK ? location_db_leave(db, row->id, request_param(request, "store_id"), err)
                       : rc;
}

static enum rc
store_leave(struct request *request, struct reply *reply, struct err *err)
{
    const char *name = request_param(request, "store_id");
    struct db *db;
    if (!stores_find(image_service_of(request)->stores, name)) {
        return fault(err, RC_CONFLICT, "The selected store %.64s is not available on this node.",
                     name);
    }
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? db_tx(db, leave_in_tx, request, err) : rc;
}

static const char detailed[] = "detailed";
// clang-format off
const struct route stores_routes[] = {
    {.method = "GET", .path = "/v2/info/stores", .handle = info_stores, .status = 200, .summary = "list stores"},
    {.method = "GET", .path = "/v2/info/stores/detail", .handle = info_stores, .policy = "stores_info_detail", .status = 200, .data = detailed,
     .summary = "list stores with their properties"},
    {.method = "DELETE", .path = "/v2/stores/{store_id}/{image_id}", .handle = store_leave, .status = 204, .flags = ROUTE_ANY_BODY,
     .summary = "remove an image's data from a store"},
    {0},
};
// clang-format on
