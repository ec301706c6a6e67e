// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/hierarchy.h"
#include "services/identity/tenancy/hierarchy_db.h"
#include <string.h>

// ---- where a new project may stand

static enum rc
check_domain(const struct resource_op *op, const struct place *place, struct err *err)
{
    json_t *domain_id = json_object_get(op->values, "domain_id");
    if (json_is_string(domain_id) && strcmp(json_string_value(domain_id), place->domain_id)) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'parent_id': the parent is in another domain");
    }
    const struct auth_context *auth = request_auth(op->request);
    return auth->is_admin || !strcmp(auth->domain_id, place->domain_id)
               ? RC_OK
               : fault(err, RC_FORBIDDEN,
                       "You are not authorized to perform the requested action: the parent is in "
                       "another domain.");
}

static enum rc
check_place(const struct resource_op *op, const char *parent_id, const struct place *place,
            struct err *err)
{
    enum rc rc = check_domain(op, place, err);
    if (rc == RC_OK && place->disabled_id[0]) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'parent_id': cannot create a project in a branch "
                     "containing a disabled project: %s",
                     place->disabled_id);
    }
    if (rc == RC_OK && place->n_above > identity_of(op->request)->max_tree_depth) {
        return fault(err, RC_FORBIDDEN, "Max hierarchy depth reached for %s branch.", parent_id);
    }
    return rc;
}

enum rc
hierarchy_place(struct resource_op *op, struct err *err)
{
    const char *given = json_string_value(json_object_get(op->values, "parent_id"));
    struct place place;
    enum rc rc = given ? RC_OK : default_domain(op, err);
    const char *parent_id =
        given ? given : json_string_value(json_object_get(op->values, "domain_id"));
    rc = rc ? rc : hierarchy_db_place(op->db, parent_id, &place, err);
    if (rc == RC_NOT_FOUND) {
        return fault(err, RC_INVALID, "invalid input for field '%s': Could not find %s: %.64s.",
                     given ? "parent_id" : "domain_id", given ? "project" : "domain", parent_id);
    }
    rc = rc ? rc : check_place(op, parent_id, &place, err);
    if (rc == RC_OK) {
        json_object_set_new(op->values, "parent_id", json_string(parent_id));
        json_object_set_new(op->values, "domain_id", json_string(place.domain_id));
    }
    return rc;
}

// ---- enabled and disabled

static bool
is_being_enabled(const struct resource_op *op)
{
    return json_is_false(json_object_get(op->old, "enabled")) &&
           json_is_true(json_object_get(op->values, "enabled"));
}

static enum rc
check_above(struct resource_op *op, struct err *err)
{
    bool enabled = false;
    enum rc rc = hierarchy_db_above_enabled(op->db, op->id, &enabled, err);
    return rc || enabled ? rc
                         : fault(err, RC_FORBIDDEN,
                                 "Cannot enable project %s since it has disabled parents", op->id);
}

static enum rc
check_below(struct resource_op *op, struct err *err)
{
    bool disabled = false;
    enum rc rc = hierarchy_db_below_disabled(op->db, op->id, &disabled, err);
    return rc || disabled ? rc
                          : fault(err, RC_FORBIDDEN,
                                  "Cannot disable project %s since its subtree contains enabled "
                                  "projects.",
                                  op->id);
}

enum rc
hierarchy_check_update(struct resource_op *op, struct err *err)
{
    if (is_being_enabled(op)) {
        return check_above(op, err);
    }
    bool is_domain = json_is_true(json_object_get(op->old, "is_domain"));
    return is_being_disabled(op) && !is_domain ? check_below(op, err) : RC_OK;
}

// ---- what one project shows of the tree

// {"parent": {"grandparent": {"domain": null}}}; rows: the nearest first.
static json_t *
parents_json(const db_result *rows)
{
    json_t *tree = json_null();
    for (int i = db_n_rows(rows) - 1; i >= 0; i--) {
        tree = json_pack("{s:o}", db_text(rows, i, "id"), tree);
    }
    return tree;
}

// {"child": {"grandchild": null}}; null: none. rows: a parent before its children.
static json_t *
subtree_json(const db_result *rows, const char *root_id)
{
    g_autoptr(GHashTable) nodes = g_hash_table_new(g_str_hash, g_str_equal); // id → borrowed object
    json_t *root = json_object();
    g_hash_table_insert(nodes, (gpointer)root_id, root);
    for (int i = 0; i < db_n_rows(rows); i++) {
        json_t *parent = g_hash_table_lookup(nodes, db_text(rows, i, "parent_id"));
        json_t *node = json_object();
        if (parent) {
            json_object_set_new(parent, db_text(rows, i, "id"), node);
            g_hash_table_insert(nodes, (gpointer)db_text(rows, i, "id"), node);
        } else {
            json_decref(node);
        }
    }
    for (int i = db_n_rows(rows) - 1; i >= 0; i--) { // leaves are null
        const char *id = db_text(rows, i, "id");
        json_t *node = g_hash_table_lookup(nodes, id),
               *parent = g_hash_table_lookup(nodes, db_text(rows, i, "parent_id"));
        if (node && parent && !json_object_size(node)) {
            json_object_set_new(parent, id, json_null());
        }
    }
    if (json_object_size(root)) {
        return root;
    }
    json_decref(root);
    return json_null();
}

// As Keystone: the parameter alone is true, and so is all but 0.
static bool
is_asked(const struct request *request, const char *side, const char *form)
{
    g_autofree char *name = g_strconcat(side, form, NULL);
    const char *value = request_query(request, name);
    return value && strcmp(value, "0");
}

static enum rc
add_ids(struct request *request, struct db *db, bool above, json_t *project, struct err *err)
{
    const char *id = request_param(request, "id");
    g_autoptr(db_result) rows = NULL;
    enum rc rc = hierarchy_db_ids(db, id, above, &rows, err);
    if (rc == RC_OK) {
        json_object_set_new(project, above ? "parents" : "subtree",
                            above ? parents_json(rows) : subtree_json(rows, id));
    }
    return rc;
}

static enum rc
add_list(struct request *request, struct db *db, bool above, json_t *project, struct err *err)
{
    g_autofree char *text = NULL;
    const struct hierarchy_query query = {.project_id = request_param(request, "id"),
                                          .user_id = request_auth(request)->user_id,
                                          .base_url = request_base_url(request),
                                          .above = above,
                                          .with_limits = is_asked(request, "include_limits", "")};
    enum rc rc = hierarchy_db_list(db, &query, &text, err);
    if (rc == RC_OK) {
        json_object_set_new(project, above ? "parents" : "subtree", json_loads(text, 0, NULL));
    }
    return rc;
}

static enum rc
add_side(struct request *request, bool above, json_t *project, struct err *err)
{
    const char *side = above ? "parents" : "subtree";
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc || is_asked(request, side, "_as_list")) {
        return rc ? rc : add_list(request, db, above, project, err);
    }
    return is_asked(request, side, "_as_ids") ? add_ids(request, db, above, project, err) : RC_OK;
}

static enum rc
check_query(const struct request *request, const char *side, bool *asks, struct err *err)
{
    bool list = is_asked(request, side, "_as_list"), ids = is_asked(request, side, "_as_ids");
    *asks = *asks || list || ids;
    return list && ids ? fault(err, RC_INVALID,
                               "Cannot use %s_as_list and %s_as_ids query params at the same time.",
                               side, side)
                       : RC_OK;
}

enum rc
hierarchy_show(struct request *request, struct reply *reply, struct err *err)
{
    bool asks = false;
    enum rc rc = resource_show(request, reply, err);
    rc = rc ? rc : check_query(request, "parents", &asks, err);
    rc = rc ? rc : check_query(request, "subtree", &asks, err);
    if (rc || !asks) {
        return rc;
    }
    json_t *root = json_loads(reply->text, 0, NULL), *project = json_object_get(root, "project");
    g_clear_pointer(&reply->text, g_free);
    reply->text_size = 0;
    reply->json = root;
    rc = add_side(request, true, project, err);
    return rc ? rc : add_side(request, false, project, err);
}
