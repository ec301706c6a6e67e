// SPDX-License-Identifier: Apache-2.0
// Projects of accounts, and who is in them.
#include "services/identity/account/project.h"
#include "common/base/util.h"
#include "services/identity/account/audit.h"
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
    char *made_name; // result
};

static enum rc
open_tx(struct db *db, void *argument, struct err *err)
{
    struct opening *opening = argument;
    int64_t max = conf_int(opening->conf, "accounts", "projects_max");
    g_autoptr(db_result) row = NULL;
    g_clear_pointer(&opening->made_name, g_free);
    enum rc rc = project_db_lock_account(db, opening->row.user_id, &row, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "this user has no account") : rc;
    }
    if (strcmp(db_text(row, 0, "state"), "active")) {
        return fault(err, RC_CONFLICT, "the account is %s", db_text(row, 0, "state"));
    }
    if (db_int(row, 0, "n_projects") >= max) {
        return fault(err, RC_QUOTA, "an account may have at most %d projects", (int)max);
    }
    return account_make_project(db, opening->conf, &opening->row, &opening->made_name, err);
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

static enum rc
open_project(struct request *request, struct reply *reply, struct err *err)
{
    const struct project_body *body = request_body(request);
    struct db *db = NULL;
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    g_autofree char *name = NULL, *description = NULL;
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
                                      .description = description}};
    rc = rc ? rc : db_tx(db, open_tx, &opening, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:{s:s, s:s, s:s, s:b, s:b, s:[s]}}", "project", "id", id, "name",
                                opening.made_name, "description", description ? description : "",
                                "enabled", 1, "is_owner", 1, "roles", "member");
    }
    g_free(opening.made_name);
    return rc;
}

// ---- members

static enum rc
list_members(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    struct managed project = {0};
    int64_t limit = 0;
    enum rc rc = page_limit(request, &limit, err);
    rc = rc ? rc : project_manage(request, "identity:list_members", &db, &project, err);
    return rc ? rc
              : project_db_members(db, project.id, request_query(request, "marker"), limit,
                                   &reply->text, err);
}

struct removal {
    const char *project_id, *user_id, *actor_id;
    bool by_admin;
};

// The owner answers for the project: it is closed, not left.
static enum rc
may_remove(struct db *db, const struct removal *removal, const db_result *member, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = project_db_find(db, removal->project_id, &row, err);
    if (rc) {
        return rc;
    }
    const char *owner_id = db_text(row, 0, "owner_id");
    g_auto(GStrv) roles = g_strsplit(db_text(member, 0, "roles"), ",", -1);
    if (owner_id && !strcmp(owner_id, removal->user_id)) {
        return fault(err, RC_CONFLICT, "the project's owner cannot leave it: close the project");
    }
    bool is_above = g_strv_contains((const char *const *)roles, "admin") ||
                    g_strv_contains((const char *const *)roles, "service");
    return is_above && !removal->by_admin
               ? fault(err, RC_FORBIDDEN, "only an administrator may remove user %.64s",
                       removal->user_id)
               : RC_OK;
}

static enum rc
tell_removed(struct db *db, const struct removal *removal, const db_result *member, struct err *err)
{
    bool is_self = !strcmp(removal->actor_id, removal->user_id);
    json_auto_t *detail = json_pack("{s:s}", "roles", db_text(member, 0, "roles"));
    const struct audit_entry entry = {.user_id = removal->user_id,
                                      .project_id = removal->project_id,
                                      .actor_id = removal->actor_id,
                                      .action = is_self ? "member.leave" : "member.remove",
                                      .detail = detail};
    const char *email = db_text(member, 0, "email");
    const struct mail mail = {.kind = MAIL_REMOVED,
                              .recipient = email,
                              .locale = db_text(member, 0, "locale"),
                              .other = removal->project_id,
                              .is_due = true};
    enum rc rc = audit_write(db, &entry, err);
    return rc || is_self || !email ? rc : mail_add(db, &mail, err);
}

static enum rc
remove_tx(struct db *db, void *argument, struct err *err)
{
    const struct removal *removal = argument;
    g_autoptr(db_result) member = NULL;
    enum rc rc = project_db_find_member(db, removal->project_id, removal->user_id, &member, err);
    if (rc) {
        return rc == RC_NOT_FOUND
                   ? fault(err, rc, "Could not find user: %.64s in the project.", removal->user_id)
                   : rc;
    }
    rc = may_remove(db, removal, member, err);
    rc = rc ? rc : project_db_remove_member(db, removal->project_id, removal->user_id, err);
    rc = rc ? rc
            : feed_revoke(db,
                          &(struct revocation){.user_id = removal->user_id,
                                               .project_id = removal->project_id},
                          err);
    return rc ? rc : tell_removed(db, removal, member, err);
}

// Everybody may leave; others are removed by who manages the project.
static enum rc
remove_member(struct request *request, struct reply *reply, struct err *err)
{
    const struct auth_context *auth = request_auth(request);
    struct removal removal = {.project_id = request_param(request, "project_id"),
                              .user_id = request_param(request, "user_id"),
                              .actor_id = auth->user_id,
                              .by_admin = auth->is_admin};
    struct db *db = NULL;
    struct managed project = {0};
    enum rc rc = !strcmp(removal.user_id, auth->user_id)
                     ? account_self(request, "identity:leave_project", &db, err)
                     : project_manage(request, "identity:remove_member", &db, &project, err);
    rc = rc ? rc : db_tx(db, remove_tx, &removal, err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

#define PROJECTS "/accounts/v1/projects"
static const char *const page_query[] = {"limit", "marker", NULL};
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
    {.method = "GET",
     .path = PROJECTS "/{project_id}/members",
     .handle = list_members,
     .query = page_query,
     .status = 200,
     .summary = "who is in a project, with which roles"},
    {.method = "DELETE",
     .path = PROJECTS "/{project_id}/members/{user_id}",
     .handle = remove_member,
     .status = 204,
     .summary = "remove a member, or leave"},
    {0},
};
