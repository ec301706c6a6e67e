// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/flavor_db.h"

#include <string.h>

const char *const flavor_sort_keys[][2] = {
    {"flavorid", "f.id"},
    {"id", "f.id"},
    {"name", "f.name"},
    {"memory_mb", "f.ram_mib"},
    {"vcpus", "f.vcpus"},
    {"root_gb", "f.disk_gib"},
    {"ephemeral_gb", "f.ephemeral_gib"},
    {"swap", "f.swap_mib"},
    {"created_at", "f.created_at"},
    {"updated_at", "f.updated_at"},
    {"rxtx_factor", "f.rxtx_factor"},
    {"is_public", "f.is_public"},
    {NULL, NULL},
};

#define LINKS                                                                                    \
    "json_build_array(json_build_object('rel', 'self', 'href', $1 || '/v2.1/flavors/' || f.id)," \
    " json_build_object('rel', 'bookmark', 'href', $1 || '/flavors/' || f.id))"

// JSON text of one flavor over alias f; $1 is the base URL.
static void
append_item(GString *sql, const struct flavor_query *query)
{
    g_string_append(sql,
                    "'{\"id\":' || to_json(f.id)::text || ',\"name\":' || to_json(f.name)::text"
                    " || ',\"links\":' || " LINKS "::text");
    if (query->version >= 55) {
        g_string_append(
            sql, " || ',\"description\":' || coalesce(to_json(f.description)::text, 'null')");
    }
    if (query->is_detailed) {
        g_string_append_printf(
            sql,
            " || ',\"ram\":' || f.ram_mib || ',\"disk\":' || f.disk_gib || ',\"vcpus\":' || f.vcpus"
            " || ',\"swap\":' || CASE WHEN f.swap_mib = 0 THEN '%s' ELSE f.swap_mib::text END"
            " || ',\"OS-FLV-EXT-DATA:ephemeral\":' || f.ephemeral_gib"
            " || ',\"OS-FLV-DISABLED:disabled\":false,\"os-flavor-access:is_public\":'"
            " || f.is_public::text || ',\"rxtx_factor\":'"
            " || CASE WHEN f.rxtx_factor = trunc(f.rxtx_factor) THEN trunc(f.rxtx_factor) || '.0'"
            " ELSE f.rxtx_factor::text END",
            query->version >= 75 ? "0" : "\"\"");
        if (query->version >= 61) {
            g_string_append(sql, " || ',\"extra_specs\":' || f.extra_specs::text");
        }
    }
    g_string_append(sql, " || '}'");
}

#define VISIBLE                                                                                   \
    "($2::boolean OR f.is_public OR EXISTS (SELECT FROM flavor_access a WHERE a.flavor_id = f.id" \
    " AND a.project_id = $3))"

static const char *
sort_column(const char *key)
{
    for (size_t i = 0; key && flavor_sort_keys[i][0]; i++) {
        if (strcmp(flavor_sort_keys[i][0], key) == 0) {
            return flavor_sort_keys[i][1];
        }
    }
    return "f.id";
}

enum rc
flavor_db_list(struct db *db, const struct flavor_query *query, db_result **ret_rows,
               struct err *err)
{
    const char *column = sort_column(query->sort_key);
    const char *direction = query->is_descending ? "DESC" : "ASC";
    g_autoptr(GString) sql =
        g_string_new("WITH ranked AS (SELECT f.*, row_number() OVER (ORDER BY ");
    g_string_append_printf(sql, "%s %s, f.id %s) AS position FROM flavor f WHERE " VISIBLE, column,
                           direction, direction);
    g_string_append(sql,
                    " AND ($4::boolean IS NULL OR f.is_public = $4) AND f.ram_mib >= $5::bigint"
                    " AND f.disk_gib >= $6::bigint), page AS (SELECT * FROM ranked f WHERE"
                    " ($7::text IS NULL OR position > (SELECT position FROM ranked WHERE id = $7))"
                    " ORDER BY position LIMIT $8::bigint)"
                    " SELECT '[' || coalesce(string_agg(");
    append_item(sql, query);
    g_string_append(sql, ", ',' ORDER BY f.position), '') || ']' AS items, count(*) AS n,"
                         " (array_agg(f.id ORDER BY f.position DESC))[1] AS last,"
                         " $7::text IS NULL OR EXISTS (SELECT FROM ranked WHERE id = $7) AS marked"
                         " FROM page f");
    enum rc rc =
        db_run(db, sql->str,
               DB_ARGS(db_s(query->base_url), db_b(query->is_admin), db_s(query->project_id),
                       db_s(query->is_public), db_i(query->min_ram), db_i(query->min_disk),
                       db_s(query->marker), db_i(query->limit)),
               ret_rows, err);
    if (rc == RC_OK && !db_bool(*ret_rows, 0, "marked")) {
        g_clear_pointer(ret_rows, db_result_free);
        return fault(err, RC_INVALID, "marker [%.100s] not found", query->marker);
    }
    return rc;
}

static enum rc
missing(const char *id, struct err *err)
{
    return fault(err, RC_NOT_FOUND, "Flavor %.255s could not be found.", id);
}

static enum rc
expect_one(enum rc rc, const db_result *result, const char *id, struct err *err)
{
    if (rc == RC_OK && db_n_affected(result) == 0) {
        return missing(id, err);
    }
    return rc;
}

enum rc
flavor_db_show(struct db *db, const struct flavor_query *query, const char *id,
               db_result **ret_rows, struct err *err)
{
    g_autoptr(GString) sql = g_string_new("SELECT ");
    append_item(sql, query);
    g_string_append(sql, " AS item FROM flavor f WHERE f.id = $4 AND " VISIBLE);
    enum rc rc = db_run_one(
        db, sql->str,
        DB_ARGS(db_s(query->base_url), db_b(query->is_admin), db_s(query->project_id), db_s(id)),
        ret_rows, err);
    return rc == RC_NOT_FOUND ? missing(id, err) : rc;
}

enum rc
flavor_db_create(struct db *db, const struct flavor_new *flavor, struct err *err)
{
    enum rc rc = db_run(db,
                        "INSERT INTO flavor (id, name, description, vcpus, ram_mib, disk_gib, "
                        "ephemeral_gib, swap_mib,"
                        " rxtx_factor, is_public) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
                        "coalesce($9, '1')::numeric, $10)",
                        DB_ARGS(db_s(flavor->id), db_s(flavor->name), db_s(flavor->description),
                                db_i(flavor->vcpus), db_i(flavor->ram_mib), db_i(flavor->disk_gib),
                                db_i(flavor->ephemeral_gib), db_i(flavor->swap_mib),
                                db_s(flavor->rxtx_factor), db_b(flavor->is_public)),
                        NULL, err);
    if (rc == RC_CONFLICT) {
        bool is_id = err && strcmp(err->type, "flavor_pkey") == 0;
        return fault(err, RC_CONFLICT, "Flavor with %s %.255s already exists.",
                     is_id ? "ID" : "name", is_id ? flavor->id : flavor->name);
    }
    return rc;
}

enum rc
flavor_db_describe(struct db *db, const char *id, const char *description, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db, "UPDATE flavor SET description = $2, updated_at = now() WHERE id = $1",
                        DB_ARGS(db_s(id), db_s(description)), &result, err);
    return expect_one(rc, result, id, err);
}

enum rc
flavor_db_delete(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db, "DELETE FROM flavor WHERE id = $1", DB_ARGS(db_s(id)), &result, err);
    return expect_one(rc, result, id, err);
}

enum rc
flavor_db_specs(struct db *db, const char *id, db_result **ret_rows, struct err *err)
{
    enum rc rc = db_run_one(db, "SELECT extra_specs::text AS item FROM flavor WHERE id = $1",
                            DB_ARGS(db_s(id)), ret_rows, err);
    return rc == RC_NOT_FOUND ? missing(id, err) : rc;
}

enum rc
flavor_db_set_specs(struct db *db, const char *id, const char *specs_json, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db,
               "UPDATE flavor SET extra_specs = extra_specs || $2::jsonb, updated_at = now()"
               " WHERE id = $1",
               DB_ARGS(db_s(id), db_s(specs_json)), &result, err);
    return expect_one(rc, result, id, err);
}

enum rc
flavor_db_unset_spec(struct db *db, const char *id, const char *key, struct err *err)
{
    bool is_changed = false;
    enum rc rc = db_run_any(db,
                            "UPDATE flavor SET extra_specs = extra_specs - $2, updated_at = now()"
                            " WHERE id = $1 AND extra_specs ? $2",
                            DB_ARGS(db_s(id), db_s(key)), &is_changed, err);
    return rc == RC_OK && !is_changed
               ? fault(err, RC_NOT_FOUND, "Flavor %.255s has no extra specs with key %.255s.", id,
                       key)
               : rc;
}

enum rc
flavor_db_access(struct db *db, const char *id, db_result **ret_rows, struct err *err)
{
    enum rc rc = db_run_one(
        db,
        "SELECT f.is_public, (SELECT coalesce(json_agg(json_build_object('flavor_id', a.flavor_id,"
        " 'tenant_id', a.project_id) ORDER BY a.project_id), '[]') FROM flavor_access a"
        " WHERE a.flavor_id = f.id)::text AS item FROM flavor f WHERE f.id = $1",
        DB_ARGS(db_s(id)), ret_rows, err);
    return rc == RC_NOT_FOUND ? missing(id, err) : rc;
}

enum rc
flavor_db_grant(struct db *db, const char *id, const char *project_id, struct err *err)
{
    enum rc rc = db_run(db, "INSERT INTO flavor_access (flavor_id, project_id) VALUES ($1, $2)",
                        DB_ARGS(db_s(id), db_s(project_id)), NULL, err);
    if (rc == RC_CONFLICT) {
        return fault(
            err, RC_CONFLICT,
            "Flavor access already exists for flavor %.255s and project %.255s combination.", id,
            project_id);
    }
    return rc == RC_INVALID ? missing(id, err) : rc;
}

enum rc
flavor_db_revoke(struct db *db, const char *id, const char *project_id, struct err *err)
{
    bool is_changed = false;
    enum rc rc =
        db_run_any(db, "DELETE FROM flavor_access WHERE flavor_id = $1 AND project_id = $2",
                   DB_ARGS(db_s(id), db_s(project_id)), &is_changed, err);
    return rc == RC_OK && !is_changed
               ? fault(err, RC_NOT_FOUND,
                       "Flavor access not found for %.255s / %.255s combination.", id, project_id)
               : rc;
}

enum rc
flavor_db_revoke_all(struct db *db, const char *project_id, int64_t *ret_n, struct err *err)
{
    return db_run_count(db, "DELETE FROM flavor_access WHERE project_id = $1",
                        DB_ARGS(db_s(project_id)), ret_n, err);
}
