// SPDX-License-Identifier: Apache-2.0
// Tags of any resource that has a `tags` column.
#pragma once
#include "common/db/db.h"
#include <jansson.h>

struct resource;
// Locks the row and reads its tags (ret_tags: new reference). RC_FORBIDDEN when it is not
// project_id's (NULL: an administrator).
enum rc tag_db_read(struct db *db, const struct resource *resource, const char *id,
                    const char *project_id, json_t **ret_tags, struct err *err) CHECKED;
enum rc tag_db_write(struct db *db, const struct resource *resource, const char *id, json_t *tags,
                     struct err *err) CHECKED;
