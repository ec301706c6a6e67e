// SPDX-License-Identifier: Apache-2.0
// The invited answer with their mail's token, which proves the address: no login is needed. An
// address without an account gets one in the same transaction as the role.
#include "common/base/util.h"
#include "services/identity/account/accounts.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/invite_db.h"
#include "services/identity/tenancy/grant_db.h"
#include <string.h>

struct accept_body {
    const char *token, *password, *name, *locale, *terms_version;
};
static const struct field accept_fields[] = {
    FIELD(struct accept_body, token, "token", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET, 1, 128),
    FIELD(struct accept_body, password, "password", FIELD_TEXT, FIELD_NULLABLE | FIELD_SECRET,
          ACCOUNT_PASSWORD_MIN, 72),
    FIELD(struct accept_body, name, "name", FIELD_TEXT, FIELD_NULLABLE, 0, ACCOUNT_NAME_MAX),
    FIELD(struct accept_body, terms_version, "terms_version", FIELD_TEXT, FIELD_NULLABLE, 1, 64),
    {.name = "locale",
     .type = FIELD_TEXT,
     .flags = FIELD_NULLABLE,
     .offset = offsetof(struct accept_body, locale),
     .min = 2,
     .max = 16,
     .values = account_locales},
};
static const struct body_spec accept_body = {.fields = accept_fields,
                                             .n_fields = N_ELEMENTS(accept_fields),
                                             .struct_size = sizeof(struct accept_body)};

struct accepting {
    const struct conf *conf;
    const struct accept_body *body;
    char *hash, *name; // of the account to be made; hash NULL: the address had one
    char new_user_id[HEX_ID_SIZE];
    // Results, rebuilt when the transaction runs again.
    struct proof proof;
    char *user_id, *state;
    db_result *invitation;
};

static void
accepting_reset(struct accepting *accepting)
{
    proof_clear(&accepting->proof);
    g_clear_pointer(&accepting->user_id, g_free);
    g_clear_pointer(&accepting->state, g_free);
    g_clear_pointer(&accepting->invitation, db_result_free);
}

static enum rc
find_pending(struct db *db, const struct proof *proof, db_result **ret_row, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = invite_db_find(db, proof->subject_id, true, &row, err);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && strcmp(db_text(row, 0, "state"), "pending"))) {
        return fault(err, RC_GONE, "this invitation was taken back or answered");
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

static enum rc
make_invited(struct db *db, struct accepting *accepting, struct err *err)
{
    bool is_waiting = false;
    const char *locale = accepting->body->locale;
    enum rc rc = account_check_mode(db, accepting->conf, accepting->proof.email, &is_waiting, err);
    const struct person_row person = {.user_id = accepting->new_user_id,
                                      .email = accepting->proof.email,
                                      .name = accepting->name ? accepting->name : "",
                                      .locale = locale ? locale : "en",
                                      .password_hash = accepting->hash,
                                      .terms_version = accepting->body->terms_version,
                                      .is_waiting = is_waiting,
                                      .home_id = db_text(accepting->invitation, 0, "project_id")};
    rc = rc ? rc : account_make(db, accepting->conf, &person, err);
    // The address's other sign-ups would make a second account.
    rc = rc ? rc : proof_end(db, PROOF_SIGN_UP, accepting->proof.email, NULL, NULL, err);
    if (rc == RC_OK) {
        accepting->user_id = g_strdup(accepting->new_user_id);
        accepting->state = g_strdup(is_waiting ? "waiting" : "active");
    }
    return rc;
}

static enum rc
find_or_make_user(struct db *db, struct accepting *accepting, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = invite_db_find_user(db, accepting->proof.email, &row, err);
    if (rc == RC_NOT_FOUND) {
        return accepting->hash ? make_invited(db, accepting, err)
                               : fault(err, RC_CONFLICT, "the account was closed meanwhile");
    }
    if (rc) {
        return rc;
    }
    const char *state = db_text(row, 0, "state");
    if (!(state ? !strcmp(state, "active") || !strcmp(state, "waiting")
                : db_bool(row, 0, "enabled"))) {
        return fault(err, RC_CONFLICT, "the account of this address is not open");
    }
    accepting->user_id = g_strdup(db_text(row, 0, "id"));
    accepting->state = g_strdup(state ? state : "active");
    return RC_OK;
}

static enum rc
join(struct db *db, const struct accepting *accepting, struct err *err)
{
    const db_result *invitation = accepting->invitation;
    const struct grant grant = {.user_id = accepting->user_id,
                                .target_id = db_text(invitation, 0, "project_id"),
                                .role_id = db_text(invitation, 0, "role_id")};
    json_auto_t *detail =
        json_pack("{s:s, s:s, s:s}", "role", db_text(invitation, 0, "role_name"), "invitation_id",
                  db_text(invitation, 0, "id"), "inviter_id", db_text(invitation, 0, "inviter_id"));
    const struct audit_entry entry = {.user_id = accepting->user_id,
                                      .project_id = grant.target_id,
                                      .action = "invitation.accept",
                                      .detail = detail};
    enum rc rc = grant_db_add(db, &grant, err);
    rc = rc ? rc : invite_db_answer(db, db_text(invitation, 0, "id"), NULL, "accepted", err);
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
accept_tx(struct db *db, void *argument, struct err *err)
{
    struct accepting *accepting = argument;
    accepting_reset(accepting);
    enum rc rc = proof_take(db, PROOF_INVITATION, accepting->body->token, &accepting->proof, err);
    rc = rc ? rc : find_pending(db, &accepting->proof, &accepting->invitation, err);
    rc = rc ? rc : find_or_make_user(db, accepting, err);
    return rc ? rc : join(db, accepting, err);
}

// What an address without an account must give besides; hashing is done before the transaction.
static enum rc
prepare(struct db *db, struct accepting *accepting, struct err *err)
{
    const struct accept_body *body = accepting->body;
    enum rc rc = proof_find(db, PROOF_INVITATION, body->token, &accepting->proof, err);
    rc = rc ? rc : invite_db_find_user(db, accepting->proof.email, NULL, err);
    if (rc == RC_OK || !accepting->proof.id || rc != RC_NOT_FOUND) {
        return rc;
    }
    if (!body->password) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'password': the address has no account yet, so one "
                     "must be chosen");
    }
    rc = account_check_terms(accepting->conf, body->terms_version, err);
    rc = rc ? rc : account_name("name", body->name, ACCOUNT_NAME_MAX, &accepting->name, err);
    return rc ? rc : password_hash(body->password, &accepting->hash, err);
}

static json_t *
membership_json(const struct accepting *accepting)
{
    const db_result *invitation = accepting->invitation;
    return json_pack("{s:{s:{s:s, s:s}, s:{s:s, s:s}, s:s}, s:{s:s}}", "membership", "user", "id",
                     accepting->user_id, "name", accepting->proof.email, "project", "id",
                     db_text(invitation, 0, "project_id"), "name",
                     db_text(invitation, 0, "project_name"), "role",
                     db_text(invitation, 0, "role_name"), "account", "state", accepting->state);
}

static enum rc
accept_invitation(struct request *request, struct reply *reply, struct err *err)
{
    struct accepting accepting = {.conf = account_conf(request), .body = request_body(request)};
    hex_id_new(accepting.new_user_id);
    struct db *db = NULL;
    enum rc rc = admit_token(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc || !accepting.body->password
             ? rc
             : compliance_check_password(&identity_of(request)->compliance,
                                         accepting.body->password, err);
    rc = rc ? rc : prepare(db, &accepting, err);
    rc = rc ? rc : db_tx(db, accept_tx, &accepting, err);
    if (rc == RC_OK) {
        reply->json = membership_json(&accepting);
    }
    accepting_reset(&accepting);
    g_free(accepting.hash);
    g_free(accepting.name);
    return rc;
}

struct declining {
    const char *token;
    struct proof proof;
};

static enum rc
decline_tx(struct db *db, void *argument, struct err *err)
{
    struct declining *declining = argument;
    g_autoptr(db_result) row = NULL;
    enum rc rc = proof_take(db, PROOF_INVITATION, declining->token, &declining->proof, err);
    rc = rc ? rc : find_pending(db, &declining->proof, &row, err);
    if (rc) {
        return rc;
    }
    json_auto_t *detail = json_pack("{s:s, s:s}", "email", db_text(row, 0, "email"),
                                    "invitation_id", db_text(row, 0, "id"));
    const struct audit_entry entry = {.project_id = db_text(row, 0, "project_id"),
                                      .action = "invitation.decline",
                                      .detail = detail};
    rc = invite_db_answer(db, db_text(row, 0, "id"), NULL, "declined", err);
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
decline_invitation(struct request *request, struct reply *reply, struct err *err)
{
    const struct proof_body *body = request_body(request);
    struct declining declining = {.token = body->token};
    struct db *db = NULL;
    enum rc rc = admit_token(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, decline_tx, &declining, err);
    proof_clear(&declining.proof);
    return rc;
}

const struct route invite_answer_routes[] = {
    {.method = "POST",
     .path = "/accounts/v1/invitations/accept",
     .handle = accept_invitation,
     .body = &accept_body,
     .flags = ROUTE_PUBLIC | ROUTE_SLOW,
     .status = 201,
     .summary = "accept an invitation with the mail's token"},
    {.method = "POST",
     .path = "/accounts/v1/invitations/decline",
     .handle = decline_invitation,
     .body = &proof_body_spec,
     .flags = ROUTE_PUBLIC,
     .status = 204,
     .summary = "decline an invitation with the mail's token"},
    {0},
};
