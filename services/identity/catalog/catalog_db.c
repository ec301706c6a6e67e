// SPDX-License-Identifier: Apache-2.0
#include "services/identity/catalog/catalog_db.h"

enum rc
catalog_db_make_region(struct db *db, const char *id, struct err *err)
{
    return db_run(db, "INSERT INTO region (id) VALUES ($1) ON CONFLICT DO NOTHING",
                  DB_ARGS(db_s(id)), NULL, err);
}

enum rc
catalog_db_check_parent(struct db *db, const char *region_id, const char *parent_id,
                        struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_lock_text(db, "region", "parents", err);
    rc =
        rc ? rc
           : db_run(db,
                    "WITH RECURSIVE above (id) AS (SELECT $2::text UNION SELECT r.parent_region_id "
                    "FROM above a JOIN region r ON r.id = a.id WHERE r.parent_region_id IS NOT "
                    "NULL) SELECT id FROM above WHERE id = $1",
                    DB_ARGS(db_s(region_id), db_s(parent_id)), &rows, err);
    return rc || !db_n_rows(rows)
               ? rc
               : fault(err, RC_INVALID,
                       "invalid input for field 'parent_region_id': the specified parent region "
                       "%.255s would create a circular region hierarchy",
                       parent_id);
}

enum rc
catalog_db_version(struct db *db, int64_t *ret_version, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, "SELECT n FROM catalog_version WHERE id = 1", DB_NONE, &rows, err);
    if (rc == RC_OK) {
        *ret_version = db_int(rows, 0, "n");
    }
    return rc;
}

// The services (condition over s) with their endpoints of `shown` (condition over e).
#define CATALOG(shown, services)                                                                  \
    "(SELECT coalesce(json_agg(json_build_object('id', s.id, 'type', s.type, 'name', s.name, "    \
    "'endpoints',"                                                                                \
    " (SELECT coalesce(json_agg(json_build_object('id', e.id, 'interface', e.interface, "         \
    "'region_id', e.region_id, 'url', e.url,"                                                     \
    " 'region', e.region_id) ORDER BY e.interface, e.id), '[]') FROM shown e WHERE e.service_id " \
    "= s.id AND " shown                                                                           \
    ")) ORDER BY s.type, s.id), '[]')::text FROM service s WHERE s.enabled AND " services ")"
// $1 is the project's id. To be closed with ")".
#define SHOWN                                                                                \
    "WITH shown AS (SELECT e.id, e.service_id, e.region_id, e.interface,"                    \
    " replace(replace(replace(replace(e.url, '$(project_id)s', $1), '%(project_id)s', $1), " \
    "'$(tenant_id)s', $1), '%(tenant_id)s', $1) AS url,"                                     \
    " e.url ~ '[$%][(](project|tenant)_id[)]s' AS names_project FROM endpoint e WHERE "      \
    "e.enabled"

enum rc
catalog_db_texts(struct db *db, const char *hole, struct catalog_texts *ret_texts, struct err *err)
{
    static const char sql[] = SHOWN
        ")"
        " SELECT " CATALOG("true", "true") " AS scoped, " CATALOG(
            "NOT e.names_project",
            "true") " AS unscoped, (SELECT json_agg(json_build_object('auth_url', p.auth_url, "
                    "'id', p.id, 'sp_url', p.sp_url) ORDER BY p.id)::text FROM service_provider p "
                    "WHERE p.enabled) AS providers, n FROM catalog_version WHERE id = 1";
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, sql, DB_ARGS(db_s(hole)), &rows, err);
    if (rc == RC_OK) {
        *ret_texts = (struct catalog_texts){.scoped = g_strdup(db_text(rows, 0, "scoped")),
                                            .unscoped = g_strdup(db_text(rows, 0, "unscoped")),
                                            .providers = g_strdup(db_text(rows, 0, "providers")),
                                            .version = db_int(rows, 0, "n")};
    }
    return rc;
}

enum rc
catalog_db_filtered(struct db *db, json_t **ret_ids, struct err *err)
{
    return db_run_json(db,
                       "SELECT coalesce(json_agg(DISTINCT project_id), '[]') AS ids FROM "
                       "endpoint_of_project",
                       DB_NONE, ret_ids, err);
}

enum rc
catalog_db_text_of(struct db *db, const char *project_id, char **ret_text, struct err *err)
{
    static const char sql[] =
        SHOWN " AND e.id IN (SELECT endpoint_id FROM endpoint_of_project WHERE project_id = $1)) "
              "SELECT " CATALOG("true", "s.id IN (SELECT service_id FROM shown)") " AS value";
    return db_run_text(db, sql, DB_ARGS(db_s(project_id)), ret_text, err);
}

enum rc
catalog_db_service_type(struct db *db, const char *service_id, char **ret_type, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, "SELECT type FROM service WHERE id = $1", DB_ARGS(db_s(service_id)),
                            &rows, err);
    if (rc == RC_OK) {
        *ret_type = g_strdup(db_text(rows, 0, "type"));
    }
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find service: %.64s.", service_id) : rc;
}
