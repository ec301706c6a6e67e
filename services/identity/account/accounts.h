// SPDX-License-Identifier: Apache-2.0
// What opening an account and being invited into one share.
#pragma once
#include "services/identity/account/accounts_db.h"
#include "services/identity/account/admit.h"
#include "services/identity/account/proof.h"

#define ACCOUNT_PASSWORD_MIN 8
#define ACCOUNT_NAME_MAX 255
#define PROJECT_NAME_MAX 64
extern const char *const account_locales[]; // "en", "ko"

static inline const struct conf *
account_conf(const struct request *request)
{
    return service_conf(identity_of(request)->service);
}
// RC_INVALID names field 'terms_version' unless it is the version that setting
// accounts.terms_version asks for.
enum rc account_check_terms(const struct conf *conf, const char *given, struct err *err) CHECKED;
// RC_FORBIDDEN where the address's domain is closed. ret_waiting: an admin must approve.
enum rc account_check_mode(struct db *db, const struct conf *conf, const char *email,
                           bool *ret_waiting, struct err *err) CHECKED;
// Within db_tx: user and account, the mails when it waits, and the trail. RC_CONFLICT: the address
// has its account.
enum rc account_make(struct db *db, const struct conf *conf, const struct person_row *person,
                     struct err *err) CHECKED;
// Within db_tx: a project of the account with the sandbox's limits, and the trail. ret_name: the
// caller frees.
enum rc account_make_project(struct db *db, const struct conf *conf, const struct project_row *row,
                             char **ret_name, struct err *err) CHECKED;
// The requester's own user id, for calls about oneself. RC_FORBIDDEN: the policy `rule`, or the
// token is a trust's, an application credential's or another delegate's.
enum rc account_self(struct request *request, const char *rule, struct db **ret_db,
                     struct err *err) CHECKED;
