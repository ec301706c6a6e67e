// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "services/identity/identity.h"

enum rc catalog_db_make_region(struct db *db, const char *id, struct err *err) CHECKED;
// RC_INVALID: the region is the parent or above it. In a transaction, which others wait for.
enum rc catalog_db_check_parent(struct db *db, const char *region_id, const char *parent_id,
                                struct err *err) CHECKED;
enum rc catalog_db_version(struct db *db, int64_t *ret_version, struct err *err) CHECKED;
// The catalog as a JSON array with `hole` where URLs name the project, the same without such
// endpoints, the enabled service providers (NULL: none) and the version, as of one moment. The
// caller frees the texts.
struct catalog_texts {
    char *scoped, *unscoped, *providers;
    int64_t version;
};
enum rc catalog_db_texts(struct db *db, const char *hole, struct catalog_texts *ret_texts,
                         struct err *err) CHECKED;
// ids: JSON array of the projects that see only some endpoints.
enum rc catalog_db_filtered(struct db *db, json_t **ret_ids, struct err *err) CHECKED;
// The catalog of one of them; the caller frees.
enum rc catalog_db_text_of(struct db *db, const char *project_id, char **ret_text,
                           struct err *err) CHECKED;
enum rc catalog_db_service_type(struct db *db, const char *service_id, char **ret_type,
                                struct err *err) CHECKED;
