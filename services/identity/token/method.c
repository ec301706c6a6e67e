// SPDX-License-Identifier: Apache-2.0
// Proofs beside password and token: a one-time passcode, a signature with an OAuth access token.
#include "common/base/util.h"
#include "services/identity/delegation/oauth1.h"
#include "services/identity/delegation/oauth1_db.h"
#include "services/identity/secret/secret.h"
#include "services/identity/token/auth_place.h"
#include "services/identity/token/method_db.h"
#include "services/identity/token/totp.h"
#include <string.h>

// RC_UNAUTHORIZED: of none of the rows.
static enum rc
use_passcode(const struct identity *identity, struct db *db, const db_result *rows,
             const char *passcode, struct err *err)
{
    int64_t now_s = now_us() / 1000000, step = 0;
    for (int i = 0; i < db_n_rows(rows); i++) {
        const char *id = db_text(rows, i, "id");
        char *secret = NULL;
        enum rc rc = secret_read(identity->secrets, "credential", id, db_text(rows, i, "sealed"),
                                 db_text(rows, i, "blob"), &secret, err);
        if (rc) {
            return rc;
        }
        bool found = totp_matches(secret, passcode, now_s, (int)identity->totp_windows, &step);
        secret_text_free(secret);
        if (found) {
            return method_db_use_totp(db, id, step, err);
        }
    }
    return auth_denied(err);
}

// The same statements for unknown and known users.
enum rc
method_check_totp(const struct identity *identity, struct db *db, const struct login *login,
                  struct person *person, struct err *err)
{
    g_autoptr(db_result) user = NULL, rows = NULL;
    enum rc rc = auth_db_find_user(db, &login->totp_user, &user, err);
    if (rc && rc != RC_NOT_FOUND) {
        return rc;
    }
    const char *user_id = rc == RC_OK ? db_text(user, 0, "id") : "";
    rc = method_db_totp(db, user_id, &rows, err);
    bool is_other = person->row && strcmp(db_text(person->row, 0, "id"), user_id);
    if (rc || !user || is_other || auth_is_locked(identity, user)) {
        return rc ? rc : auth_denied(err);
    }
    rc = use_passcode(identity, db, rows, login->passcode, err);
    if (rc == RC_UNAUTHORIZED) {
        enum rc counted = auth_count_failure(identity, db, user, err);
        return counted ? counted : auth_denied(err);
    }
    rc = rc ? rc : auth_still_open(identity, db, user, err);
    if (rc == RC_OK && !person->row) {
        person->row = g_steal_pointer(&user);
    }
    return rc;
}

// A token that is not there costs no less to tell than one of another consumer: neither is checked.
static enum rc
find_access_token(const struct request *request, struct db *db,
                  const struct oauth1_request *signed_request, db_result **ret_row, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = oauth1_db_for_login(db, signed_request->token, &row, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
    }
    const struct oauth1_secret consumer = {"consumer", db_text(row, 0, "consumer_id"),
                                           db_text(row, 0, "consumer_sealed"),
                                           db_text(row, 0, "consumer_secret")},
                               token = {"oauth1_access_token", db_text(row, 0, "id"),
                                        db_text(row, 0, "sealed"), NULL};
    rc = strcmp(consumer.id, signed_request->consumer_key)
             ? auth_denied(err)
             : oauth1_check(request, signed_request, &consumer, &token, err);
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

enum rc
method_check_oauth1(const struct request *request, struct db *db, struct person *person,
                    struct err *err)
{
    struct oauth1_request signed_request = {0};
    enum rc rc = oauth1_read(request, false, &signed_request, err); // as Keystone: no query
    if (rc) {
        return rc;
    }
    rc = signed_request.token
             ? find_access_token(request, db, &signed_request, &person->oauth1, err)
             : fault(err, RC_INVALID, "invalid input for field 'oauth_token': it is missing");
    oauth1_request_done(&signed_request);
    if (rc) {
        return rc;
    }
    const struct named user = {.id = db_text(person->oauth1, 0, "user_id")};
    rc = auth_db_find_user(db, &user, &person->row, err);
    return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
}
