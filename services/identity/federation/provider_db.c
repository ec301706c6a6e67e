// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/provider_db.h"
#include "services/identity/tenancy/member_db.h"

enum rc
provider_db_make_domain(struct db *db, const char *domain_id, const char *provider_id,
                        struct err *err)
{
    return db_run(db,
                  "INSERT INTO tenancy (id, is_domain, name, description) VALUES ($1, true, $1, "
                  "'Made for the identity provider ' || $2)",
                  DB_ARGS(db_s(domain_id), db_s(provider_id)), NULL, err);
}

#define SHOWN                                                                             \
    "json_build_object('id', p.id, 'mapping_id', p.mapping_id, 'remote_id_attribute', "   \
    "p.remote_id_attribute, 'links', json_build_object('self', $2 || "                    \
    "'/v3/OS-FEDERATION/identity_providers/' || p.provider_id || '/protocols/' || p.id, " \
    "'identity_provider', $2 || '/v3/OS-FEDERATION/identity_providers/' || p.provider_id))"

enum rc
protocol_db_list(struct db *db, const char *provider_id, const char *base_url, char **ret_text,
                 struct err *err)
{
    return db_run_text(db,
                       "SELECT coalesce(json_agg(" SHOWN " ORDER BY p.id), '[]')::text AS items "
                       "FROM federation_protocol p WHERE p.provider_id = $1",
                       DB_ARGS(db_s(provider_id), db_s(base_url)), ret_text, err);
}

static enum rc
not_found(enum rc rc, const char *provider_id, const char *id, struct err *err)
{
    return rc != RC_NOT_FOUND ? rc
                              : fault(err, rc,
                                      "Could not find federated protocol %.64s for Identity "
                                      "Provider: %.64s.",
                                      id, provider_id);
}

enum rc
protocol_db_show(struct db *db, const char *provider_id, const char *id, const char *base_url,
                 char **ret_text, struct err *err)
{
    enum rc rc = db_run_text(db,
                             "SELECT " SHOWN "::text AS item FROM federation_protocol p WHERE "
                             "p.provider_id = $1 AND p.id = $3",
                             DB_ARGS(db_s(provider_id), db_s(base_url), db_s(id)), ret_text, err);
    return not_found(rc, provider_id, id, err);
}

// A mapping that is named here stays until the transaction has ended.
static enum rc
check_mapping(struct db *db, const char *mapping_id, struct err *err)
{
    bool found = false;
    enum rc rc = db_run_any(db, "SELECT FROM federation_mapping WHERE id = $1 FOR SHARE",
                            DB_ARGS(db_s(mapping_id)), &found, err);
    return rc || found ? rc : fault(err, RC_INVALID, "Invalid mapping id: %.64s", mapping_id);
}

enum rc
protocol_db_create(struct db *db, const struct protocol_row *row, struct err *err)
{
    bool found = false;
    enum rc rc = check_mapping(db, row->mapping_id, err);
    rc = rc ? rc
            : db_run_any(db, "SELECT FROM identity_provider WHERE id = $1 FOR SHARE",
                         DB_ARGS(db_s(row->provider_id)), &found, err);
    if (rc || !found) {
        return rc ? rc
                  : fault(err, RC_NOT_FOUND, "Could not find Identity Provider: %.64s.",
                          row->provider_id);
    }
    rc = db_run(db,
                "INSERT INTO federation_protocol (provider_id, id, mapping_id, "
                "remote_id_attribute) VALUES ($1, $2, $3, $4)",
                DB_ARGS(db_s(row->provider_id), db_s(row->id), db_s(row->mapping_id),
                        db_s(row->remote_id_attribute)),
                NULL, err);
    return rc == RC_CONFLICT ? fault(err, rc,
                                     "Conflict occurred attempting to store federation_protocol - "
                                     "Duplicate entry found.")
                             : rc;
}

enum rc
protocol_db_update(struct db *db, const struct protocol_row *row, struct err *err)
{
    int64_t n = 0;
    enum rc rc = row->mapping_id ? check_mapping(db, row->mapping_id, err) : RC_OK;
    rc = rc ? rc
            : db_run_count(db,
                           "UPDATE federation_protocol SET mapping_id = coalesce($3, mapping_id), "
                           "remote_id_attribute = CASE WHEN $5::bool THEN $4 ELSE "
                           "remote_id_attribute END WHERE "
                           "provider_id = $1 AND id = $2",
                           DB_ARGS(db_s(row->provider_id), db_s(row->id), db_s(row->mapping_id),
                                   db_s(row->remote_id_attribute), db_b(row->has_attribute)),
                           &n, err);
    return rc || n ? rc : not_found(RC_NOT_FOUND, row->provider_id, row->id, err);
}

enum rc
protocol_db_delete(struct db *db, const char *provider_id, const char *id, struct err *err)
{
    int64_t n = 0;
    enum rc rc =
        db_run_count(db, "DELETE FROM federation_protocol WHERE provider_id = $1 AND id = $2",
                     DB_ARGS(db_s(provider_id), db_s(id)), &n, err);
    return rc || n ? rc : not_found(RC_NOT_FOUND, provider_id, id, err);
}
