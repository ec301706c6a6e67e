// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/proof.h"
#include "common/base/util.h"
#include "services/identity/account/proof_db.h"
#include <string.h>

static const struct {
    const char *name, *life, *url; // settings of group accounts
} kinds[N_PROOF] = {
    [PROOF_SIGN_UP] = {"sign_up", "token_life", "verify_url"},
    [PROOF_INVITATION] = {"invitation", "invitation_life", "invitation_url"},
    [PROOF_EMAIL] = {"email", "token_life", "email_url"},
    [PROOF_PASSWORD] = {"password", "reset_life", "reset_url"},
};

static const struct field body_fields[] = {
    FIELD(struct proof_body, token, "token", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET, 1, 128)};
const struct body_spec proof_body_spec = {.fields = body_fields,
                                          .n_fields = N_ELEMENTS(body_fields),
                                          .struct_size = sizeof(struct proof_body)};

int64_t
proof_life_s(const struct conf *conf, enum proof_kind kind)
{
    return conf_int(conf, "accounts", kinds[kind].life);
}

enum rc
proof_send(struct db *db, const struct conf *conf, const struct proof_ask *ask, struct err *err)
{
    g_autofree char *token = random_token(32), *hash = sha256_hex(token, strlen(token));
    g_autofree char *link =
        g_strconcat(conf_text(conf, "accounts", kinds[ask->kind].url), token, NULL);
    enum rc rc =
        proof_db_add(db, kinds[ask->kind].name, ask, hash, proof_life_s(conf, ask->kind), err);
    const struct mail mail = {.kind = ask->mail,
                              .recipient = ask->email,
                              .locale = ask->locale,
                              .link = link,
                              .other = ask->other,
                              .is_due = ask->is_due};
    return rc ? rc : mail_add(db, &mail, err);
}

enum rc
proof_renew_sign_up(struct db *db, const struct conf *conf, const char *email, struct err *err)
{
    g_autofree char *token = random_token(32), *hash = sha256_hex(token, strlen(token));
    g_autofree char *link =
        g_strconcat(conf_text(conf, "accounts", kinds[PROOF_SIGN_UP].url), token, NULL);
    g_autofree char *locale = NULL;
    enum rc rc =
        proof_db_renew_sign_up(db, email, hash, proof_life_s(conf, PROOF_SIGN_UP), &locale, err);
    const struct mail mail = {.kind = MAIL_VERIFY,
                              .recipient = email,
                              .locale = locale ? locale : "en",
                              .link = link,
                              .is_due = locale != NULL};
    return rc ? rc : mail_add(db, &mail, err);
}

void
proof_clear(struct proof *proof)
{
    g_free(proof->email);
    g_free(proof->user_id);
    g_free(proof->subject_id);
    json_decref(proof->detail);
    *proof = (struct proof){0};
}

static enum rc
find(struct db *db, enum proof_kind kind, const char *token, bool lock, struct proof *proof,
     struct err *err)
{
    g_autoptr(db_result) row = NULL;
    g_autofree char *hash = sha256_hex(token, strlen(token));
    proof_clear(proof);
    enum rc rc = proof_db_find(db, kinds[kind].name, hash, lock, &row, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "this token is not known") : rc;
    }
    if (db_bool(row, 0, "is_used") || db_bool(row, 0, "is_late")) {
        return fault(err, RC_GONE, "this token %s",
                     db_bool(row, 0, "is_used") ? "was used before" : "has expired");
    }
    *proof = (struct proof){.id = db_int(row, 0, "id"),
                            .email = g_strdup(db_text(row, 0, "email")),
                            .user_id = g_strdup(db_text(row, 0, "user_id")),
                            .subject_id = g_strdup(db_text(row, 0, "subject_id")),
                            .detail = db_json(row, 0, "detail")};
    return RC_OK;
}

enum rc
proof_find(struct db *db, enum proof_kind kind, const char *token, struct proof *proof,
           struct err *err)
{
    return find(db, kind, token, false, proof, err);
}

enum rc
proof_take(struct db *db, enum proof_kind kind, const char *token, struct proof *proof,
           struct err *err)
{
    enum rc rc = find(db, kind, token, true, proof, err);
    return rc ? rc : proof_db_use(db, proof->id, err);
}

enum rc
proof_end(struct db *db, enum proof_kind kind, const char *email, const char *user_id,
          const char *subject_id, struct err *err)
{
    return proof_db_end(db, kinds[kind].name, email, user_id, subject_id, err);
}

enum rc
proof_prune(struct db *db, struct err *err)
{
    return proof_db_prune(db, err);
}
