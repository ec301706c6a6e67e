// SPDX-License-Identifier: Apache-2.0
#include "services/identity/catalog/endpoint_filter_db.h"
#include "services/identity/tenancy/member_db.h"

static const struct {
    const char *exists, *add, *has, *remove, *missing;
} statements[] = {
    [FILTER_ENDPOINT] =
        {"SELECT id FROM endpoint WHERE id = $1",
         "INSERT INTO project_endpoint (project_id, endpoint_id) VALUES ($1, $2)",
         "SELECT 1 AS one FROM project_endpoint WHERE project_id = $1 AND endpoint_id = $2",
         "DELETE FROM project_endpoint WHERE project_id = $1 AND endpoint_id = $2 RETURNING 1",
         "endpoint"},
    [FILTER_GROUP] =
        {"SELECT id FROM endpoint_group WHERE id = $1",
         "INSERT INTO project_endpoint_group (project_id, endpoint_group_id) VALUES ($1, $2)",
         "SELECT 1 AS one FROM project_endpoint_group WHERE project_id = $1 AND "
         "endpoint_group_id = $2",
         "DELETE FROM project_endpoint_group WHERE project_id = $1 AND endpoint_group_id = $2 "
         "RETURNING 1",
         "endpoint group"},
};

enum rc
filter_db_check_parts(struct db *db, enum filter_kind kind, const char *project_id, const char *id,
                      struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = project_id ? member_db_exists(db, "project", project_id, err) : RC_OK;
    if (rc || !id) {
        return rc;
    }
    rc = db_run_one(db, statements[kind].exists, DB_ARGS(db_s(id)), &rows, err);
    return rc == RC_NOT_FOUND
               ? fault(err, rc, "Could not find %s: %.64s.", statements[kind].missing, id)
               : rc;
}

static enum rc
or_missing(enum rc rc, enum filter_kind kind, const char *project_id, const char *id,
           struct err *err)
{
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find %s %.64s in project %.64s.",
                                      statements[kind].missing, id, project_id)
                              : rc;
}

enum rc
filter_db_add(struct db *db, enum filter_kind kind, const char *project_id, const char *id,
              struct err *err)
{
    enum rc rc = db_run(db, statements[kind].add, DB_ARGS(db_s(project_id), db_s(id)), NULL, err);
    return rc == RC_CONFLICT
               ? fault(err, rc, "Conflict occurred attempting to store %s %.64s - it is there.",
                       statements[kind].missing, id)
               : rc;
}

enum rc
filter_db_has(struct db *db, enum filter_kind kind, const char *project_id, const char *id,
              struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run_one(db, statements[kind].has, DB_ARGS(db_s(project_id), db_s(id)), &rows, err);
    return or_missing(rc, kind, project_id, id, err);
}

enum rc
filter_db_remove(struct db *db, enum filter_kind kind, const char *project_id, const char *id,
                 struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run_one(db, statements[kind].remove, DB_ARGS(db_s(project_id), db_s(id)), &rows, err);
    return or_missing(rc, kind, project_id, id, err);
}

// $1 is the id, $2 the base URL.
#define ENDPOINTS_OF(ids)                                                                    \
    "SELECT coalesce(jsonb_agg(e.extra || jsonb_build_object('id', e.id, 'interface', "      \
    "e.interface, 'region', e.region_id, 'region_id', e.region_id, 'service_id', "           \
    "e.service_id, 'url', e.url, 'enabled', e.enabled, 'links', jsonb_build_object('self', " \
    "$2 || '/v3/endpoints/' || e.id)) ORDER BY e.id), '[]')::text AS value FROM endpoint e " \
    "WHERE e.id IN (" ids ")"
#define PROJECTS_OF(ids)                                                                   \
    "SELECT coalesce(jsonb_agg(p.extra || jsonb_build_object('id', p.id, 'name', p.name, " \
    "'domain_id', p.domain_id, 'parent_id', p.parent_id, 'description', p.description, "   \
    "'enabled', p.enabled, 'is_domain', false, 'tags', p.tags, 'options', p.options, "     \
    "'links', jsonb_build_object('self', $2 || '/v3/projects/' || p.id)) ORDER BY p.id), " \
    "'[]')::text AS value FROM project p WHERE p.id IN (" ids ")"
static const char *const lists[] = {
    [PROJECT_ENDPOINTS] =
        ENDPOINTS_OF("SELECT endpoint_id FROM endpoint_of_project WHERE project_id = $1"),
    [PROJECT_GROUPS] =
        "SELECT coalesce(jsonb_agg(g.extra || jsonb_build_object('id', g.id, 'name', g.name, "
        "'description', g.description, 'filters', g.filters, 'links', jsonb_build_object('self', "
        "$2 || '/v3/OS-EP-FILTER/endpoint_groups/' || g.id)) ORDER BY g.id), '[]')::text AS value "
        "FROM endpoint_group g JOIN project_endpoint_group p ON p.endpoint_group_id = g.id WHERE "
        "p.project_id = $1",
    [ENDPOINT_PROJECTS] =
        PROJECTS_OF("SELECT project_id FROM endpoint_of_project WHERE endpoint_id = $1"),
    [GROUP_PROJECTS] =
        PROJECTS_OF("SELECT project_id FROM project_endpoint_group WHERE endpoint_group_id = $1"),
    [GROUP_ENDPOINTS] =
        ENDPOINTS_OF("SELECT endpoint_id FROM endpoint_of_group WHERE endpoint_group_id = $1"),
};

enum rc
filter_db_list(struct db *db, enum filter_list list, const char *id, const char *base_url,
               char **ret_text, struct err *err)
{
    return db_run_text(db, lists[list], DB_ARGS(db_s(id), db_s(base_url)), ret_text, err);
}
