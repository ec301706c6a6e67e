// SPDX-License-Identifier: Apache-2.0
// The layers of an image archive, to whoever may see the image.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/catalog/layer_db.h"

static enum rc
layers_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(image_row) image = NULL;
    g_autofree char *items = NULL;
    struct db *db;
    enum rc rc = image_open(request, "get_image", &db, &image, err);
    // What is only staged is not the image's yet.
    if (rc == RC_OK && image->has_data) {
        rc = layer_db_list(db, image->id, &items, err);
    }
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"layers\": %s}", items ? items : "[]");
    }
    return rc;
}

const struct route layers_routes[] = {
    {.method = "GET",
     .path = "/v2/images/{image_id}/layers",
     .handle = layers_list,
     .status = 200,
     .summary = "list the layers of an image archive, lowest first"},
    {0},
};
