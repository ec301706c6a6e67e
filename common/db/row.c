// SPDX-License-Identifier: Apache-2.0
#include "common/db/db_private.h"

#include <stdlib.h>

void
db_result_free(db_result *result)
{
    if (result) {
        PQclear(result->rows);
        g_free(result);
    }
}

int
db_n_rows(const db_result *result)
{
    return PQntuples(result->rows);
}

int64_t
db_n_affected(const db_result *result)
{
    return g_ascii_strtoll(PQcmdTuples(result->rows), NULL, 10);
}

const char *
db_text(const db_result *result, int row, const char *column)
{
    int number = PQfnumber(result->rows, column);
    g_assert(number >= 0);
    return PQgetisnull(result->rows, row, number) ? NULL : PQgetvalue(result->rows, row, number);
}

int64_t
db_int(const db_result *result, int row, const char *column)
{
    const char *text = db_text(result, row, column);
    return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

bool
db_bool(const db_result *result, int row, const char *column)
{
    const char *text = db_text(result, row, column);
    return text && text[0] == 't';
}

json_t *
db_json(const db_result *result, int row, const char *column)
{
    const char *text = db_text(result, row, column);
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

// The only column of the only row.
static enum rc
run_value(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
          db_result **ret_result, struct err *err)
{
    enum rc rc = db_run_one(db, sql, args, n_args, ret_result, err);
    g_assert(rc != RC_OK || PQnfields((*ret_result)->rows) == 1);
    return rc;
}

enum rc
db_run_text(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
            char **ret_text, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = run_value(db, sql, args, n_args, &result, err);
    if (rc == RC_OK) {
        *ret_text = g_strdup(db_text(result, 0, PQfname(result->rows, 0)));
    }
    return rc;
}

enum rc
db_run_json(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
            json_t **ret_value, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = run_value(db, sql, args, n_args, &result, err);
    if (rc == RC_OK) {
        *ret_value = db_json(result, 0, PQfname(result->rows, 0));
    }
    return rc;
}

enum rc
db_run_count(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
             int64_t *ret_n, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db, sql, args, n_args, &result, err);
    if (rc == RC_OK) {
        *ret_n = db_n_affected(result);
    }
    return rc;
}

enum rc
db_run_any(struct db *db, const char *sql, const struct db_arg *args, size_t n_args, bool *ret_any,
           struct err *err)
{
    int64_t n = 0;
    enum rc rc = db_run_count(db, sql, args, n_args, &n, err);
    if (rc == RC_OK) {
        *ret_any = n > 0;
    }
    return rc;
}
