// SPDX-License-Identifier: Apache-2.0
// Flavors in the database. Items are JSON text as the API shows them at a microversion.
#pragma once
#include "common/db/db.h"

struct flavor_query {
    const char *base_url;
    unsigned version; // minor microversion
    bool is_detailed;
    const char *project_id; // visible to it
    bool is_admin;          // sees all
    const char *is_public;  // "true", "false" or NULL: both
    int64_t min_ram, min_disk, limit;
    const char *marker;
    const char *sort_key; // of flavor_sort_keys
    bool is_descending;
};
extern const char *const flavor_sort_keys[][2]; // API name, column; ended by NULL
enum rc flavor_db_list(struct db *db, const struct flavor_query *query, db_result **ret_rows,
                       struct err *err) CHECKED;
// RC_NOT_FOUND when missing or not visible.
enum rc flavor_db_show(struct db *db, const struct flavor_query *query, const char *id,
                       db_result **ret_rows, struct err *err) CHECKED;
struct flavor_new {
    const char *id, *name, *description, *rxtx_factor;
    int64_t vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib;
    bool is_public;
};
enum rc flavor_db_create(struct db *db, const struct flavor_new *flavor, struct err *err) CHECKED;
enum rc flavor_db_describe(struct db *db, const char *id, const char *description,
                           struct err *err) CHECKED;
enum rc flavor_db_delete(struct db *db, const char *id, struct err *err) CHECKED;
// {"extra_specs": {…}} as column item.
enum rc flavor_db_specs(struct db *db, const char *id, db_result **ret_rows,
                        struct err *err) CHECKED;
enum rc flavor_db_set_specs(struct db *db, const char *id, const char *specs_json,
                            struct err *err) CHECKED;
enum rc flavor_db_unset_spec(struct db *db, const char *id, const char *key,
                             struct err *err) CHECKED;
enum rc flavor_db_access(struct db *db, const char *id, db_result **ret_rows,
                         struct err *err) CHECKED;
enum rc flavor_db_grant(struct db *db, const char *id, const char *project_id,
                        struct err *err) CHECKED;
// Every access of a project. ret_n: how many there were.
enum rc flavor_db_revoke_all(struct db *db, const char *project_id, int64_t *ret_n,
                             struct err *err) CHECKED;
enum rc flavor_db_revoke(struct db *db, const char *id, const char *project_id,
                         struct err *err) CHECKED;
