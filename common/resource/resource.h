// SPDX-License-Identifier: Apache-2.0
// The declarative resource engine: a table of attributes (attribute ↔ column, type, who may write
// and see it, filter and sort) gives list with filters, sort keys, `fields`, keyset pagination and
// links, show, create, bulk create, update and delete. Lists are assembled by PostgreSQL in one
// statement. What is special about a resource is a hook, run in the transaction of the operation. A
// service makes its routes with RESOURCE_ROUTES.
#pragma once
#include "common/http/http.h"

enum attribute_type {
    ATTR_TEXT,
    ATTR_UUID,
    ATTR_INT,
    ATTR_BOOL,
    ATTR_TIME,
    ATTR_JSON,
    ATTR_ARRAY,
    ATTR_OBJECT
};
enum attribute_flag {
    ATTR_CREATE = 1,   // may be given in POST
    ATTR_UPDATE = 2,   // may be given in PUT/PATCH
    ATTR_REQUIRED = 4, // must be given in POST
    ATTR_NULLABLE = 8, // null is a value
    ATTR_FILTER = 16,  // ?name=value (repeated: any of them)
    ATTR_SORT = 32,
    ATTR_HIDDEN = 64,     // never shown (secrets; values for hooks)
    ATTR_ADMIN_SEE = 128, // shown to admins only
    ATTR_ADMIN_SET = 256, // given by a non-admin: RC_FORBIDDEN naming it
    ATTR_VIRTUAL = 512,   // no column: the hook reads it from op->input; shown by `select`
    ATTR_BLANK = 1024,    // ATTR_TEXT: "" allowed even when min is not 0
};
#define ATTR_RW (ATTR_CREATE | ATTR_UPDATE)
#define ATTR_FS (ATTR_FILTER | ATTR_SORT)

struct attribute {
    const char *name; // "router:external"
    enum attribute_type type;
    unsigned flags;
    const char *column; // NULL: same as name
    const char *select; // SQL expression over alias r instead of r.column
    const char *filter; // SQL condition with %s for the value's parameter instead of `r.column =
                        // ANY(value)`: the parameter is text[]; e.g. "r.id IN (SELECT port_id FROM
                        // fixed_ip WHERE ip::text = ANY(%s))"
    int64_t min, max;   // characters, value or items; both 0: text ≤ 255, others unbounded
    const char *const *values; // ATTR_TEXT: allowed values
    const char *default_json;  // JSON text used by POST when absent; NULL: null
    const char *help;
    const char *unless_filtered; // SQL condition over r that lists apply unless this attribute is
                                 // filtered by
};

struct resource_op {
    struct request *request;
    struct db *db;
    const struct resource *resource;
    char id[72];            // create: preset to a new id, a hook may set it; others: the target's
    const char *project_id; // owner the new row gets (token's, or the body's project_id/tenant_id
                            // for admins)
    json_t *input;          // what the client gave, checked; owned by the engine
    json_t *values; // column → JSON value to be written; hooks may set more (json_object_set_new)
    json_t *old;   // update, delete: the row as row_to_json of the table (columns, not attributes);
                   // else NULL
    void *scratch; // the hooks' own, freed with g_free
};
typedef enum rc (*resource_hook_fn)(struct resource_op *op, struct err *err);

enum resource_style {
    RESOURCE_PUT = 1,   // update by PUT (Neutron); else PATCH (Keystone)
    RESOURCE_LINKS = 2, // Keystone: every item has links.self, lists have links {self, previous,
                        // next}; an update says something, and its id is the item's
    RESOURCE_PAGE_LINKS = 4, // Neutron: "networks_links" when limit was given
    RESOURCE_BULK = 8,       // POST with the plural envelope creates all or none
    RESOURCE_HEX_ID = 16,    // ids of 32 hex digits; else UUID
    RESOURCE_KEEP_UNKNOWN =
        32, // unknown attributes go to column `extra` (jsonb) and are shown (Keystone); else 400
    RESOURCE_TENANT = 64,    // has project_id; tenant_id is accepted and shown beside it (Neutron)
    RESOURCE_REVISION = 128, // has revision_number, created_at, updated_at kept by the engine;
                             // If-Match is heeded
    RESOURCE_COMPARISONS = 256, // Keystone's name__contains, __startswith, __endswith, the i… forms
                                // and __iexact, of every filter that is a text
    // What is not there is 404 for everybody; else who may not touch it if it were gets 403.
    RESOURCE_MISSING_FIRST = 512,         // in every operation
    RESOURCE_MISSING_FIRST_WRITES = 1024, // in updates and deletes
    RESOURCE_MISSING_FIRST_DELETES = 2048
};
struct resource {
    const char *singular, *plural; // "network", "networks"; also the envelope names
    const char *path;              // "/v2.0/networks" (for links)
    const char *table;
    const char *not_found_type;   // "NetworkNotFound", or NULL
    const char *not_found_format; // "Network %s could not be found."
    const char *sublink; // name of one more link, which ends with it ("protocols"), or NULL
    unsigned style;
    const char *visible; // SQL condition over r for who is not admin; $1 is the token's project id,
                         // $2 the user's, $3 the domain's
    const char *writable; // the same for update and delete; visible but not writable: 403 (Neutron)
                          // ; NULL: as visible
    const char
        *list_scope; // SQL condition over r for every list, whoever asks; parameters as above
    const char *policy_list, *policy_get, *policy_create, *policy_update,
        *policy_delete;       // rule names or NULL (any token)
    const char *default_sort; // column(s), e.g. "id"; ties are always broken by id
    int max_limit; // page bound; 0: 1,000 when limit is given, list_limit of http_config otherwise
    const struct attribute *attributes; // ended by name NULL
    // Hooks, in the operation's transaction; may be NULL.
    // before_list: NULL, or a check of the request's query.
    enum rc (*before_list)(const struct request *request, struct err *err);
    resource_hook_fn before_create, after_create, before_update, after_update, before_delete,
        after_delete;
};

// Generic handlers: the row's data is the const struct resource.
enum rc resource_list(struct request *request, struct reply *reply, struct err *err);
enum rc resource_show(struct request *request, struct reply *reply, struct err *err);
enum rc resource_create(struct request *request, struct reply *reply, struct err *err);
enum rc resource_update(struct request *request, struct reply *reply, struct err *err);
enum rc resource_delete(struct request *request, struct reply *reply, struct err *err);

// What a list of a thing's things is limited to: an SQL condition over r, %s the thing's id.
struct resource_whole {
    const char *condition, *id; // "r.id IN (SELECT user_id FROM group_member WHERE group_id = %s)"
};
// The list of the resource's items that belong to another thing, with all that lists can be asked
// for; pages' links are those of the request's own path. Who may ask, the caller has checked.
enum rc resource_list_within(struct request *request, const struct resource *resource,
                             const struct resource_whole *whole, struct reply *reply,
                             struct err *err) CHECKED;

// For code that does more than the generic handlers. The op's db is in a transaction.
enum rc resource_create_one(struct resource_op *op,
                            struct err *err) CHECKED; // input is set; checks, hooks, INSERT
enum rc resource_update_one(struct resource_op *op, struct err *err) CHECKED; // id, input set
enum rc resource_delete_one(struct resource_op *op, struct err *err) CHECKED; // id set
// The item as the API shows it: ret_text is JSON text {"id":…} without envelope; the caller frees.
// RC_NOT_FOUND with the resource's own error type when missing or invisible to the requester.
enum rc resource_item(struct request *request, struct db *db, const struct resource *resource,
                      const char *id, char **ret_text, struct err *err) CHECKED;

// RC_NOT_FOUND in the words and with the type of the resource.
enum rc resource_not_found(const struct resource *resource, const char *id, struct err *err);

// For the OpenAPI document: filters and sort keys of lists, bodies of writes, from the attribute
// table.
void resource_describe(const struct route *route, json_t *operation);

// Rows of a route table; more members may follow the verb of the summary.
// clang-format off
#define RESOURCE_ROUTE(resource_, method_, path_, handle_, status_, verb_, ...) \
    {.method = method_, .path = path_, .handle = handle_, .status = status_, .data = &resource_, .describe = resource_describe, .summary = verb_ " " #resource_, __VA_ARGS__}
// The usual five: RESOURCE_ROUTES(network, "/v2.0/networks", "PUT")
#define RESOURCE_ROUTES(resource_, path_, update_method_) \
    RESOURCE_ROUTE(resource_, "GET", path_, resource_list, 200, "list"), \
    RESOURCE_ROUTE(resource_, "POST", path_, resource_create, 201, "create"), \
    RESOURCE_ROUTE(resource_, "GET", path_ "/{id}", resource_show, 200, "show"), \
    RESOURCE_ROUTE(resource_, update_method_, path_ "/{id}", resource_update, 200, "update"), \
    RESOURCE_ROUTE(resource_, "DELETE", path_ "/{id}", resource_delete, 204, "delete")
// clang-format on
