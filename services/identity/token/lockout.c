// SPDX-License-Identifier: Apache-2.0
// Who guessed wrong too often waits ([security_compliance] lockout_failure_attempts). The row that
// a guess began with is old when its hash is computed, so the database decides.
#include "services/identity/token/auth_place.h"

bool
auth_is_locked(const struct identity *identity, const db_result *row)
{
    const struct compliance *rules = &identity->compliance;
    return rules->lockout_attempts && !db_bool(row, 0, "ignores_lockout") &&
           db_int(row, 0, "n_failures") >= rules->lockout_attempts &&
           (!rules->lockout_s || db_int(row, 0, "failed_s") < rules->lockout_s);
}

static struct lockout
lockout_of(const struct identity *identity)
{
    return (struct lockout){identity->compliance.lockout_attempts, identity->compliance.lockout_s};
}

enum rc
auth_count_failure(const struct identity *identity, struct db *db, const db_result *row,
                   struct err *err)
{
    if (!identity->compliance.lockout_attempts) {
        return RC_OK;
    }
    const struct lockout lockout = lockout_of(identity);
    return auth_db_count_failure(db, db_text(row, 0, "id"), &lockout, err);
}

enum rc
auth_still_open(const struct identity *identity, struct db *db, const db_result *row,
                struct err *err)
{
    const struct lockout lockout = lockout_of(identity);
    return lockout.attempts && !db_bool(row, 0, "ignores_lockout")
               ? auth_db_check_lock(db, db_text(row, 0, "id"), &lockout, err)
               : RC_OK;
}
