// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/aggregate_db.h"

#define ISO(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"

static enum rc
missing(const char *id, struct err *err)
{
    return fault(err, RC_NOT_FOUND, "Aggregate %.64s could not be found.", id);
}

enum rc
aggregate_db_list(struct db *db, const char *id, unsigned version, bool is_new,
                  db_result **ret_rows, struct err *err)
{
    return db_run_one(
        db,
        "SELECT coalesce(json_agg(jsonb_build_object('availability_zone', a.zone, "
        "'created_at', " ISO(
            "a.created_at") ","
                            " 'deleted', false, 'deleted_at', NULL, 'id', a.id, 'name', a.name, "
                            "'updated_at', " ISO(
                                "a.updated_at") ")"
                                                " || CASE WHEN $2::int >= 41 THEN "
                                                "jsonb_build_object('uuid', a.uuid) ELSE '{}' END"
                                                " || CASE WHEN $3::boolean THEN '{}' ELSE "
                                                "jsonb_build_object('hosts', (SELECT "
                                                "coalesce(jsonb_agg(h.host ORDER BY"
                                                " h.host), '[]') FROM aggregate_host h WHERE "
                                                "h.aggregate_id = a.id), 'metadata', a.metadata ||"
                                                " CASE WHEN a.zone IS NULL THEN '{}' ELSE "
                                                "jsonb_build_object('availability_zone', a.zone) "
                                                "END) END"
                                                " ORDER BY a.id), '[]')::text AS items, count(*) "
                                                "AS n FROM aggregate a WHERE ($1::text IS NULL OR "
                                                "a.id::text = $1)",
        DB_ARGS(db_s(id), db_i(version), db_b(is_new)), ret_rows, err);
}

enum rc
aggregate_db_create(struct db *db, const char *name, const char *zone, char ret_id[24],
                    struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(db, "INSERT INTO aggregate (name, zone) VALUES ($1, $2) RETURNING id",
                            DB_ARGS(db_s(name), db_s(zone)), &row, err);
    if (rc == RC_OK) {
        g_strlcpy(ret_id, db_text(row, 0, "id"), 24);
    }
    return rc == RC_CONFLICT ? fault(err, rc, "Aggregate %.255s already exists.", name) : rc;
}

static enum rc
change_hosts(struct db *db, const struct aggregate_change *change, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    if (change->add_host) {
        enum rc rc = db_run(
            db,
            "INSERT INTO aggregate_host (aggregate_id, host) SELECT a.id, h.host FROM aggregate a,"
            " compute_host h WHERE a.id::text = $1 AND h.host = $2",
            DB_ARGS(db_s(change->id), db_s(change->add_host)), &result, err);
        if (rc == RC_CONFLICT) {
            return fault(err, rc, "Host %.255s already member of aggregate %s", change->add_host,
                         change->id);
        }
        return rc == RC_OK && !db_n_affected(result)
                   ? fault(err, RC_NOT_FOUND, "Compute host %.255s could not be found.",
                           change->add_host)
                   : rc;
    }
    enum rc rc =
        db_run(db, "DELETE FROM aggregate_host WHERE aggregate_id::text = $1 AND host = $2",
               DB_ARGS(db_s(change->id), db_s(change->remove_host)), &result, err);
    return rc == RC_OK && !db_n_affected(result)
               ? fault(err, RC_NOT_FOUND, "Aggregate %s has no host %.255s.", change->id,
                       change->remove_host)
               : rc;
}

// A host's zone is that of its aggregates; they must agree, and servers do not change their zone
// under their feet.
static enum rc
settle_zones(struct db *db, const char *default_zone, struct err *err)
{
    g_autoptr(db_result) torn = NULL, busy = NULL;
    enum rc rc = db_run(
        db,
        "SELECT h.host FROM aggregate_host h JOIN aggregate a ON a.id = h.aggregate_id"
        " WHERE a.zone IS NOT NULL GROUP BY h.host HAVING count(DISTINCT a.zone) > 1 ORDER BY 1",
        DB_NONE, &torn, err);
    if (rc == RC_OK && db_n_rows(torn)) {
        return fault(err, RC_CONFLICT, "Host %s would be in two availability zones.",
                     db_text(torn, 0, "host"));
    }
    if (rc == RC_OK) {
        rc = db_run(db,
                    "UPDATE compute_host h SET zone = w.zone FROM (SELECT c.host, coalesce((SELECT "
                    "a.zone FROM"
                    " aggregate_host m JOIN aggregate a ON a.id = m.aggregate_id WHERE m.host = "
                    "c.host AND a.zone IS NOT"
                    " NULL ORDER BY a.id LIMIT 1), $1) AS zone FROM compute_host c) w WHERE w.host "
                    "= h.host AND h.zone"
                    " <> w.zone RETURNING h.host, h.servers_claimed",
                    DB_ARGS(db_s(default_zone)), &busy, err);
    }
    for (int i = 0; rc == RC_OK && i < db_n_rows(busy); i++) {
        if (db_int(busy, i, "servers_claimed") > 0) {
            rc =
                fault(err, RC_CONFLICT, "Host %s has servers: its availability zone cannot change.",
                      db_text(busy, i, "host"));
        }
    }
    return rc;
}

static enum rc
change_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct aggregate_change *change = argument;
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_lock_text(db, "aggregate", "", err);
    if (rc == RC_OK) {
        rc = db_run(
            db,
            "UPDATE aggregate SET name = coalesce($2, name), zone = CASE WHEN $4::boolean THEN "
            "NULL ELSE"
            " coalesce($3, zone) END, updated_at = now(), metadata = (SELECT "
            "coalesce(jsonb_object_agg(key, value),"
            " '{}') FROM jsonb_each(metadata || coalesce($5::jsonb, '{}')) WHERE value <> 'null')"
            " WHERE id::text = $1",
            DB_ARGS(db_s(change->id), db_s(change->name), db_s(change->zone),
                    db_b(change->clears_zone), db_s(change->metadata_json)),
            &result, err);
    }
    if (rc == RC_CONFLICT) {
        return fault(err, rc, "Aggregate %.255s already exists.", change->name);
    }
    if (rc == RC_OK && !db_n_affected(result)) {
        return missing(change->id, err);
    }
    if (rc == RC_OK && (change->add_host || change->remove_host)) {
        rc = change_hosts(db, change, err);
    }
    return rc == RC_OK ? settle_zones(db, change->default_zone, err) : rc;
}

enum rc
aggregate_db_change(struct db *db, const struct aggregate_change *change, struct err *err)
{
    return db_tx(db, change_in_tx, (void *)change, err);
}

enum rc
aggregate_db_delete(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db, "DELETE FROM aggregate WHERE id::text = $1", DB_ARGS(db_s(id)), &result, err);
    if (rc == RC_INVALID) {
        return fault(err, RC_INVALID,
                     "Cannot remove host from aggregate %.64s: the aggregate is not empty", id);
    }
    return rc == RC_OK && !db_n_affected(result) ? missing(id, err) : rc;
}
