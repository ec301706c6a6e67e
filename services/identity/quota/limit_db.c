// SPDX-License-Identifier: Apache-2.0
#include "services/identity/quota/limit_db.h"

#include "common/base/util.h"

enum rc
limit_db_lock(struct db *db, struct err *err)
{
    return db_lock_text(db, "limits", "all", err);
}

enum rc
limit_db_find_refs(struct db *db, const struct limit_refs *refs, db_result **ret_row,
                   struct err *err)
{
    return db_run_one(
        db,
        "SELECT EXISTS (SELECT FROM service WHERE id = $1) AS has_service, EXISTS (SELECT FROM "
        "region WHERE id = $2) AS has_region, EXISTS (SELECT FROM tenancy WHERE id = $3 AND NOT "
        "is_domain) AS is_project, EXISTS (SELECT FROM tenancy WHERE id = $3 AND is_domain) AS "
        "is_domain, EXISTS (SELECT FROM domain WHERE id = $4) AS has_domain, EXISTS (SELECT FROM "
        "registered_limit WHERE service_id = $1 AND (region_id IS NULL OR region_id = $2) AND "
        "resource_name = $5) AS is_registered",
        DB_ARGS(db_s(refs->service_id), db_s(refs->region_id), db_s(refs->project_id),
                db_s(refs->domain_id), db_s(refs->resource_name)),
        ret_row, err);
}

static enum rc
against_model(const db_result *row, struct err *err)
{
    return fault(err, RC_FORBIDDEN,
                 "Invalid resource limit: The resource limit (%s: %s, resource_name: %s, "
                 "resource_limit: %s, service_id: %s, region_id: %s) doesn't satisfy current "
                 "hierarchy model.",
                 db_bool(row, 0, "is_project") ? "project_id" : "domain_id",
                 db_text(row, 0, "target"), db_text(row, 0, "resource_name"),
                 db_text(row, 0, "resource_limit"), db_text(row, 0, "service_id"),
                 db_text(row, 0, "region_id") ? db_text(row, 0, "region_id") : "None");
}

#define BREAKS                                                                           \
    "SELECT coalesce(l.project_id, l.domain_id) AS target, l.project_id IS NOT NULL AS " \
    "is_project, l.resource_name, l.resource_limit, l.service_id, l.region_id FROM "     \
    "project_limit l JOIN service s ON s.id = l.service_id WHERE limit_breaks_model("    \
    "s.type, l.resource_name, coalesce(l.project_id, l.domain_id)) AND "

// sql: begins with BREAKS.
static enum rc
check_rows(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
           struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, sql, args, n_args, &rows, err);
    return rc == RC_OK && db_n_rows(rows) ? against_model(rows, err) : rc;
}

enum rc
limit_db_check_model(struct db *db, const char *limit_id, struct err *err)
{
    return check_rows(db, BREAKS "l.id = $1", DB_ARGS(db_s(limit_id)), err);
}

enum rc
limit_db_check_rest(struct db *db, const struct limit_refs *refs, struct err *err)
{
    const char *target = refs->project_id ? refs->project_id : refs->domain_id;
    return check_rows(db,
                      BREAKS "s.type = (SELECT type FROM service WHERE id = $1) AND "
                             "l.resource_name = $2 AND coalesce(l.project_id, l.domain_id) = $3 "
                             "ORDER BY l.id LIMIT 1",
                      DB_ARGS(db_s(refs->service_id), db_s(refs->resource_name), db_s(target)),
                      err);
}

// Only this model bounds a project by a default, and by a domain's limit that may go.
#define BREAKS_TWO_LEVELS BREAKS "(SELECT model FROM quota_setting) = 'strict_two_level' AND "

enum rc
limit_db_check_resource(struct db *db, const char *service_id, const char *resource_name,
                        struct err *err)
{
    return check_rows(db,
                      BREAKS_TWO_LEVELS "s.type = (SELECT type FROM service WHERE id = $1) AND "
                                        "l.resource_name = $2 ORDER BY l.id LIMIT 1",
                      DB_ARGS(db_s(service_id), db_s(resource_name)), err);
}

enum rc
limit_db_check_defaults(struct db *db, const char *limits_json, struct err *err)
{
    return check_rows(db,
                      BREAKS_TWO_LEVELS
                      "(s.type, l.resource_name) IN (SELECT service, resource FROM "
                      "jsonb_to_recordset($1::jsonb) AS w(project_id text, service text, "
                      "resource text) WHERE w.project_id = '') ORDER BY l.id LIMIT 1",
                      DB_ARGS(db_s(limits_json)), err);
}

enum rc
limit_db_check_all(struct db *db, struct err *err)
{
    return check_rows(db, BREAKS "true ORDER BY l.id LIMIT 1", DB_NONE, err);
}

enum rc
limit_db_is_referenced(struct db *db, const char *registered_limit_id, bool *ret_is,
                       struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT EXISTS (SELECT FROM registered_limit r JOIN project_limit l ON l.service_id = "
        "r.service_id AND l.resource_name = r.resource_name WHERE r.id = $1 AND (l.region_id IS "
        "NOT DISTINCT FROM r.region_id OR (r.region_id IS NULL AND NOT EXISTS (SELECT FROM "
        "registered_limit o WHERE o.service_id = l.service_id AND o.resource_name = "
        "l.resource_name AND o.region_id = l.region_id)))) AS is_referenced",
        DB_ARGS(db_s(registered_limit_id)), &rows, err);
    if (rc == RC_OK) {
        *ret_is = db_bool(rows, 0, "is_referenced");
    }
    return rc;
}

// ---- many at once

// $1: the limits; i: each with the registered limit that is in force for its name, and the region
// (held_region_id) of the project's own limit: the one that is in force, else the registered one's.
#define WANTED                                                                                    \
    "WITH i AS (SELECT w.*, r.id AS registered_id, r.service_id, CASE WHEN h.is_held THEN "       \
    "h.region_id ELSE r.region_id END AS held_region_id FROM ROWS FROM "                          \
    "(jsonb_to_recordset($1::jsonb) AS (project_id text, service text, resource text, value "     \
    "bigint)) WITH ORDINALITY AS w(project_id, service, resource, value, position) CROSS JOIN "   \
    "quota_setting q LEFT JOIN LATERAL (SELECT g.id, g.service_id, g.region_id FROM "             \
    "registered_limit g JOIN service s ON s.id = g.service_id WHERE s.type = w.service AND "      \
    "g.resource_name = w.resource AND (g.region_id IS NULL OR g.region_id = q.region_id) ORDER "  \
    "BY g.region_id IS NULL, s.id LIMIT 1) r ON true LEFT JOIN LATERAL (SELECT true AS is_held, " \
    "l.region_id FROM project_limit l WHERE l.project_id = w.project_id AND l.service_id = "      \
    "r.service_id AND l.resource_name = w.resource AND (l.region_id IS NULL OR l.region_id = "    \
    "q.region_id) ORDER BY l.region_id IS NULL LIMIT 1) h ON true) "

enum rc
limit_db_check_names(struct db *db, const char *limits_json, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(
        db,
        WANTED
        "SELECT i.project_id, i.service, i.resource, i.registered_id IS NULL AS is_unknown, "
        "i.project_id = '' AND i.value IS NULL AS is_wrong FROM i WHERE i.registered_id IS NULL OR "
        "(i.project_id = '' AND i.value IS NULL) "
        "OR (i.project_id <> '' AND NOT EXISTS (SELECT FROM project p WHERE p.id = i.project_id)) "
        "ORDER BY i.position LIMIT 1",
        DB_ARGS(db_s(limits_json)), &rows, err);
    if (rc || !db_n_rows(rows)) {
        return rc;
    }
    return db_bool(rows, 0, "is_unknown")
               ? fault(err, RC_INVALID,
                       "invalid input for field 'resource': service '%.64s' has no registered "
                       "limit '%.64s'",
                       db_text(rows, 0, "service"), db_text(rows, 0, "resource"))
           : db_bool(rows, 0, "is_wrong")
               ? fault(err, RC_INVALID,
                       "invalid input for field 'value': a registered limit has a value")
               : fault(err, RC_NOT_FOUND, "Could not find project: %.64s.",
                       db_text(rows, 0, "project_id"));
}

enum rc
limit_db_store(struct db *db, const char *limits_json, struct err *err)
{
    return db_run(
        db,
        WANTED
        ", gone AS (DELETE FROM project_limit l USING i, quota_setting q WHERE i.value IS NULL AND "
        "l.project_id = i.project_id AND l.service_id = i.service_id AND (l.region_id IS NULL OR "
        "l.region_id = q.region_id) AND l.resource_name = i.resource), defaults AS (UPDATE "
        "registered_limit r SET "
        "default_limit = i.value FROM i WHERE i.project_id = '' AND r.id = i.registered_id AND "
        "r.default_limit <> i.value) INSERT INTO project_limit (id, service_id, region_id, "
        "project_id, resource_name, resource_limit) SELECT replace(gen_random_uuid()::text, '-', "
        "''), i.service_id, i.held_region_id, i.project_id, i.resource, i.value FROM i WHERE "
        "i.project_id <> '' AND i.value IS NOT NULL AND i.registered_id IS NOT NULL ORDER BY "
        "i.position ON CONFLICT (service_id, "
        "coalesce(region_id, ''), coalesce(project_id, ''), coalesce(domain_id, ''), "
        "resource_name) DO UPDATE SET resource_limit = excluded.resource_limit WHERE "
        "project_limit.resource_limit <> excluded.resource_limit",
        DB_ARGS(db_s(limits_json)), NULL, err);
}

enum rc
limit_db_check_models(struct db *db, const char *limits_json, struct err *err)
{
    return check_rows(db,
                      BREAKS "(s.type, l.resource_name, l.project_id) IN (SELECT service, "
                             "resource, project_id FROM jsonb_to_recordset($1::jsonb) AS "
                             "w(project_id text, service text, resource text)) ORDER BY l.id "
                             "LIMIT 1",
                      DB_ARGS(db_s(limits_json)), err);
}

enum rc
limit_db_events(struct db *db, const char *limits_json, json_t **ret_events, struct err *err)
{
    return db_run_json(
        db,
        "SELECT coalesce(jsonb_agg(e.body || jsonb_build_object('n', e.n) ORDER BY e.n), '[]') AS "
        "events FROM jsonb_to_recordset($1::jsonb) AS w(project_id text, service text, resource "
        "text) JOIN feed_event e ON e.kind = 'limit' AND e.body->>'project_id' = w.project_id AND "
        "e.body->>'service' = w.service AND e.body->>'resource' = w.resource",
        DB_ARGS(db_s(limits_json)), ret_events, err);
}

enum rc
limit_db_collect(struct db *db, struct err *err)
{
    return db_run(
        db,
        "DELETE FROM feed_event e WHERE e.kind = 'limit' AND e.body -> 'value' = "
        "'null'::jsonb AND e.created_at < now() - interval '1 day' AND e.body ->> "
        "'project_id' <> '' AND NOT EXISTS (SELECT FROM tenancy t WHERE t.id = e.body ->> "
        "'project_id')",
        DB_NONE, NULL, err);
}

// ---- start

#define NAMES                                                                                \
    "jsonb_to_recordset($1::jsonb) AS n(service text, name text, alias text, default_limit " \
    "bigint, description text) JOIN LATERAL (SELECT id FROM service s WHERE s.type = "       \
    "n.service ORDER BY id LIMIT 1) s ON true"

enum rc
limit_db_register(struct db *db, const char *names_json, struct err *err)
{
    return db_run(db,
                  "INSERT INTO registered_limit (id, service_id, resource_name, default_limit, "
                  "description) SELECT replace(gen_random_uuid()::text, '-', ''), s.id, n.name, "
                  "n.default_limit, n.description FROM " NAMES
                  " WHERE NOT EXISTS (SELECT FROM registered_limit r JOIN service o ON o.id = "
                  "r.service_id WHERE o.type = n.service AND r.resource_name = n.name)",
                  DB_ARGS(db_s(names_json)), NULL, err);
}

enum rc
limit_db_adopt(struct db *db, const char *names_json, struct err *err)
{
    static const char insert[] =
        "INSERT INTO project_limit (id, service_id, project_id, resource_name, resource_limit) "
        "SELECT replace(gen_random_uuid()::text, '-', ''), s.id, t.id, n.name, CASE WHEN n.name = "
        "'image_size_total' AND v.value > 0 THEN (v.value + 1048575) / 1048576 ELSE v.value END "
        "FROM " NAMES " JOIN feed_event e ON e.kind = 'limit' AND e.body->>'service' = n.service "
        "AND e.body->>'resource' IN (n.name, n.alias) JOIN tenancy t ON t.id = "
        "e.body->>'project_id', LATERAL (SELECT (e.body->>'value')::bigint AS value) v WHERE "
        "v.value IS NOT NULL AND NOT (SELECT adopted FROM quota_setting) ON CONFLICT DO NOTHING";
    enum rc rc = db_run(db, insert, DB_ARGS(db_s(names_json)), NULL, err);
    return rc ? rc
              : db_run(db,
                       "DELETE FROM feed_event e USING jsonb_to_recordset($1::jsonb) AS n(service "
                       "text, alias text) WHERE e.kind = 'limit' AND e.body->>'service' = "
                       "n.service AND e.body->>'resource' = n.alias",
                       DB_ARGS(db_s(names_json)), NULL, err);
}

enum rc
limit_db_use(struct db *db, const char *model, const char *region_id, struct err *err)
{
    g_autoptr(db_result) changed = NULL;
    enum rc rc = db_run(db,
                        "UPDATE quota_setting SET model = $1, region_id = $2, adopted = true WHERE "
                        "(model, region_id, adopted) <> ($1, $2, true)",
                        DB_ARGS(db_s(model), db_s(region_id)), &changed, err);
    if (rc || !db_n_affected(changed)) {
        return rc;
    }
    rc = limit_db_check_all(db, err);
    return rc ? rc : db_run(db, "SELECT limit_publish_all()", DB_NONE, NULL, err);
}

enum rc
limit_db_model(struct db *db, char **ret_model, struct err *err)
{
    return db_run_text(db, "SELECT model FROM quota_setting WHERE id = 1", DB_NONE, ret_model, err);
}

enum rc
limit_db_check_depth(struct db *db, int depth, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "WITH RECURSIVE down (id, depth) AS (SELECT id, 0 FROM tenancy WHERE "
                        "is_domain UNION ALL SELECT t.id, d.depth + 1 FROM down d JOIN tenancy t "
                        "ON t.parent_id = d.id) SELECT id FROM down WHERE depth > $1::int ORDER BY "
                        "depth, id LIMIT 1",
                        DB_ARGS(db_i(depth)), &rows, err);
    if (rc || !db_n_rows(rows)) {
        return rc;
    }
    return fault(err, RC_CONFLICT,
                 "setting quota.enforcement_model: project '%s' is deeper than %d below its domain",
                 db_text(rows, 0, "id"), depth);
}
