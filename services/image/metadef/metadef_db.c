// SPDX-License-Identifier: Apache-2.0
#include "services/image/catalog/image_sql.h"
#include "services/image/metadef/metadef.h"

#include <string.h>

#define SPACE_VIEW                                                                                \
    "(jsonb_strip_nulls(jsonb_build_object('namespace', n.namespace, 'display_name', "            \
    "n.display_name, 'description', n.description, 'visibility', n.visibility, 'protected', "     \
    "n.protected, 'owner', n.owner, 'created_at', " SQL_TIME(                                     \
        "n.created_at") ", 'updated_at', " SQL_TIME("n.updated_at") ", 'self', "                  \
                                                                    "'/v2/metadefs/namespaces/' " \
                                                                    "|| n.namespace, 'schema', "  \
                                                                    "'/v2/schemas/metadefs/"      \
                                                                    "namespace')))"
// The list shows the associations as well.
#define SPACE_ASSOCIATIONS                                                                        \
    "COALESCE((SELECT jsonb_build_object('resource_type_associations', jsonb_agg(r.body || "      \
    "jsonb_build_object('name', r.name, 'created_at', " SQL_TIME(                                 \
        "r.created_at") ", "                                                                      \
                        "'updated_at', " SQL_TIME(                                                \
                            "r.updated_at") ") ORDER BY r.id)) FROM metadef_item r WHERE "        \
                                            "r.namespace_id = n.id AND r.kind = 'resource_type' " \
                                            "HAVING count(*) > 0), '{}')"
#define SPACE_COLUMNS \
    "n.id, n.namespace, n.owner, n.visibility, n.protected, " SPACE_VIEW "::text AS item"
#define SPACE_VISIBLE "($2::boolean OR n.owner = $3 OR n.visibility = 'public')"

void
metadef_space_free(metadef_space *space)
{
    if (space) {
        g_free(space->name);
        g_free(space->owner);
        g_free(space->visibility);
        g_free(space->item);
        g_free(space);
    }
}

enum rc
metadef_db_find(struct db *db, const struct viewer *viewer, const char *name,
                metadef_space **ret_space, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT " SPACE_COLUMNS " FROM metadef_namespace n WHERE n.namespace = "
                            "$1 AND " SPACE_VISIBLE,
                            DB_ARGS(db_s(name), db_b(viewer->is_admin), db_s(viewer->project_id)),
                            &result, err);
    if (rc == RC_NOT_FOUND) {
        return fault(err, rc, "Metadata definition namespace=%.255s was not found.", name);
    }
    if (rc != RC_OK) {
        return rc;
    }
    metadef_space *space = g_new0(metadef_space, 1);
    space->id = db_int(result, 0, "id");
    space->name = g_strdup(db_text(result, 0, "namespace"));
    space->owner = g_strdup(db_text(result, 0, "owner"));
    space->visibility = g_strdup(db_text(result, 0, "visibility"));
    space->is_protected = db_bool(result, 0, "protected");
    space->item = g_strdup(db_text(result, 0, "item"));
    *ret_space = space;
    return RC_OK;
}

static enum rc
space_exists(json_t *body, struct err *err)
{
    return fault(err, RC_CONFLICT, "The metadata definition namespace=%.80s already exists.",
                 json_string_value(json_object_get(body, "namespace")));
}

struct create {
    json_t *body;
    json_t *const *items;
    char *item;
};

static enum rc
create_in_tx(struct db *db, void *argument, struct err *err)
{
    struct create *create = argument;
    g_autofree char *text = json_dumps(create->body, JSON_COMPACT);
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(
        db,
        "WITH n AS (INSERT INTO metadef_namespace (namespace, display_name, description, "
        "visibility, protected, owner) SELECT v->>'namespace', v->>'display_name', "
        "v->>'description', v->>'visibility', (v->>'protected')::boolean, v->>'owner' "
        "FROM (SELECT $1::jsonb AS v) x RETURNING *) SELECT " SPACE_COLUMNS " FROM n",
        DB_ARGS(db_s(text)), &result, err);
    if (rc != RC_OK) {
        return rc == RC_CONFLICT ? space_exists(create->body, err) : rc;
    }
    metadef_space space = {
        .id = db_int(result, 0, "id"),
        .name = (char *)json_string_value(json_object_get(create->body, "namespace"))};
    for (int i = 0; rc == RC_OK && i < N_METADEF_KINDS; i++) {
        if (create->items[i]) {
            rc = metadef_item_db_add(db, &space, &metadef_kinds[i], create->items[i], false, err);
        }
    }
    if (rc == RC_OK) {
        g_free(create->item);
        create->item = g_strdup(db_text(result, 0, "item"));
    }
    return rc;
}

enum rc
metadef_db_create(struct db *db, json_t *body, json_t *const items[N_METADEF_KINDS],
                  char **ret_item, struct err *err)
{
    struct create create = {body, items, NULL};
    enum rc rc = db_tx(db, create_in_tx, &create, err);
    *ret_item = create.item;
    return rc;
}

enum rc
metadef_db_update(struct db *db, const metadef_space *space, json_t *body, char **ret_item,
                  struct err *err)
{
    g_autofree char *text = json_dumps(body, JSON_COMPACT);
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(
        db,
        "WITH n AS (UPDATE metadef_namespace SET namespace = v->>'namespace', display_name = "
        "v->>'display_name', description = v->>'description', visibility = v->>'visibility', "
        "protected = (v->>'protected')::boolean, owner = v->>'owner', updated_at = now() "
        "FROM (SELECT $2::jsonb AS v) x WHERE id = $1::bigint RETURNING metadef_namespace.*) "
        "SELECT " SPACE_COLUMNS " FROM n",
        DB_ARGS(db_i(space->id), db_s(text)), &result, err);
    if (rc == RC_OK) {
        *ret_item = g_strdup(db_text(result, 0, "item"));
    }
    return rc == RC_CONFLICT ? space_exists(body, err) : rc;
}

enum rc
metadef_db_delete(struct db *db, const metadef_space *space, struct err *err)
{
    enum rc rc = db_run_one(
        db, "DELETE FROM metadef_namespace WHERE id = $1::bigint AND NOT protected RETURNING id",
        DB_ARGS(db_i(space->id)), NULL, err);
    return rc == RC_NOT_FOUND
               ? fault(err, RC_FORBIDDEN,
                       "Metadata definition namespace %.80s is protected and cannot be deleted.",
                       space->name)
               : rc;
}

// One page after the marker, in the order of (key, id). $4 names the key.
#define SPACE_KEY(table)                                                                       \
    "(CASE $4::text WHEN 'namespace' THEN " table ".namespace WHEN 'display_name' THEN "       \
    "COALESCE(" table ".display_name, '') WHEN 'visibility' THEN " table ".visibility WHEN "   \
    "'owner' THEN " table ".owner ELSE to_char(CASE $4::text WHEN 'updated_at' THEN " table    \
    ".updated_at ELSE " table ".created_at END AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') END " \
    "COLLATE \"C\")"
#define SPACE_PAGE(compare, direction)                                                             \
    "SELECT COALESCE(jsonb_agg(p.item ORDER BY p.nr), '[]')::text AS items, (array_agg("           \
    "p.namespace ORDER BY p.nr DESC))[1] AS last, count(*) AS n FROM (SELECT " SPACE_VIEW          \
    " || " SPACE_ASSOCIATIONS " AS item, n.namespace, row_number() OVER (ORDER BY " SPACE_KEY(     \
        "n") " " direction ", n.id " direction ") AS nr FROM metadef_namespace n "                 \
             "WHERE " SPACE_VISIBLE " AND ($1::text IS NULL OR n.visibility = $1) AND "            \
             "($5::text IS NULL OR n.owner = $5) AND ($6::text IS NULL OR EXISTS (SELECT FROM "    \
             "metadef_item t WHERE t.namespace_id = n.id AND t.kind = 'resource_type' AND t.name " \
             "= "                                                                                  \
             "ANY(string_to_array($6, ',')))) AND ($7::text IS NULL OR (" SPACE_KEY(               \
                 "n") ", n.id) " compare                                                           \
                      " (SELECT " SPACE_KEY(                                                       \
                          "m") ", m.id FROM metadef_namespace m WHERE m.namespace = "              \
                               "$7)) ORDER BY nr LIMIT $8::bigint) p"

enum rc
metadef_db_list(struct db *db, const struct metadef_list *list, char **ret_items, char **ret_last,
                struct err *err)
{
    const struct metadef_page *page = &list->page;
    g_autoptr(metadef_space) marker = NULL;
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        page->marker ? metadef_db_find(db, &list->viewer, page->marker, &marker, err) : RC_OK;
    if (rc == RC_OK) {
        rc = db_run_one(db, page->ascending ? SPACE_PAGE(">", "ASC") : SPACE_PAGE("<", "DESC"),
                        DB_ARGS(db_s(list->visibility), db_b(list->viewer.is_admin),
                                db_s(list->viewer.project_id), db_s(page->sort_key),
                                db_s(list->owner), db_s(list->resource_types), db_s(page->marker),
                                db_i(page->limit)),
                        &result, err);
    }
    if (rc == RC_OK) {
        bool is_full = page->limit && db_int(result, 0, "n") == page->limit;
        *ret_items = g_strdup(db_text(result, 0, "items"));
        *ret_last = is_full ? g_strdup(db_text(result, 0, "last")) : NULL;
    }
    return rc;
}

enum rc
metadef_db_resource_types(struct db *db, char **ret_items, struct err *err)
{
    return db_run_text(db,
                       "SELECT COALESCE(jsonb_agg(jsonb_build_object('name', name, "
                       "'created_at', " SQL_TIME("created_at") ", 'updated_at', " SQL_TIME(
                           "updated_at") ") ORDER BY name), '[]')::text AS items FROM "
                                         "metadef_resource_type",
                       DB_NONE, ret_items, err);
}
