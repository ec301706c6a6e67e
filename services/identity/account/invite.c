// SPDX-License-Identifier: Apache-2.0
// Who manages a project asks people into it by mail. What the inviter sees is the same whether or
// not the address has an account.
#include "common/base/util.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/invite_db.h"
#include "services/identity/account/project.h"
#include <string.h>

struct invite_body {
    const char *email, *role, *locale;
};
static const struct field invite_fields[] = {
    FIELD(struct invite_body, email, "email", FIELD_TEXT, FIELD_REQUIRED, 3, 254),
    FIELD(struct invite_body, role, "role", FIELD_TEXT, FIELD_NULLABLE, 1, 255),
    {.name = "locale",
     .type = FIELD_TEXT,
     .flags = FIELD_NULLABLE,
     .offset = offsetof(struct invite_body, locale),
     .min = 2,
     .max = 16,
     .values = account_locales},
};
static const struct body_spec invite_body = {.fields = invite_fields,
                                             .n_fields = N_ELEMENTS(invite_fields),
                                             .struct_size = sizeof(struct invite_body)};

struct inviting {
    const struct conf *conf;
    struct invitation_row row;
    const char *inviter_name, *role_name;
    const char *locale; // NULL: the inviter's
    char *id;           // result
};

static enum rc
check_counts(const struct inviting *inviting, const db_result *counts, struct err *err)
{
    int64_t max = conf_int(inviting->conf, "accounts", "invitations_max");
    if (db_bool(counts, 0, "is_member")) {
        return fault(err, RC_CONFLICT, "'%s' is in the project already", inviting->row.email);
    }
    if (!db_bool(counts, 0, "is_asked") && db_int(counts, 0, "n_pending") >= max) {
        return fault(err, RC_QUOTA, "a project may have at most %d open invitations", (int)max);
    }
    return RC_OK;
}

static enum rc
send_invitation(struct db *db, const struct inviting *inviting, const char *locale, struct err *err)
{
    json_auto_t *detail =
        json_pack("{s:s, s:s}", "email", inviting->row.email, "role", inviting->role_name);
    const struct audit_entry entry = {.project_id = inviting->row.project_id,
                                      .actor_id = inviting->row.inviter_id,
                                      .action = "invitation.send",
                                      .detail = detail};
    const struct proof_ask ask = {.kind = PROOF_INVITATION,
                                  .email = inviting->row.email,
                                  .subject_id = inviting->id,
                                  .mail = MAIL_INVITATION,
                                  .locale = inviting->locale ? inviting->locale : locale,
                                  .other = inviting->inviter_name,
                                  .is_due = true};
    enum rc rc = proof_end(db, PROOF_INVITATION, NULL, NULL, inviting->id, err);
    rc = rc ? rc : proof_send(db, inviting->conf, &ask, err);
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
invite_tx(struct db *db, void *argument, struct err *err)
{
    struct inviting *inviting = argument;
    g_autoptr(db_result) counts = NULL;
    g_clear_pointer(&inviting->id, g_free);
    enum rc rc = db_lock_text(db, "invitation", inviting->row.project_id, err);
    rc = rc ? rc : invite_db_expire(db, inviting->row.email, err);
    rc = rc ? rc : invite_db_counts(db, &inviting->row, &counts, err);
    rc = rc ? rc : check_counts(inviting, counts, err);
    rc = rc ? rc : invite_db_put(db, &inviting->row, &inviting->id, err);
    return rc ? rc : send_invitation(db, inviting, db_text(counts, 0, "locale"), err);
}

// The mail names the inviter by address; a name that is none would be the inviter's own words.
static const char *
shown_name(struct request *request)
{
    g_autofree char *email = mail_address_check(request_auth(request)->user_name);
    return email ? request_strdup(request, email) : request_auth(request)->user_id;
}

static enum rc
invite(struct request *request, struct reply *reply, struct err *err)
{
    const struct invite_body *body = request_body(request);
    const struct conf *conf = account_conf(request);
    struct db *db = NULL;
    struct managed project = {0};
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    struct inviting inviting = {.conf = conf,
                                .row = {.id = id,
                                        .inviter_id = request_auth(request)->user_id,
                                        .life_s = proof_life_s(conf, PROOF_INVITATION)},
                                .role_name = body->role ? body->role : "member",
                                .locale = body->locale};
    enum rc rc = project_manage(request, "identity:invite_member", &db, &project, err);
    rc = rc ? rc
            : project_find_role(request, db, &project, inviting.role_name, &inviting.row.role_id,
                                err);
    rc = rc ? rc : admit_account_mail(request, "invite", body->email, &inviting.row.email, err);
    inviting.row.project_id = project.id;
    inviting.inviter_name = shown_name(request);
    rc = rc ? rc : db_tx(db, invite_tx, &inviting, err);
    rc = rc ? rc : invite_db_show(db, inviting.id, &reply->text, err);
    g_free(inviting.id);
    return rc;
}

static enum rc
list_invitations(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    struct managed project = {0};
    int64_t limit = 0;
    enum rc rc = page_limit(request, &limit, err);
    rc = rc ? rc : project_manage(request, "identity:list_invitations", &db, &project, err);
    return rc ? rc
              : invite_db_list(db, project.id, request_query(request, "marker"), limit,
                               &reply->text, err);
}

struct revoking {
    const char *id, *project_id, *actor_id;
};

static enum rc
revoke_tx(struct db *db, void *argument, struct err *err)
{
    const struct revoking *revoking = argument;
    json_auto_t *detail = json_pack("{s:s}", "invitation_id", revoking->id);
    const struct audit_entry entry = {.project_id = revoking->project_id,
                                      .actor_id = revoking->actor_id,
                                      .action = "invitation.revoke",
                                      .detail = detail};
    enum rc rc = invite_db_answer(db, revoking->id, revoking->project_id, "revoked", err);
    if (rc) {
        return rc == RC_NOT_FOUND
                   ? fault(err, rc, "Could not find pending invitation: %.64s.", revoking->id)
                   : rc;
    }
    rc = proof_end(db, PROOF_INVITATION, NULL, NULL, revoking->id, err);
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
take_back(struct request *request, struct reply *reply, struct err *err)
{
    struct revoking revoking = {.id = request_param(request, "invitation_id"),
                                .project_id = request_param(request, "project_id"),
                                .actor_id = request_auth(request)->user_id};
    struct db *db = NULL;
    struct managed project = {0};
    enum rc rc = project_manage(request, "identity:revoke_invitation", &db, &project, err);
    return rc ? rc : db_tx(db, revoke_tx, &revoking, err);
}

#define INVITATIONS "/accounts/v1/projects/{project_id}/invitations"
static const char *const page_query[] = {"limit", "marker", NULL};
const struct route invite_routes[] = {
    {.method = "POST",
     .path = INVITATIONS,
     .handle = invite,
     .body = &invite_body,
     .status = 201,
     .summary = "invite an address into a project, or send its mail again"},
    {.method = "GET",
     .path = INVITATIONS,
     .handle = list_invitations,
     .query = page_query,
     .status = 200,
     .summary = "list a project's invitations"},
    {.method = "DELETE",
     .path = INVITATIONS "/{invitation_id}",
     .handle = take_back,
     .status = 204,
     .summary = "take an invitation back"},
    {0},
};
