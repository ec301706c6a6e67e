// SPDX-License-Identifier: Apache-2.0
#include "services/identity/catalog/endpoint_policy_db.h"
#include "common/base/util.h"

enum rc
endpoint_policy_db_check_parts(struct db *db, const struct policy_association *association,
                               struct err *err)
{
    const struct {
        const char *id, *kind, *sql;
    } parts[] = {
        {association->policy_id, "policy", "SELECT 1 AS one FROM policy_document WHERE id = $1"},
        {association->endpoint_id, "endpoint", "SELECT 1 AS one FROM endpoint WHERE id = $1"},
        {association->service_id, "service", "SELECT 1 AS one FROM service WHERE id = $1"},
        {association->region_id, "region", "SELECT 1 AS one FROM region WHERE id = $1"},
    };
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(parts); i++) {
        rc = parts[i].id ? db_run_one(db, parts[i].sql, DB_ARGS(db_s(parts[i].id)), NULL, err) : rc;
        if (rc == RC_NOT_FOUND) {
            return fault(err, rc, "Could not find %s: %.64s.", parts[i].kind, parts[i].id);
        }
    }
    return rc;
}

#define ARGS(a)                                                                  \
    DB_ARGS(db_s((a)->policy_id), db_s((a)->endpoint_id), db_s((a)->service_id), \
            db_s((a)->region_id))
#define SAME                                                                                  \
    " policy_id = $1 AND endpoint_id IS NOT DISTINCT FROM $2 AND service_id IS NOT DISTINCT " \
    "FROM $3 AND region_id IS NOT DISTINCT FROM $4"

enum rc
endpoint_policy_db_set(struct db *db, const struct policy_association *association, struct err *err)
{
    return db_run(db,
                  "INSERT INTO policy_association (policy_id, endpoint_id, service_id, region_id) "
                  "VALUES ($1, $2, $3, $4) ON CONFLICT (coalesce(endpoint_id, ''), "
                  "coalesce(service_id, ''), coalesce(region_id, '')) DO UPDATE SET policy_id = "
                  "EXCLUDED.policy_id",
                  ARGS(association), NULL, err);
}

static enum rc
or_missing(enum rc rc, struct err *err)
{
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find the policy association.") : rc;
}

enum rc
endpoint_policy_db_has(struct db *db, const struct policy_association *association, struct err *err)
{
    return or_missing(db_run_one(db, "SELECT 1 AS one FROM policy_association WHERE" SAME,
                                 ARGS(association), NULL, err),
                      err);
}

enum rc
endpoint_policy_db_drop(struct db *db, const struct policy_association *association,
                        struct err *err)
{
    return or_missing(db_run_one(db, "DELETE FROM policy_association WHERE" SAME " RETURNING 1",
                                 ARGS(association), NULL, err),
                      err);
}

enum rc
endpoint_policy_db_endpoints(struct db *db, const char *policy_id, const char *base_url,
                             char **ret_text, struct err *err)
{
    static const char sql[] =
        "WITH RECURSIVE below (service_id, region_id) AS (SELECT service_id, region_id FROM "
        "policy_association WHERE policy_id = $1 AND region_id IS NOT NULL"
        " UNION SELECT b.service_id, r.id FROM below b JOIN region r ON r.parent_region_id = "
        "b.region_id)"
        " SELECT coalesce(json_agg(e.extra || jsonb_build_object('id', e.id, 'service_id', "
        "e.service_id, 'region_id', e.region_id, 'region', e.region_id, 'interface', e.interface, "
        "'url', e.url, 'enabled', e.enabled, 'links', jsonb_build_object('self', $2 || "
        "'/v3/endpoints/' || e.id)) ORDER BY e.id), '[]')::text AS value FROM endpoint e"
        " WHERE EXISTS (SELECT 1 FROM policy_association a WHERE a.policy_id = $1 AND "
        "(a.endpoint_id = e.id OR (a.service_id = e.service_id AND a.region_id IS NULL)))"
        " OR EXISTS (SELECT 1 FROM below b WHERE b.service_id = e.service_id AND b.region_id = "
        "e.region_id)";
    return db_run_text(db, sql, DB_ARGS(db_s(policy_id), db_s(base_url)), ret_text, err);
}

enum rc
endpoint_policy_db_of(struct db *db, const char *endpoint_id, const char *base_url, char **ret_text,
                      struct err *err)
{
    static const char sql[] =
        "WITH RECURSIVE target AS (SELECT id, service_id, region_id FROM endpoint WHERE id = $1),"
        " up (region_id, distance) AS (SELECT region_id, 1 FROM target WHERE region_id IS NOT NULL"
        " UNION ALL SELECT r.parent_region_id, up.distance + 1 FROM up JOIN region r ON r.id = "
        "up.region_id WHERE r.parent_region_id IS NOT NULL AND up.distance < 100),"
        " chosen AS (SELECT a.policy_id, CASE WHEN a.endpoint_id IS NOT NULL THEN 0 ELSE "
        "coalesce(up.distance, 1000) END AS distance FROM target t JOIN policy_association a ON "
        "a.endpoint_id = t.id OR a.service_id = t.service_id LEFT JOIN up ON up.region_id = "
        "a.region_id WHERE a.region_id IS NULL OR up.region_id IS NOT NULL ORDER BY distance LIMIT "
        "1)"
        " SELECT (p.extra || jsonb_build_object('id', p.id, 'type', p.type, 'blob', p.blob, "
        "'links', jsonb_build_object('self', $2 || '/v3/policies/' || p.id)))::text AS value FROM "
        "chosen c JOIN policy_document p ON p.id = c.policy_id";
    enum rc rc = db_run_text(db, sql, DB_ARGS(db_s(endpoint_id), db_s(base_url)), ret_text, err);
    return rc == RC_NOT_FOUND
               ? fault(err, rc, "No policy is associated with endpoint %.64s.", endpoint_id)
               : rc;
}
