// SPDX-License-Identifier: Apache-2.0
#include "common/db/db_private.h"

#include "common/log/log.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ATTEMPTS = 5 };

// COMMIT of an aborted transaction answers ROLLBACK without an error: that is a failure here.
static enum rc
commit(struct db *db, struct err *err)
{
    PGresult *result = PQexec(db->connection, "COMMIT");
    bool rolled_back =
        PQresultStatus(result) == PGRES_COMMAND_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0;
    enum rc rc = db_take_result(db, result, "COMMIT", NULL, err);
    return rc == RC_OK && rolled_back
               ? fault(err, RC_INTERNAL, "the transaction had failed and was rolled back")
               : rc;
}

static bool
is_serialization_failure(enum rc rc, const struct err *err)
{
    return rc == RC_UNAVAILABLE &&
           (strstr(err->message, "(40001)") || strstr(err->message, "(40P01)"));
}

static enum rc
attempt(struct db *db, db_tx_fn fn, void *argument, struct err *err)
{
    enum rc rc = db_control(db, "BEGIN", err);
    if (rc != RC_OK) {
        return rc;
    }
    db->in_tx = true;
    rc = fn(db, argument, err);
    if (rc == RC_OK) {
        rc = commit(db, err);
    } else {
        struct err ignored;
        rc_ignore(db_control(db, "ROLLBACK", &ignored));
    }
    db->in_tx = false;
    return rc;
}

enum rc
db_tx(struct db *db, db_tx_fn fn, void *argument, struct err *err)
{
    g_assert(!db->in_tx);
    struct err local;
    struct err *to = err ? err : &local;
    enum rc rc = RC_INTERNAL;
    for (int i = 0; i < MAX_ATTEMPTS; i++) {
        rc = attempt(db, fn, argument, to);
        if (rc == RC_OK || !is_serialization_failure(rc, to)) {
            break;
        }
    }
    return rc;
}

bool
db_is_in_tx(const struct db *db)
{
    return db->in_tx;
}

enum rc
db_lock_text(struct db *db, const char *family, const char *id, struct err *err)
{
    return db_run(db, "SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))",
                  DB_ARGS(db_s(family), db_s(id)), NULL, err);
}
