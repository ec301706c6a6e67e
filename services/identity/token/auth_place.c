// SPDX-License-Identifier: Apache-2.0
// Where a token acts: project, domain or system, with the roles that its user has there now.
#include "services/identity/token/auth_place.h"
#include "services/identity/delegation/trust_db.h"
#include "services/identity/federation/sign_in.h"
#include <string.h>

void
place_done(struct place *place)
{
    db_result_free(place->row);
    json_decref(place->roles);
    json_decref(place->rules);
    g_free(place->rule_items);
    g_free(place->ids);
    g_free(place->names);
}

static void
take_roles(struct place *place, struct auth_context *token)
{
    size_t n = json_array_size(place->roles);
    place->ids = g_new0(const char *, n + 1);
    place->names = g_new0(const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        json_t *role = json_array_get(place->roles, i);
        place->ids[i] = json_string_value(json_array_get(role, 0));
        place->names[i] = json_string_value(json_array_get(role, 1));
    }
    token->role_ids = place->ids;
    token->roles = place->names;
}

static enum rc
query_place(struct db *db, const char *user_id, enum scope_kind scope, const struct named *target,
            struct place *place, struct err *err)
{
    enum rc rc =
        place->row               ? RC_OK // known already
        : scope == SCOPE_PROJECT ? auth_db_project_scope(db, user_id, target, &place->row, err)
        : scope == SCOPE_DOMAIN  ? auth_db_domain_scope(db, user_id, target, &place->row, err)
                                 : auth_db_system_scope(db, user_id, &place->row, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
    }
    place->roles = db_json(place->row, 0, "roles");
    bool enabled = scope == SCOPE_SYSTEM ||
                   (db_bool(place->row, 0, "enabled") &&
                    (scope == SCOPE_DOMAIN || db_bool(place->row, 0, "domain_enabled")));
    return enabled && json_array_size(place->roles) ? RC_OK : auth_denied(err);
}

static void
fill_place(enum scope_kind scope, struct place *place, struct auth_context *token)
{
    const db_result *row = place->row;
    if (scope == SCOPE_PROJECT) {
        token->project_id = db_text(row, 0, "id");
        token->project_name = db_text(row, 0, "name");
        token->project_domain_id = db_text(row, 0, "domain_id");
        token->project_domain_name = db_text(row, 0, "domain_name");
    } else if (scope == SCOPE_DOMAIN) {
        token->domain_id = db_text(row, 0, "id");
        token->domain_name = db_text(row, 0, "name");
    }
    token->is_system = scope == SCOPE_SYSTEM;
    take_roles(place, token);
}

// Of the roles held now, those in `allowed` (ids).
static void
keep_roles(struct place *place, json_t *allowed)
{
    for (size_t i = json_array_size(place->roles); i-- > 0;) {
        const char *id = json_string_value(json_array_get(json_array_get(place->roles, i), 0));
        bool found = false;
        for (size_t j = 0; j < json_array_size(allowed) && !found; j++) {
            found = !strcmp(json_string_value(json_array_get(allowed, j)), id);
        }
        if (!found) {
            json_array_remove(place->roles, i);
        }
    }
}

static void
take_appcred(const db_result *row, struct place *place, struct auth_context *token)
{
    token->appcred_id = db_text(row, 0, "id");
    token->appcred_name = db_text(row, 0, "name");
    token->is_restricted = !db_bool(row, 0, "unrestricted");
    place->rules = db_json(row, 0, "rules");
    token->n_access_rules = json_array_size(place->rules);
    token->access_rules = place->rule_items = g_new0(struct access_rule, token->n_access_rules);
    for (size_t i = 0; i < token->n_access_rules; i++) {
        json_t *rule = json_array_get(place->rules, i);
        place->rule_items[i] =
            (struct access_rule){.service = json_string_value(json_array_get(rule, 0)),
                                 .method = json_string_value(json_array_get(rule, 1)),
                                 .path = json_string_value(json_array_get(rule, 2))};
    }
}

// delegation: project_id, role_ids. Those of its roles that the user still holds there.
static enum rc
find_delegated_place(struct db *db, const struct person *person, const db_result *delegation,
                     struct place *place, struct auth_context *token, struct err *err)
{
    const struct named project = {.id = db_text(delegation, 0, "project_id")};
    enum rc rc =
        query_place(db, db_text(person->row, 0, "id"), SCOPE_PROJECT, &project, place, err);
    if (rc) {
        return rc;
    }
    json_auto_t *allowed = db_json(delegation, 0, "role_ids");
    keep_roles(place, allowed);
    fill_place(SCOPE_PROJECT, place, token);
    if (person->appcred) {
        take_appcred(person->appcred, place, token);
    } else {
        token->oauth_id = db_text(delegation, 0, "id");
        token->oauth_consumer_id = db_text(delegation, 0, "consumer_id");
    }
    return json_array_size(place->roles) ? RC_OK : auth_denied(err);
}

// The trustor must be enabled; with impersonation the token is the trustor's.
static enum rc
take_trustor(struct db *db, struct person *person, struct auth_context *token, struct err *err)
{
    g_autoptr(db_result) trustor = NULL;
    token->trust_id = db_text(person->trust, 0, "id");
    token->trustor_id = db_text(person->trust, 0, "trustor_user_id");
    token->trustee_id = db_text(person->trust, 0, "trustee_user_id");
    token->is_impersonating = db_bool(person->trust, 0, "impersonation");
    enum rc rc = auth_db_find_user(db, &(struct named){.id = token->trustor_id}, &trustor, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
    }
    if (!db_bool(trustor, 0, "enabled") || !db_bool(trustor, 0, "domain_enabled")) {
        return fault(err, RC_FORBIDDEN, "Trustor is disabled.");
    }
    if (token->is_impersonating) {
        db_result_free(person->row);
        person->row = g_steal_pointer(&trustor);
    }
    return RC_OK;
}

// Of the trustor's roles there, those that were delegated: all of them must still be held.
static enum rc
find_trust_place(struct db *db, const struct login *login, struct person *person,
                 struct place *place, struct auth_context *token, struct err *err)
{
    enum rc rc = trust_db_for_login(db, login->target.id, &person->trust, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
    }
    if (strcmp(db_text(person->trust, 0, "trustee_user_id"), db_text(person->row, 0, "id"))) {
        return fault(err, RC_FORBIDDEN, "User is not a trustee.");
    }
    rc = take_trustor(db, person, token, err);
    const struct named project = {.id = db_text(person->trust, 0, "project_id")};
    rc = rc ? rc : query_place(db, token->trustor_id, SCOPE_PROJECT, &project, place, err);
    if (rc) {
        return rc;
    }
    json_auto_t *allowed = db_json(person->trust, 0, "role_ids");
    keep_roles(place, allowed);
    fill_place(SCOPE_PROJECT, place, token);
    return json_array_size(place->roles) == json_array_size(allowed) && json_array_size(allowed)
               ? RC_OK
               : fault(err, RC_FORBIDDEN, "Trustee has no delegated roles.");
}

// Without a scope: the user's default project when there is one and it may be entered, else none.
enum rc
place_find(struct db *db, const struct login *login, struct person *person, struct place *place,
           struct auth_context *token, struct err *err)
{
    if (person->appcred || person->oauth1) {
        return find_delegated_place(db, person, person->appcred ? person->appcred : person->oauth1,
                                    place, token, err);
    }
    if (login->scope == SCOPE_TRUST) {
        return find_trust_place(db, login, person, place, token, err);
    }
    enum scope_kind scope = login->scope;
    struct named target = login->target;
    const char *user_id = db_text(person->row, 0, "id"),
               *home = db_text(person->row, 0, "default_project_id");
    bool is_default = scope == SCOPE_DEFAULT && home;
    if (is_default) {
        scope = SCOPE_PROJECT;
        target = (struct named){.id = home};
    }
    if (scope == SCOPE_DEFAULT || scope == SCOPE_UNSCOPED) {
        return RC_OK;
    }
    enum rc rc = federation_place(db, person, scope, &target, place, err);
    rc = rc ? rc : query_place(db, user_id, scope, &target, place, err);
    if (rc == RC_OK) {
        fill_place(scope, place, token);
    }
    return rc == RC_UNAUTHORIZED && is_default ? RC_OK : rc;
}

// A role given by id or name that the user has there now, perhaps since the token was made; NULL:
// it has not.
const char *
auth_held_role(json_t *held, json_t *role)
{
    const char *id = json_string_value(json_object_get(role, "id")),
               *name = json_string_value(json_object_get(role, "name"));
    for (size_t i = 0; i < json_array_size(held); i++) {
        const char *held_id = json_string_value(json_array_get(json_array_get(held, i), 0));
        const char *held_name = json_string_value(json_array_get(json_array_get(held, i), 1));
        if (id ? !strcmp(id, held_id) : name && !strcmp(name, held_name)) {
            return held_id;
        }
    }
    return NULL;
}
