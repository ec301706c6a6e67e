// SPDX-License-Identifier: Apache-2.0
// Metadata definitions: what properties, objects and tags mean, by namespace. The four kinds of
// things in a namespace are one table here and one in the database.
#pragma once
#include "common/db/db.h"
#include "services/image/image.h"

enum metadef_kind_id {
    METADEF_OBJECT,
    METADEF_PROPERTY,
    METADEF_TAG,
    METADEF_RESOURCE_TYPE,
    N_METADEF_KINDS,
};
struct metadef_kind {
    const char *name;   // in the table: "object"
    const char *member; // of the namespace's body: "objects"
    const char *words;  // in messages: "object"
    const char *schema; // of one
    bool is_map;        // the collection is an object by name, not an array
    const char *get, *list, *add, *modify, *remove; // policies; NULL: there is no such request
};
extern const struct metadef_kind metadef_kinds[N_METADEF_KINDS];

// ---- schemas
// "namespace", "namespaces" …; NULL: unknown. New reference.
json_t *metadef_schema(const char *name);
// RC_INVALID names what does not fit; RC_FORBIDDEN: a read-only member is given.
enum rc metadef_check(const char *schema, json_t *value, struct err *err) CHECKED;
// A JSON Schema of the subset that ours use. RC_INVALID names the member.
enum rc schema_check(json_t *schema, json_t *value, struct err *err) CHECKED;

// ---- tables
typedef struct metadef_space {
    int64_t id;
    char *name, *owner, *visibility;
    bool is_protected;
    char *item; // JSON as the API shows it
} metadef_space;
void metadef_space_free(metadef_space *space);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(metadef_space, metadef_space_free)

// RC_NOT_FOUND: none that the viewer may see.
enum rc metadef_db_find(struct db *db, const struct viewer *viewer, const char *name,
                        metadef_space **ret_space, struct err *err) CHECKED;
// body: checked. items: per kind a borrowed array or NULL. ret_item: JSON text.
enum rc metadef_db_create(struct db *db, json_t *body, json_t *const items[N_METADEF_KINDS],
                          char **ret_item, struct err *err) CHECKED;
enum rc metadef_db_update(struct db *db, const metadef_space *space, json_t *body, char **ret_item,
                          struct err *err) CHECKED;
enum rc metadef_db_delete(struct db *db, const metadef_space *space, struct err *err) CHECKED;

struct metadef_page {
    const char *sort_key;
    bool ascending;
    const char *marker; // a name; NULL: from the start
    int64_t limit;
};
struct metadef_list {
    struct viewer viewer;
    struct metadef_page page;
    const char *visibility;     // NULL: any
    const char *resource_types; // NULL: any; else names, comma-separated
    const char *owner;          // NULL: any
};
// ret_items: JSON array. ret_last: name of the last when the page is full, else NULL.
enum rc metadef_db_list(struct db *db, const struct metadef_list *list, char **ret_items,
                        char **ret_last, struct err *err) CHECKED;
enum rc metadef_db_resource_types(struct db *db, char **ret_items, struct err *err) CHECKED;

// replace: what the namespace has of this kind goes first, in the same transaction. The items that
// were given, as an array.
enum rc metadef_item_db_add(struct db *db, const metadef_space *space,
                            const struct metadef_kind *kind, json_t *items, bool replace,
                            struct err *err) CHECKED;
enum rc metadef_item_db_show(struct db *db, const metadef_space *space,
                             const struct metadef_kind *kind, const char *name, json_t **ret_item,
                             struct err *err) CHECKED;
// ret_items: an array in the page's order.
enum rc metadef_item_db_list(struct db *db, const metadef_space *space,
                             const struct metadef_kind *kind, const struct metadef_page *page,
                             json_t **ret_items, struct err *err) CHECKED;
enum rc metadef_item_db_update(struct db *db, const metadef_space *space,
                               const struct metadef_kind *kind, const char *name, json_t *item,
                               struct err *err) CHECKED;
// name NULL: all of the kind.
enum rc metadef_item_db_remove(struct db *db, const metadef_space *space,
                               const struct metadef_kind *kind, const char *name,
                               struct err *err) CHECKED;

// ---- what the API's files share
enum rc metadef_load(const struct request *request, const char *rule, struct db **ret_db,
                     metadef_space **ret_space, struct err *err) CHECKED;
enum rc metadef_allow(const struct request *request, const char *rule, const metadef_space *space,
                      struct err *err) CHECKED;
// limit, marker, sort_key and sort_dir of the query.
enum rc metadef_page_read(const struct request *request, struct metadef_page *ret_page,
                          struct err *err) CHECKED;
// The collection of a kind as the namespace shows it: an array, or an object by name.
json_t *metadef_collection(const struct metadef_kind *kind, json_t *items);
// Before each name of a property stands the prefix.
json_t *metadef_prefixed(json_t *properties, const char *prefix);
