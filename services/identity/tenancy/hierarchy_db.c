// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/hierarchy_db.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

enum rc
hierarchy_db_place(struct db *db, const char *parent_id, struct place *ret_place, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT coalesce(p.domain_id, p.id) AS domain_id, cardinality(p.ancestors) + 1 AS n_above,"
        // the row itself as it is when its lock is there, not as it was when the statement began
        " CASE WHEN NOT p.enabled THEN p.id ELSE (SELECT a.id FROM tenancy a WHERE a.id = ANY "
        "(p.ancestors) AND NOT a.enabled ORDER BY cardinality(a.ancestors) DESC LIMIT 1) END AS "
        "disabled_id"
        " FROM tenancy p WHERE p.id = $1 FOR SHARE OF p",
        DB_ARGS(db_s(parent_id)), &row, err);
    if (rc == RC_OK) {
        const char *disabled_id = db_text(row, 0, "disabled_id");
        *ret_place = (struct place){.n_above = db_int(row, 0, "n_above")};
        g_strlcpy(ret_place->domain_id, db_text(row, 0, "domain_id"), sizeof ret_place->domain_id);
        g_strlcpy(ret_place->disabled_id, disabled_id ? disabled_id : "",
                  sizeof ret_place->disabled_id);
    }
    return rc;
}

static enum rc
one_bool(struct db *db, const char *sql, const char *project_id, bool *ret_value, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(db, sql, DB_ARGS(db_s(project_id)), &row, err);
    if (rc == RC_OK) {
        *ret_value = db_bool(row, 0, "value");
    }
    return rc;
}

enum rc
hierarchy_db_above_enabled(struct db *db, const char *project_id, bool *ret_enabled,
                           struct err *err)
{
    return one_bool(db,
                    "SELECT coalesce(bool_and(enabled), true) AS value FROM (SELECT enabled FROM "
                    "tenancy WHERE id = ANY ((SELECT ancestors FROM tenancy WHERE id = "
                    "$1)::text[]) ORDER BY cardinality(ancestors) FOR SHARE) above",
                    project_id, ret_enabled, err);
}

enum rc
hierarchy_db_below_disabled(struct db *db, const char *project_id, bool *ret_disabled,
                            struct err *err)
{
    return one_bool(db,
                    "SELECT NOT EXISTS (SELECT 1 FROM tenancy WHERE ancestors @> ARRAY[$1::text] "
                    "AND enabled) AS value",
                    project_id, ret_disabled, err);
}

#define ABOVE                                                                   \
    " FROM tenancy p WHERE p.id = ANY ((SELECT ancestors FROM tenancy WHERE id" \
    " = $1)::text[])"
#define ABOVE_ORDER " ORDER BY cardinality(p.ancestors) DESC"
#define BELOW " FROM tenancy p WHERE p.ancestors @> ARRAY[$1::text]"
#define BELOW_ORDER " ORDER BY cardinality(p.ancestors), p.name, p.id LIMIT " TEXT(HIERARCHY_MAX)

enum rc
hierarchy_db_ids(struct db *db, const char *project_id, bool above, db_result **ret_rows,
                 struct err *err)
{
    return db_run(db,
                  above ? "SELECT p.id, p.parent_id" ABOVE ABOVE_ORDER
                        : "SELECT p.id, p.parent_id" BELOW BELOW_ORDER,
                  DB_ARGS(db_s(project_id)), ret_rows, err);
}

#define MINE " AND p.id IN (SELECT target_id FROM effective_assignment WHERE user_id = $2)"
#define LIMITS                                                                                     \
    "CASE WHEN $4::bool THEN jsonb_build_object('limits', (SELECT coalesce(jsonb_agg("             \
    "jsonb_build_object('id', l.id, 'project_id', l.project_id, 'domain_id', l.domain_id, "        \
    "'service_id', l.service_id, 'region_id', l.region_id, 'resource_name', l.resource_name, "     \
    "'resource_limit', l.resource_limit, 'description', l.description) ORDER BY l.id), '[]') FROM" \
    " project_limit l WHERE l.project_id = p.id)) ELSE '{}' END"
#define ITEM                                                                                     \
    "jsonb_build_object('project', p.extra || jsonb_build_object('id', p.id, 'name', p.name, "   \
    "'domain_id', p.domain_id, 'parent_id', p.parent_id, 'is_domain', p.is_domain, "             \
    "'description', p.description, 'enabled', p.enabled, 'tags', p.tags, 'options', p.options, " \
    "'links', jsonb_build_object('self', $3 || '/v3/projects/' || p.id)) || " LIMITS ") AS item, "

#define LIST(from, order)                                                                        \
    "SELECT coalesce(jsonb_agg(item ORDER BY position), '[]')::text AS value FROM (SELECT " ITEM \
    "row_number() OVER (" order ") AS position" from MINE " LIMIT " TEXT(HIERARCHY_MAX) ") items"

enum rc
hierarchy_db_list(struct db *db, const struct hierarchy_query *query, char **ret_text,
                  struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        db_run_one(db,
                   query->above ? LIST(ABOVE, "ORDER BY cardinality(p.ancestors) DESC")
                                : LIST(BELOW, "ORDER BY cardinality(p.ancestors), p.name, p.id"),
                   DB_ARGS(db_s(query->project_id), db_s(query->user_id), db_s(query->base_url),
                           db_b(query->with_limits)),
                   &row, err);
    if (rc == RC_OK) {
        *ret_text = g_strdup(db_text(row, 0, "value"));
    }
    return rc;
}
