// SPDX-License-Identifier: Apache-2.0
// Projects of accounts.
#include "services/identity/account/project.h"
#include "common/base/util.h"
#include "common/db/idempotency.h"
#include "services/identity/account/invite_db.h"
#include "services/identity/account/project_db.h"
#include <string.h>

#define PAGE_DEFAULT "100"
#define PAGE_MAX 1000

enum rc
page_limit(const struct request *request, int64_t *ret_limit, struct err *err)
{
    const char *text = request_query(request, "limit");
    return parse_int64(text ? text : PAGE_DEFAULT, 1, PAGE_MAX, ret_limit)
               ? RC_OK
               : fault(err, RC_INVALID, "invalid input for field 'limit': it is not from 1 to %d",
                       PAGE_MAX);
}

enum rc
project_manage(struct request *request, const char *rule, struct db **ret_db,
               struct managed *ret_project, struct err *err)
{
    const char *id = request_param(request, "project_id");
    struct db *db = NULL;
    g_autoptr(db_result) row = NULL;
    enum rc rc = account_self(request, "identity:use_accounts", &db, err);
    rc = rc ? rc : project_db_find(db, id, &row, err);
    if (rc && rc != RC_NOT_FOUND) {
        return rc;
    }
    const char *owner_id = rc ? NULL : db_text(row, 0, "owner_id");
    json_auto_t *target = json_pack("{s:{s:{s:s, s:s}}}", "target", "project", "id", id, "owner_id",
                                    owner_id ? owner_id : "");
    if (rc || !request_is_allowed(request, rule, target)) {
        return rc == RC_OK && !strcmp(request_project(request), id)
                   ? request_allow(request, rule, target, err)
                   : fault(err, RC_NOT_FOUND, "Could not find project: %.64s.", id);
    }
    *ret_project =
        (struct managed){.id = request_strdup(request, db_text(row, 0, "id")),
                         .name = request_strdup(request, db_text(row, 0, "name")),
                         .is_enabled = db_bool(row, 0, "enabled"),
                         .is_owner = owner_id && !strcmp(owner_id, request_auth(request)->user_id),
                         .is_admin = request_auth(request)->is_admin};
    *ret_db = db;
    return RC_OK;
}

// An owner gives any role of setting accounts.invite_roles, others only those that they have.
enum rc
project_find_role(struct request *request, struct db *db, const struct managed *project,
                  const char *name, const char **ret_id, struct err *err)
{
    g_auto(GStrv) allowed =
        g_strsplit(conf_text(account_conf(request), "accounts", "invite_roles"), ",", -1);
    bool may =
        g_strv_contains((const char *const *)allowed, name) &&
        (project->is_owner || project->is_admin || auth_has_role(request_auth(request), name));
    g_autoptr(db_result) row = NULL;
    enum rc rc = may ? invite_db_find_role(db, name, &row, err) : RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND) {
        return fault(err, RC_FORBIDDEN, "invalid input for field 'role': you may not give '%.64s'",
                     name);
    }
    if (rc == RC_OK) {
        *ret_id = request_strdup(request, db_text(row, 0, "id"));
    }
    return rc;
}

// ---- one's projects

static enum rc
list_projects(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = account_self(request, "identity:use_accounts", &db, err);
    return rc ? rc : project_db_list(db, request_auth(request)->user_id, &reply->text, err);
}

struct opening {
    const struct conf *conf;
    struct project_row row;
    const char *key;   // of the request; NULL: none
    const char *hash;  // of the request
    char *existing_id; // result: what the same request made before
};

static enum rc
open_tx(struct db *db, void *argument, struct err *err)
{
    struct opening *opening = argument;
    int64_t max = conf_int(opening->conf, "accounts", "projects_max");
    g_autoptr(db_result) row = NULL;
    g_autofree char *name = NULL; // as it became
    g_clear_pointer(&opening->existing_id, g_free);
    enum rc rc = project_db_lock_account(db, opening->row.user_id, &row, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "this user has no account") : rc;
    }
    if (strcmp(db_text(row, 0, "state"), "active")) {
        return fault(err, RC_CONFLICT, "the account is %s", db_text(row, 0, "state"));
    }
    rc = idempotency_claim(db, opening->row.user_id, opening->key, opening->hash, opening->row.id,
                           &opening->existing_id, err);
    if (rc || opening->existing_id) {
        return rc;
    }
    if (db_int(row, 0, "n_projects") >= max) {
        return fault(err, RC_QUOTA, "an account may have at most %d projects", (int)max);
    }
    return account_make_project(db, opening->conf, &opening->row, &name, err);
}

struct project_body {
    const char *name, *description;
};
static const struct field project_fields[] = {
    FIELD(struct project_body, name, "name", FIELD_TEXT, FIELD_REQUIRED, 1, PROJECT_NAME_MAX),
    FIELD(struct project_body, description, "description", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
};
static const struct body_spec project_body = {.fields = project_fields,
                                              .n_fields = N_ELEMENTS(project_fields),
                                              .struct_size = sizeof(struct project_body)};

static char *
hash_of(const struct request *request)
{
    g_autofree char *text = json_dumps(request_json(request), JSON_COMPACT | JSON_SORT_KEYS);
    return sha256_hex(text, strlen(text));
}

static enum rc
reply_opened(struct db *db, const struct opening *opening, struct reply *reply, struct err *err)
{
    const char *id = opening->existing_id ? opening->existing_id : opening->row.id;
    enum rc rc = project_db_show(db, id, opening->row.user_id, &reply->text, err);
    return rc == RC_NOT_FOUND ? fault(err, RC_CONFLICT,
                                      "project %s, which this request opened, is "
                                      "closed",
                                      id)
                              : rc;
}

static enum rc
open_project(struct request *request, struct reply *reply, struct err *err)
{
    const struct project_body *body = request_body(request);
    struct db *db = NULL;
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    g_autofree char *name = NULL, *description = NULL, *hash = hash_of(request);
    enum rc rc = account_self(request, "identity:open_project", &db, err);
    rc = rc ? rc : account_name("name", body->name, PROJECT_NAME_MAX, &name, err);
    rc = rc ? rc : account_name("description", body->description, 255, &description, err);
    if (rc == RC_OK && !name[0]) {
        rc = fault(err, RC_INVALID, "invalid input for field 'name': it is blank");
    }
    struct opening opening = {.conf = account_conf(request),
                              .row = {.id = id,
                                      .user_id = request_auth(request)->user_id,
                                      .name = name,
                                      .description = description},
                              .key = request_header(request, "Idempotency-Key"),
                              .hash = hash};
    rc = rc ? rc : db_tx(db, open_tx, &opening, err);
    rc = rc ? rc : reply_opened(db, &opening, reply, err);
    g_free(opening.existing_id);
    return rc;
}

#define PROJECTS "/accounts/v1/projects"
const struct route account_project_routes[] = {
    {.method = "GET",
     .path = PROJECTS,
     .handle = list_projects,
     .status = 200,
     .summary = "projects that one opened or is in"},
    {.method = "POST",
     .path = PROJECTS,
     .handle = open_project,
     .body = &project_body,
     .status = 201,
     .summary = "open one more project"},
    {0},
};
