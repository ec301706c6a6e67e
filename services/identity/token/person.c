// SPDX-License-Identifier: Apache-2.0
// Who logs in, by each method that is given, and by what all in all.
#include "common/base/util.h"
#include "common/log/log.h"
#include "services/identity/delegation/appcred_db.h"
#include "services/identity/federation/sign_in.h"
#include "services/identity/token/auth_place.h"
#include "services/identity/token/mfa.h"
#include <string.h>

void
person_done(struct person *person)
{
    db_result_free(person->row);
    auth_context_unref(person->by_token);
    db_result_free(person->appcred);
    db_result_free(person->trust);
    db_result_free(person->oauth1);
    federated_free(person->federated);
    receipt_free(person->receipt);
}

// A password that was right is stored with the work that is asked for now; the next sign-in may
// do it as well.
static void
renew_hash(struct db *db, const db_result *row, const char *password)
{
    const char *id = db_text(row, 0, "id"), *old = db_text(row, 0, "password_hash");
    g_autofree char *hash = NULL;
    struct err err = {0};
    enum rc rc = password_hash(password, &hash, &err);
    rc = rc ? rc : auth_db_renew_hash(db, id, old, hash, &err);
    if (rc) {
        log_warn("cannot renew the hash of a password", kv("user", id), kv("reason", err.message));
    }
}

// The same work for unknown, locked and known users.
enum rc
auth_check_password(const struct identity *identity, struct db *db, const struct login *login,
                    db_result **ret_row, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = auth_db_find_user(db, &login->user, &row, err);
    if (rc && rc != RC_NOT_FOUND) {
        return rc;
    }
    const char *hash = rc == RC_OK ? db_text(row, 0, "password_hash") : NULL;
    bool locked = rc == RC_OK && auth_is_locked(identity, row);
    if (!password_matches(login->password, locked ? NULL : hash)) {
        rc = rc == RC_OK && !locked ? auth_count_failure(identity, db, row, err) : RC_OK;
        return rc ? rc : auth_denied(err);
    }
    rc = auth_still_open(identity, db, row, err);
    rc = rc == RC_OK && db_int(row, 0, "n_failures") && !login->keeps_failures
             ? auth_db_forget_failures(db, db_text(row, 0, "id"), err)
             : rc;
    if (rc == RC_OK && password_is_outdated(hash)) {
        renew_hash(db, row, login->password);
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

static enum rc
check_token(const struct identity *identity, struct db *db, const struct login *login,
            struct person *person, struct err *err)
{
    enum rc rc = person->by_token
                     ? RC_OK
                     : authenticator_verify(identity->auth, login->token, &person->by_token, err);
    if (rc) { // Keystone says 404 here
        return rc == RC_UNAUTHORIZED ? fault(err, RC_NOT_FOUND, "Could not find token.") : rc;
    }
    rc = auth_may_descend(person->by_token, err);
    if (rc) {
        return rc;
    }
    if (person->row) {
        return !strcmp(db_text(person->row, 0, "id"), person->by_token->user_id) ? RC_OK
                                                                                 : auth_denied(err);
    }
    const struct named user = {.id = person->by_token->user_id};
    rc = auth_db_find_user(db, &user, &person->row, err);
    return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
}

// The same work for unknown credentials.
static enum rc
check_appcred(struct db *db, const struct login *login, struct person *person, struct err *err)
{
    enum rc rc = appcred_db_for_login(db, login, &person->appcred, err);
    if (rc && rc != RC_NOT_FOUND) {
        return rc;
    }
    const char *hash = rc == RC_OK ? db_text(person->appcred, 0, "secret_hash") : NULL;
    if (!password_matches(login->appcred_secret, hash)) {
        return auth_denied(err);
    }
    int64_t expires_us = db_int(person->appcred, 0, "expires_us");
    if (expires_us && expires_us <= person->asked_at_us) {
        return auth_denied(err);
    }
    const struct named user = {.id = db_text(person->appcred, 0, "user_id")};
    rc = auth_db_find_user(db, &user, &person->row, err);
    return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
}

enum rc
auth_check_account(const struct identity *identity, const db_result *row, struct err *err)
{
    int64_t days = identity->compliance.inactive_days;
    bool is_away = days && db_int(row, 0, "inactive_days") >= days;
    return db_bool(row, 0, "enabled") && db_bool(row, 0, "domain_enabled") && !is_away
               ? RC_OK
               : auth_denied(err);
}

// What a provider said before counts, unless one says something now.
static enum rc
join_receipt(struct person *person, struct err *err)
{
    struct receipt *receipt = person->receipt;
    if (strcmp(receipt->user_id, db_text(person->row, 0, "id"))) {
        return auth_denied(err);
    }
    if (!person->federated && !(person->by_token && person->by_token->provider_id[0])) {
        person->federated = g_steal_pointer(&receipt->federated);
    }
    return RC_OK;
}

enum rc
person_find(const struct request *request, struct db *db, const struct login *login,
            struct person *person, struct err *err)
{
    const struct identity *identity = identity_of(request);
    enum rc rc = login->receipt ? receipt_read(identity, login->receipt, person, err) : RC_OK;
    rc = rc == RC_OK && login->has_password
             ? auth_check_password(identity, db, login, &person->row, err)
             : rc;
    rc = rc == RC_OK && login->has_token ? check_token(identity, db, login, person, err) : rc;
    rc = rc == RC_OK && login->has_appcred ? check_appcred(db, login, person, err) : rc;
    rc = rc == RC_OK && login->has_totp ? method_check_totp(identity, db, login, person, err) : rc;
    rc = rc == RC_OK && login->has_oauth1 ? method_check_oauth1(request, db, person, err) : rc;
    rc = rc == RC_OK && login->has_mapped ? method_check_mapped(request, db, login, person, err)
                                          : rc;
    if (rc == RC_OK && login->ec2_user_id) {
        const struct named user = {.id = login->ec2_user_id};
        rc = auth_db_find_user(db, &user, &person->row, err);
        rc = rc == RC_NOT_FOUND ? auth_denied(err) : rc;
    }
    rc = rc ? rc : auth_check_account(identity, person->row, err);
    if (rc == RC_OK && person->receipt) {
        rc = join_receipt(person, err);
    }
    if (rc == RC_OK && login->has_password && db_bool(person->row, 0, "is_password_expired")) {
        rc = fault_typed(err, RC_UNAUTHORIZED, "expired",
                         "The password is expired and needs to be changed for user: %s.",
                         db_text(person->row, 0, "id"));
    }
    bool seen = identity->compliance.inactive_days &&
                (login->has_password || login->has_appcred || login->has_mapped);
    return rc || !seen ? rc : auth_db_see_user(db, db_text(person->row, 0, "id"), err);
}

static bool
has_method(const char *methods, const char *name, size_t len)
{
    while (*methods) {
        size_t n = strcspn(methods, ",");
        if (n == len && !memcmp(methods, name, n)) {
            return true;
        }
        methods += n + (methods[n] == ',');
    }
    return false;
}

// Of more, names divided by commas, those that are not there yet.
static void
add_methods(GString *methods, const char *more)
{
    while (more && *more) {
        size_t len = strcspn(more, ",");
        if (len && !has_method(methods->str, more, len)) {
            g_string_append(methods, methods->len ? "," : "");
            g_string_append_len(methods, more, (gssize)len);
        }
        more += len + (more[len] == ',');
    }
}

char *
auth_methods(const struct login *login, const struct person *person)
{
    const struct {
        bool was_used;
        const char *name;
    } used[] = {
        {login->has_password, "password"},
        {login->has_totp, "totp"},
        {person->appcred, APPCRED},
        {person->oauth1, "oauth1"},
        {login->ec2_user_id, "ec2credential"},
        {login->has_mapped, "mapped"},
    };
    GString *methods = g_string_new(NULL);
    for (size_t i = 0; i < N_ELEMENTS(used); i++) {
        add_methods(methods, used[i].was_used ? used[i].name : NULL);
    }
    add_methods(methods, person->receipt ? person->receipt->methods : NULL);
    if (person->by_token) {
        add_methods(methods, person->by_token->methods);
        add_methods(methods, "token");
    }
    return g_string_free(methods, FALSE);
}
