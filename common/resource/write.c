// SPDX-License-Identifier: Apache-2.0
// Create, update and delete: check, hooks and one statement, in one transaction.
#include "common/resource/internal.h"

#include "common/base/util.h"

#include <inttypes.h>
#include <string.h>

static enum rc
run_hook(resource_hook_fn hook, struct resource_op *op, struct err *err)
{
    return hook ? hook(op, err) : RC_OK;
}

static void
op_done(struct resource_op *op)
{
    json_decref(op->input);
    json_decref(op->values);
    json_decref(op->old);
    g_free(op->scratch);
}

// The attribute that a foreign key (by PostgreSQL's own name for it, TABLE_COLUMN_fkey) is about;
// NULL: none.
static const char *
attribute_of_key(const struct resource *resource, const char *constraint)
{
    for (const struct attribute *attribute = resource->attributes; attribute->name; attribute++) {
        g_autofree char *end = g_strdup_printf("_%s_fkey", attribute->name);
        if (g_str_has_suffix(constraint, end)) {
            return attribute->name;
        }
    }
    return NULL;
}

// What PostgreSQL says of a violated constraint, in the API's words; constraint names stay inside.
static enum rc
explain(const struct resource_op *op, enum rc rc, struct err *err)
{
    if (rc == RC_CONFLICT && err->type[0]) {
        return fault(err, RC_CONFLICT,
                     "Conflict occurred attempting to store %s - Duplicate entry found.",
                     op->resource->singular);
    }
    const char *name = rc == RC_INVALID ? attribute_of_key(op->resource, err->type) : NULL;
    if (name) {
        return fault(err, RC_INVALID,
                     "Invalid input for %s: field '%s' names something that does not exist.",
                     op->resource->singular, name);
    }
    if (rc == RC_INVALID && strstr(err->message, "(23")) {
        return fault(
            err, RC_INVALID,
            "Invalid input for %s: it names something that does not exist or breaks a rule.",
            op->resource->singular);
    }
    return rc;
}

static void
append_names(GString *sql, json_t *values, const char *before, const char *after)
{
    const char *column;
    json_t *value;
    bool first = true;
    json_object_foreach(values, column, value)
    {
        g_string_append_printf(sql, "%s%s%s%s", first ? "" : ", ", before, column, after);
        first = false;
    }
}

static enum rc
insert(struct resource_op *op, struct err *err)
{
    json_object_set_new(op->values, "id", json_string(op->id));
    if (op->resource->style & RESOURCE_TENANT) {
        json_object_set_new(op->values, "project_id", json_string(op->project_id));
    }
    // Columns are named by the table and the hooks; those not set keep the database's default.
    g_autoptr(GString) sql = g_string_new("INSERT INTO ");
    g_string_append_printf(sql, "%s (", op->resource->table);
    append_names(sql, op->values, "\"", "\"");
    g_string_append(sql, ") SELECT ");
    append_names(sql, op->values, "n.\"", "\"");
    g_string_append_printf(sql, " FROM jsonb_populate_record(NULL::%s, $1::jsonb) n",
                           op->resource->table);
    g_autofree char *values = json_dumps(op->values, JSON_COMPACT);
    enum rc rc = db_run(op->db, sql->str, DB_ARGS(db_s(values)), NULL, err);
    return explain(op, rc, err);
}

enum rc
resource_create_one(struct resource_op *op, struct err *err)
{
    op->values = op->values ? op->values : json_object();
    enum rc rc = check_input(op, true, err);
    if (rc == RC_OK && op->resource->policy_create) {
        json_auto_t *target = json_copy(op->input);
        json_object_set_new(target, "project_id", json_string(op->project_id));
        json_object_set_new(target, "target",
                            json_pack("{s:O}", op->resource->singular, op->input));
        rc = request_allow(op->request, op->resource->policy_create, target, err);
    }
    rc = rc == RC_OK ? run_hook(op->resource->before_create, op, err) : rc;
    rc = rc == RC_OK ? insert(op, err) : rc;
    return rc == RC_OK ? run_hook(op->resource->after_create, op, err) : rc;
}

// The row as it is, locked; who may see it but not change it gets RC_FORBIDDEN.
static enum rc
load_old(struct resource_op *op, struct err *err)
{
    const struct resource *resource = op->resource;
    if (!resource_id_is_valid(resource, op->id)) {
        return resource_not_found(resource, op->id, err);
    }
    const struct auth_context *auth = request_auth(op->request);
    bool admin = requester_sees_all(op->request);
    g_autoptr(GString) sql = g_string_new(NULL);
    g_string_append_printf(sql, "SELECT to_jsonb(r) AS old, (%s) AS writable FROM %s r",
                           admin || !resource->writable ? "true" : resource->writable,
                           resource->table);
    sql_append_visible(sql, resource, admin);
    g_string_append_printf(sql, " AND r.id = $%d::%s FOR UPDATE OF r", PARAM_FREE,
                           resource_id_type(resource));
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(op->db, sql->str,
                        DB_ARGS(db_s(request_project(op->request)), db_s(auth ? auth->user_id : ""),
                                db_s(auth ? auth->domain_id : ""), db_s(op->id)),
                        &rows, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (db_n_rows(rows) == 0) {
        return resource_not_found(resource, op->id, err);
    }
    if (!db_bool(rows, 0, "writable")) {
        return fault_typed(err, RC_FORBIDDEN, "PolicyNotAuthorized",
                           "The %s %s is not yours to change", resource->singular, op->id);
    }
    json_decref(op->old);
    op->old = db_json(rows, 0, "old");
    return RC_OK;
}

// If-Match: revision_number=N (API reference, extension revision-if-match) of a thing that has
// revisions; what else the header lists is nobody's.
static enum rc
match_revision(const struct resource_op *op, struct err *err)
{
    static const char name[] = "revision_number=";
    const char *header = request_header(op->request, "If-Match");
    if (!header || !(op->resource->style & RESOURCE_REVISION)) {
        return RC_OK;
    }
    int64_t current = json_integer_value(json_object_get(op->old, "revision_number"));
    int n_given = 0;
    g_auto(GStrv) tags = g_strsplit(header, ",", -1);
    for (size_t i = 0; tags[i]; i++) {
        int64_t wanted = 0;
        const char *tag = g_strstrip(g_strdelimit(tags[i], "\"", ' '));
        if (!g_str_has_prefix(tag, name)) {
            continue;
        }
        if (n_given++ || !parse_int64(tag + strlen(name), 0, INT64_MAX, &wanted)) {
            return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                               "If-Match must have one revision_number, which is an integer");
        }
        if (wanted != current) {
            return fault_typed(err, RC_PRECONDITION, "RevisionNumberConstraintFailed",
                               "Constrained to %" PRId64 ", but current revision is %" PRId64,
                               wanted, current);
        }
    }
    return RC_OK;
}

static enum rc
allow_old(struct resource_op *op, const char *policy, struct err *err)
{
    if (!policy) {
        return RC_OK;
    }
    json_auto_t *target = op->old ? json_copy(op->old) : json_object();
    json_object_set_new(
        target, "target",
        json_pack("{s:o}", op->resource->singular, op->old ? json_incref(op->old) : json_object()));
    return request_allow(op->request, policy, target, err);
}

// Policy and existence: what does not exist is 403 for who may not touch it anyway, else 404;
// missing_first: a style that says 404 to everybody.
static enum rc
open_target(struct resource_op *op, const char *policy, unsigned missing_first, struct err *err)
{
    enum rc rc = load_old(op, err);
    bool tells = rc == RC_NOT_FOUND &&
                 (op->resource->style &
                  (RESOURCE_MISSING_FIRST | RESOURCE_MISSING_FIRST_WRITES | missing_first));
    if ((rc == RC_OK || rc == RC_NOT_FOUND) && !tells) {
        struct err denied;
        enum rc allowed = allow_old(op, policy, &denied);
        if (allowed != RC_OK) {
            *err = denied;
            return allowed;
        }
    }
    return rc == RC_OK ? match_revision(op, err) : rc;
}

static enum rc
update(struct resource_op *op, struct err *err)
{
    const struct resource *resource = op->resource;
    bool revision = resource->style & RESOURCE_REVISION;
    if (json_object_size(op->values) == 0 && !revision) {
        return RC_OK;
    }
    g_autoptr(GString) sql = g_string_new("UPDATE ");
    g_string_append_printf(sql, "%s r SET ", resource->table);
    const char *column;
    json_t *value;
    bool first = true;
    json_object_foreach(op->values, column, value)
    {
        bool merge = strcmp(column, "extra") == 0 && (resource->style & RESOURCE_KEEP_UNKNOWN);
        g_string_append_printf(sql,
                               merge ? "%s\"%s\" = coalesce(r.\"%s\", '{}'::jsonb) || n.\"%s\""
                                     : "%s\"%s\" = n.\"%s\"",
                               first ? "" : ", ", column, column, column);
        first = false;
    }
    if (revision) {
        g_string_append_printf(sql, "%srevision_number = r.revision_number + 1, updated_at = now()",
                               first ? "" : ", ");
    }
    g_string_append_printf(sql,
                           " FROM jsonb_populate_record(NULL::%s, $2::jsonb) n WHERE r.id = $1::%s",
                           resource->table, resource_id_type(resource));
    g_autofree char *values = json_dumps(op->values, JSON_COMPACT);
    enum rc rc = db_run(op->db, sql->str, DB_ARGS(db_s(op->id), db_s(values)), NULL, err);
    return explain(op, rc, err);
}

static enum rc
check_keystone_update(struct resource_op *op, struct err *err)
{
    json_t *id = json_object_get(op->input, "id");
    if (!json_object_size(op->input)) {
        return fault(err, RC_INVALID, "invalid input for field '%s': it is empty",
                     op->resource->singular);
    }
    if (id && !json_is_null(id) && g_strcmp0(json_string_value(id), op->id)) {
        return fault(err, RC_INVALID, "invalid input for field 'id': it cannot be changed");
    }
    json_object_del(op->input, "id"); // as it is
    return RC_OK;
}

enum rc
resource_update_one(struct resource_op *op, struct err *err)
{
    op->values = op->values ? op->values : json_object();
    enum rc rc = open_target(op, op->resource->policy_update, 0, err);
    if (rc == RC_OK && (op->resource->style & RESOURCE_LINKS)) {
        rc = check_keystone_update(op, err);
    }
    rc = rc == RC_OK ? check_input(op, false, err) : rc;
    rc = rc == RC_OK ? run_hook(op->resource->before_update, op, err) : rc;
    rc = rc == RC_OK ? update(op, err) : rc;
    return rc == RC_OK ? run_hook(op->resource->after_update, op, err) : rc;
}

enum rc
resource_delete_one(struct resource_op *op, struct err *err)
{
    enum rc rc = open_target(op, op->resource->policy_delete, RESOURCE_MISSING_FIRST_DELETES, err);
    rc = rc == RC_OK ? run_hook(op->resource->before_delete, op, err) : rc;
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *sql = g_strdup_printf("DELETE FROM %s WHERE id = $1::%s", op->resource->table,
                                           resource_id_type(op->resource));
    rc = db_run(op->db, sql, DB_ARGS(db_s(op->id)), NULL, err);
    if (rc == RC_INVALID) {
        return fault(err, RC_CONFLICT, "The %s %s is in use", op->resource->singular, op->id);
    }
    return rc == RC_OK ? run_hook(op->resource->after_delete, op, err) : rc;
}

// ---- handlers

struct write {
    struct request *request;
    const struct resource *resource;
    json_t *inputs; // array of objects
    GString *items; // result, rebuilt when the transaction runs again
};

static void
op_init(struct resource_op *op, const struct write *write, struct db *db)
{
    *op = (struct resource_op){
        .request = write->request,
        .db = db,
        .resource = write->resource,
        .project_id = request_project(write->request),
        .values = json_object(),
    };
}

static enum rc
create_item(struct write *write, struct db *db, json_t *input, struct err *err)
{
    struct resource_op op;
    op_init(&op, write, db);
    op.input = json_deep_copy(input);
    if (write->resource->style & RESOURCE_HEX_ID) {
        hex_id_new(op.id);
    } else {
        uuid_new(op.id);
    }
    enum rc rc = resource_create_one(&op, err);
    g_autofree char *item = NULL;
    rc = rc == RC_OK ? resource_item(write->request, db, write->resource, op.id, &item, err) : rc;
    if (rc == RC_OK) {
        g_string_append_printf(write->items, "%s%s", write->items->len ? "," : "", item);
    }
    op_done(&op);
    return rc;
}

static enum rc
create_all(struct db *db, void *argument, struct err *err)
{
    struct write *write = argument;
    g_string_truncate(write->items, 0);
    size_t i;
    json_t *input;
    json_array_foreach(write->inputs, i, input)
    {
        enum rc rc = json_is_object(input)
                         ? create_item(write, db, input, err)
                         : fault(err, RC_INVALID, "Invalid input for %s: it is not an object",
                                 write->resource->singular);
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
unwrap(const struct resource *resource, json_t *root, bool *ret_bulk, json_t **ret_inputs,
       struct err *err)
{
    json_t *one = json_object_get(root, resource->singular),
           *many = json_object_get(root, resource->plural);
    if (json_is_object(one)) {
        *ret_bulk = false;
        *ret_inputs = json_pack("[O]", one);
        return RC_OK;
    }
    if ((resource->style & RESOURCE_BULK) && json_is_array(many) && json_array_size(many) > 0 &&
        json_array_size(many) <= 1000) {
        *ret_bulk = true;
        *ret_inputs = json_incref(many);
        return RC_OK;
    }
    return fault_typed(err, RC_INVALID, "HTTPBadRequest", "Unable to find '%s' in request body",
                       resource->singular);
}

enum rc
resource_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct resource *resource = resource_of(request);
    bool bulk = false;
    json_auto_t *inputs = NULL;
    enum rc rc = unwrap(resource, request_json(request), &bulk, &inputs, err);
    struct db *db;
    rc = rc == RC_OK ? request_db(request, &db, err) : rc;
    if (rc != RC_OK) {
        return rc;
    }
    g_autoptr(GString) items = g_string_new(NULL);
    struct write write = {request, resource, inputs, items};
    rc = db_tx(db, create_all, &write, err);
    if (rc == RC_OK) {
        reply->text = bulk ? g_strdup_printf("{\"%s\":[%s]}", resource->plural, items->str)
                           : g_strdup_printf("{\"%s\":%s}", resource->singular, items->str);
    }
    return rc;
}

static enum rc
update_item(struct db *db, void *argument, struct err *err)
{
    struct write *write = argument;
    struct resource_op op;
    op_init(&op, write, db);
    op.input = json_deep_copy(json_array_get(write->inputs, 0));
    g_strlcpy(op.id, request_param(write->request, "id"), sizeof(op.id));
    enum rc rc = resource_update_one(&op, err);
    g_autofree char *item = NULL;
    rc = rc == RC_OK ? resource_item(write->request, db, write->resource, op.id, &item, err) : rc;
    if (rc == RC_OK) {
        g_string_assign(write->items, item);
    }
    op_done(&op);
    return rc;
}

enum rc
resource_update(struct request *request, struct reply *reply, struct err *err)
{
    const struct resource *resource = resource_of(request);
    json_t *input = json_object_get(request_json(request), resource->singular);
    if (!json_is_object(input)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest", "Unable to find '%s' in request body",
                           resource->singular);
    }
    json_auto_t *inputs = json_pack("[O]", input);
    g_autoptr(GString) items = g_string_new(NULL);
    struct write write = {request, resource, inputs, items};
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    rc = rc == RC_OK ? db_tx(db, update_item, &write, err) : rc;
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"%s\":%s}", resource->singular, items->str);
    }
    return rc;
}

static enum rc
delete_item(struct db *db, void *argument, struct err *err)
{
    struct write *write = argument;
    struct resource_op op;
    op_init(&op, write, db);
    g_strlcpy(op.id, request_param(write->request, "id"), sizeof(op.id));
    enum rc rc = resource_delete_one(&op, err);
    op_done(&op);
    return rc;
}

enum rc
resource_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct write write = {.request = request, .resource = resource_of(request)};
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? db_tx(db, delete_item, &write, err) : rc;
}
