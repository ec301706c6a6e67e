// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "common/db/db.h"
#include <jansson.h>

// cached: [{"image_id"}…]. ret_gone: array of the ids that are no image's any more; new reference.
enum rc cache_db_gone(struct db *db, json_t *cached, json_t **ret_gone, struct err *err) CHECKED;
