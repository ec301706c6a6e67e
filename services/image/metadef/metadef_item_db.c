// SPDX-License-Identifier: Apache-2.0
// What is in a namespace: objects, properties, tags, associations with resource types.
#include "services/image/catalog/image_sql.h"
#include "services/image/metadef/metadef.h"

#define ITEM_TIMES                                                                            \
    "jsonb_build_object('created_at', " SQL_TIME("i.created_at") ", 'updated_at', " SQL_TIME( \
        "i.updated_at") ")"
#define ITEM_VIEW                                                                              \
    "(i.body || jsonb_build_object('name', i.name) || CASE i.kind WHEN 'property' THEN '{}' "  \
    "WHEN 'object' THEN jsonb_build_object('self', '/v2/metadefs/namespaces/' || n.namespace " \
    "|| '/objects/' || i.name, 'schema', '/v2/schemas/metadefs/object') || " ITEM_TIMES        \
    " ELSE " ITEM_TIMES " END)"

static enum rc
item_missing(const metadef_space *space, const struct metadef_kind *kind, const char *name,
             struct err *err)
{
    return fault(err, RC_NOT_FOUND,
                 "The metadata definition %s with name=%.80s was not found in namespace=%.80s.",
                 kind->words, name, space->name);
}

static enum rc
item_exists(const metadef_space *space, const struct metadef_kind *kind, struct err *err)
{
    return fault(err, RC_CONFLICT,
                 "A metadata definition %s with this name already exists in namespace=%.80s.",
                 kind->words, space->name);
}

struct add {
    const metadef_space *space;
    const struct metadef_kind *kind;
    json_t *items;
    bool replace;
};

static enum rc
add_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct add *add = argument;
    g_autofree char *text = json_dumps(add->items, JSON_COMPACT);
    enum rc rc = RC_OK;
    if (add->replace) {
        rc = db_run(db, "DELETE FROM metadef_item WHERE namespace_id = $1::bigint AND kind = $2",
                    DB_ARGS(db_i(add->space->id), db_s(add->kind->name)), NULL, err);
    }
    if (rc == RC_OK && add->kind == &metadef_kinds[METADEF_RESOURCE_TYPE]) {
        rc = db_run(db,
                    "INSERT INTO metadef_resource_type (name) SELECT DISTINCT e->>'name' FROM "
                    "jsonb_array_elements($1::jsonb) e ORDER BY 1 ON CONFLICT DO NOTHING",
                    DB_ARGS(db_s(text)), NULL, err);
    }
    if (rc == RC_OK) {
        rc = db_run(db,
                    "INSERT INTO metadef_item (namespace_id, kind, name, body) SELECT $1::bigint, "
                    "$2::text, e->>'name', e - 'name' FROM jsonb_array_elements($3::jsonb) WITH "
                    "ORDINALITY x(e, nr) ORDER BY nr",
                    DB_ARGS(db_i(add->space->id), db_s(add->kind->name), db_s(text)), NULL, err);
    }
    return rc == RC_CONFLICT ? item_exists(add->space, add->kind, err) : rc;
}

enum rc
metadef_item_db_add(struct db *db, const metadef_space *space, const struct metadef_kind *kind,
                    json_t *items, bool replace, struct err *err)
{
    struct add add = {space, kind, items, replace};
    return db_is_in_tx(db) ? add_in_tx(db, &add, err) : db_tx(db, add_in_tx, &add, err);
}

enum rc
metadef_item_db_show(struct db *db, const metadef_space *space, const struct metadef_kind *kind,
                     const char *name, json_t **ret_item, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT " ITEM_VIEW " AS item FROM metadef_item i JOIN "
                            "metadef_namespace n ON n.id = i.namespace_id WHERE i.namespace_id = "
                            "$1::bigint AND i.kind = $2 AND i.name = $3",
                            DB_ARGS(db_i(space->id), db_s(kind->name), db_s(name)), &result, err);
    if (rc == RC_OK) {
        *ret_item = db_json(result, 0, "item");
    }
    return rc == RC_NOT_FOUND ? item_missing(space, kind, name, err) : rc;
}

#define ITEM_KEY(table)                                                                         \
    "(CASE $3::text WHEN 'name' THEN " table ".name ELSE to_char(CASE $3::text WHEN "           \
    "'updated_at' THEN " table ".updated_at ELSE " table ".created_at END AT TIME ZONE 'UTC', " \
    "'YYYYMMDDHH24MISSUS') END COLLATE \"C\")"
#define ITEM_PAGE(compare, direction)                                                              \
    "SELECT COALESCE(jsonb_agg(p.item ORDER BY p.nr), '[]') AS items FROM (SELECT " ITEM_VIEW      \
    " AS item, row_number() OVER (ORDER BY " ITEM_KEY(                                             \
        "i") " " direction ", i.id " direction                                                     \
             ") AS nr FROM metadef_item i JOIN metadef_namespace n ON n.id = i.namespace_id "      \
             "WHERE "                                                                              \
             "i.namespace_id = $1::bigint AND i.kind = $2 AND ($4::text IS NULL OR (" ITEM_KEY(    \
                 "i") ", i.id) " compare                                                           \
                      " (SELECT " ITEM_KEY("m") ", m.id FROM metadef_item m WHERE "                \
                                                "m.namespace_id = $1::bigint AND m.kind = $2 AND " \
                                                "m.name = $4)) ORDER BY nr LIMIT "                 \
                                                "$5::bigint) p"

enum rc
metadef_item_db_list(struct db *db, const metadef_space *space, const struct metadef_kind *kind,
                     const struct metadef_page *page, json_t **ret_items, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = RC_OK;
    if (page->marker) {
        json_auto_t *marker = NULL;
        rc = metadef_item_db_show(db, space, kind, page->marker, &marker, err);
    }
    if (rc == RC_OK) {
        rc = db_run_one(db, page->ascending ? ITEM_PAGE(">", "ASC") : ITEM_PAGE("<", "DESC"),
                        DB_ARGS(db_i(space->id), db_s(kind->name), db_s(page->sort_key),
                                db_s(page->marker), db_i(page->limit)),
                        &result, err);
    }
    if (rc == RC_OK) {
        *ret_items = db_json(result, 0, "items");
    }
    return rc;
}

enum rc
metadef_item_db_update(struct db *db, const metadef_space *space, const struct metadef_kind *kind,
                       const char *name, json_t *item, struct err *err)
{
    g_autofree char *text = json_dumps(item, JSON_COMPACT);
    enum rc rc =
        db_run_one(db,
                   "UPDATE metadef_item SET name = $4::jsonb->>'name', body = $4::jsonb "
                   "- 'name', updated_at = now() WHERE namespace_id = $1::bigint AND "
                   "kind = $2 AND name = $3 RETURNING id",
                   DB_ARGS(db_i(space->id), db_s(kind->name), db_s(name), db_s(text)), NULL, err);
    return rc == RC_NOT_FOUND  ? item_missing(space, kind, name, err)
           : rc == RC_CONFLICT ? item_exists(space, kind, err)
                               : rc;
}

enum rc
metadef_item_db_remove(struct db *db, const metadef_space *space, const struct metadef_kind *kind,
                       const char *name, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(
        db,
        "WITH n AS (SELECT id FROM metadef_namespace WHERE id = $1::bigint AND NOT protected FOR "
        "SHARE), d AS (DELETE FROM metadef_item i USING n WHERE i.namespace_id = n.id AND i.kind = "
        "$2 AND ($3::text IS NULL OR i.name = $3) RETURNING i.id) "
        "SELECT (SELECT count(*) FROM n) AS allowed, (SELECT count(*) FROM d) AS removed",
        DB_ARGS(db_i(space->id), db_s(kind->name), db_s(name)), &result, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (!db_int(result, 0, "allowed")) {
        return fault(err, RC_FORBIDDEN,
                     "Metadata definition %s %.80s is protected and cannot be deleted.",
                     kind->words, name ? name : space->name);
    }
    return name && !db_int(result, 0, "removed") ? item_missing(space, kind, name, err) : RC_OK;
}
