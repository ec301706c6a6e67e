// SPDX-License-Identifier: Apache-2.0
// Who is in a project of an account, with which role. What somebody loses ends that person's tokens
// for the project.
#include "common/base/util.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/project.h"
#include "services/identity/account/project_db.h"
#include "services/identity/account/project_member_db.h"
#include <string.h>

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

// What is done to one member of a project.
struct member_change {
    const char *project_id, *user_id, *actor_id;
    const char *role, *role_id; // the new one; NULL: the member goes
    bool by_admin;
    char *shown; // result: the member as JSON text
};

// The owner answers for the project: it is closed, not left. One that nobody owns keeps a manager.
static enum rc
may_change(struct db *db, const struct member_change *change, const db_result *member,
           struct err *err)
{
    g_auto(GStrv) names = g_strsplit(db_text(member, 0, "roles"), ",", -1);
    const char *const *roles = (const char *const *)names;
    if (db_bool(member, 0, "is_owner")) {
        return change->role ? fault(err, RC_CONFLICT, "the project's owner keeps its role")
                            : fault(err, RC_CONFLICT,
                                    "the project's owner cannot leave it: close "
                                    "the project");
    }
    if ((g_strv_contains(roles, "admin") || g_strv_contains(roles, "service")) &&
        !change->by_admin) {
        return fault(err, RC_FORBIDDEN, "only an administrator may change user %.64s",
                     change->user_id);
    }
    bool stays_manager = change->role && !strcmp(change->role, "manager");
    return db_bool(member, 0, "is_last_manager") && !stays_manager && !change->by_admin
               ? fault(err, RC_CONFLICT, "the project's last manager keeps this role")
               : RC_OK;
}

static enum rc
find_member(struct db *db, const struct member_change *change, db_result **ret_member,
            struct err *err)
{
    // Two managers who take the role from each other: the second one sees what the first did.
    g_autoptr(db_result) member = NULL;
    enum rc rc = db_lock_text(db, "member", change->project_id, err);
    rc = rc ? rc : project_member_db_find(db, change->project_id, change->user_id, &member, err);
    if (rc) {
        return rc == RC_NOT_FOUND
                   ? fault(err, rc, "Could not find user: %.64s in the project.", change->user_id)
                   : rc;
    }
    rc = may_change(db, change, member, err);
    if (rc == RC_OK) {
        *ret_member = g_steal_pointer(&member);
    }
    return rc;
}

static enum rc
end_tokens(struct db *db, const struct member_change *change, struct err *err)
{
    const struct revocation revocation = {.user_id = change->user_id,
                                          .project_id = change->project_id};
    return feed_revoke(db, &revocation, err);
}

// ---- removal

static enum rc
tell_removed(struct db *db, const struct member_change *change, const db_result *member,
             struct err *err)
{
    bool is_self = !strcmp(change->actor_id, change->user_id);
    json_auto_t *detail = json_pack("{s:s}", "roles", db_text(member, 0, "roles"));
    const struct audit_entry entry = {.user_id = change->user_id,
                                      .project_id = change->project_id,
                                      .actor_id = change->actor_id,
                                      .action = is_self ? "member.leave" : "member.remove",
                                      .detail = detail};
    const char *email = db_text(member, 0, "email");
    const struct mail mail = {.kind = MAIL_REMOVED,
                              .recipient = email,
                              .locale = db_text(member, 0, "locale"),
                              .other = change->project_id,
                              .is_due = true};
    enum rc rc = audit_write(db, &entry, err);
    return rc || is_self || !email ? rc : mail_add(db, &mail, err);
}

static enum rc
remove_tx(struct db *db, void *argument, struct err *err)
{
    const struct member_change *change = argument;
    g_autoptr(db_result) member = NULL;
    enum rc rc = find_member(db, change, &member, err);
    rc = rc ? rc : project_db_remove_member(db, change->project_id, change->user_id, err);
    rc = rc ? rc : end_tokens(db, change, err);
    return rc ? rc : tell_removed(db, change, member, err);
}

static struct member_change
change_of(const struct request *request)
{
    const struct auth_context *auth = request_auth(request);
    return (struct member_change){.project_id = request_param(request, "project_id"),
                                  .user_id = request_param(request, "user_id"),
                                  .actor_id = auth->user_id,
                                  .by_admin = auth->is_admin};
}

// Everybody may leave; others are removed by who manages the project.
static enum rc
remove_member(struct request *request, struct reply *reply, struct err *err)
{
    struct member_change change = change_of(request);
    struct db *db = NULL;
    struct managed project = {0};
    enum rc rc = !strcmp(change.user_id, change.actor_id)
                     ? account_self(request, "identity:leave_project", &db, err)
                     : project_manage(request, "identity:remove_member", &db, &project, err);
    rc = rc ? rc : db_tx(db, remove_tx, &change, err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

// ---- another role

struct role_body {
    const char *role;
};
static const struct field role_fields[] = {
    FIELD(struct role_body, role, "role", FIELD_TEXT, FIELD_REQUIRED, 1, 255),
};
static const struct body_spec role_body = {.fields = role_fields,
                                           .n_fields = N_ELEMENTS(role_fields),
                                           .struct_size = sizeof(struct role_body)};

static enum rc
change_tx(struct db *db, void *argument, struct err *err)
{
    struct member_change *change = argument;
    g_autoptr(db_result) member = NULL;
    bool is_narrower = false;
    g_clear_pointer(&change->shown, g_free);
    enum rc rc = find_member(db, change, &member, err);
    if (rc == RC_OK && strcmp(db_text(member, 0, "roles"), change->role)) {
        json_auto_t *detail = json_pack("{s:s, s:s}", "role", change->role, "former_roles",
                                        db_text(member, 0, "roles"));
        const struct audit_entry entry = {.user_id = change->user_id,
                                          .project_id = change->project_id,
                                          .actor_id = change->actor_id,
                                          .action = "member.change",
                                          .detail = detail};
        rc = project_member_db_set_role(db, change->project_id, change->user_id, change->role_id,
                                        &is_narrower, err);
        rc = rc || !is_narrower ? rc : end_tokens(db, change, err);
        rc = rc ? rc : audit_write(db, &entry, err);
    }
    return rc ? rc
              : project_member_db_show(db, change->project_id, change->user_id, &change->shown,
                                       err);
}

// The role takes the place of all that the member has on the project itself.
static enum rc
change_member(struct request *request, struct reply *reply, struct err *err)
{
    struct member_change change = change_of(request);
    struct db *db = NULL;
    struct managed project = {0};
    change.role = ((const struct role_body *)request_body(request))->role;
    enum rc rc = project_manage(request, "identity:change_member", &db, &project, err);
    rc = rc ? rc : project_find_role(request, db, &project, change.role, &change.role_id, err);
    rc = rc ? rc : db_tx(db, change_tx, &change, err);
    rc = rc ? rc : feed_catch_up(identity_of(request), err);
    if (rc == RC_OK) {
        reply->text = g_steal_pointer(&change.shown);
    }
    g_free(change.shown);
    return rc;
}

#define MEMBERS "/accounts/v1/projects/{project_id}/members"
static const char *const page_query[] = {"limit", "marker", NULL};
const struct route account_member_routes[] = {
    {.method = "GET",
     .path = MEMBERS,
     .handle = list_members,
     .query = page_query,
     .status = 200,
     .summary = "who is in a project, with which roles"},
    {.method = "PATCH",
     .path = MEMBERS "/{user_id}",
     .handle = change_member,
     .body = &role_body,
     .status = 200,
     .summary = "give a member another role"},
    {.method = "DELETE",
     .path = MEMBERS "/{user_id}",
     .handle = remove_member,
     .status = 204,
     .summary = "remove a member, or leave"},
    {0},
};
