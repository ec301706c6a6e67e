// SPDX-License-Identifier: Apache-2.0
// PostgreSQL: one connection per thread, statements prepared on first use, typed parameters, rows
// by column name, transactions that are run again after serialization failures and deadlocks. The
// only place with PQ*.
#pragma once
#include "common/base/err.h"
#include <glib.h>
#include <jansson.h>
#include <stdint.h>

struct db_pool; // how to connect; shared by all threads, constant
struct db;      // one connection; belongs to one thread

// dsn: libpq connection string; schema: put first in search_path. Does not connect.
struct db_pool *db_pool_new(const char *dsn, const char *schema);
void db_pool_free(struct db_pool *pool);
// This thread's connection, made or repaired as needed; closed when the thread ends. RC_UNAVAILABLE
// when it cannot be.
enum rc db_get(struct db_pool *pool, struct db **ret_db, struct err *err) CHECKED;
// A connection of one's own (listeners, advisory-lock leaders).
enum rc db_open(struct db_pool *pool, struct db **ret_db, struct err *err) CHECKED;
void db_close(struct db *db);

struct db_arg {
    const char *text; // NULL is SQL NULL
    char buffer[24];
};
static inline struct db_arg
db_s(const char *text) // any type in its text form, or NULL; borrowed
{
    return (struct db_arg){.text = text};
}
struct db_arg db_i(int64_t number);
struct db_arg db_b(bool flag);
#define DB_ARGS(...) \
    (struct db_arg[]){__VA_ARGS__}, sizeof((struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg)
#define DB_NONE NULL, 0

struct db_result; // rows of one statement; owned by the caller: g_autoptr(db_result)
typedef struct db_result db_result;
void db_result_free(db_result *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(db_result, db_result_free)

// One statement. sql must be constant text (it is prepared once per connection and kept by its
// content). A parameter's type is the server's: cast in SQL ($1::uuid). ret_result may be NULL.
// RC_CONFLICT: unique or exclusion violation (err->type is the constraint's name); RC_INVALID:
// foreign key, check or malformed value; RC_UNAVAILABLE: connection lost or serialization failure;
// RC_INTERNAL: the rest.
enum rc db_run(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
               db_result **ret_result, struct err *err) CHECKED;
// db_run_one, planned for these very values and then forgotten: where they decide how it is best
// done.
enum rc db_run_once(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
                    db_result **ret_result, struct err *err) CHECKED;
// Several statements in one round trip, in one transaction; each sees what was committed before it
// begins (READ COMMITTED). ret_results: one each, set when all succeeded.
struct db_call {
    const char *sql;
    const struct db_arg *args;
    size_t n_args;
};
enum rc db_run_batch(struct db *db, const struct db_call *calls, size_t n_calls,
                     db_result **ret_results, struct err *err) CHECKED;
// A statement that must find exactly one row: RC_NOT_FOUND otherwise (err filled with "not found").
enum rc db_run_one(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
                   db_result **ret_result, struct err *err) CHECKED;
// The same for a statement whose row has one column. *ret_text and *ret_value become the caller's;
// NULL for SQL NULL. They are left alone unless RC_OK.
enum rc db_run_text(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
                    char **ret_text, struct err *err) CHECKED;
enum rc db_run_json(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
                    json_t **ret_value, struct err *err) CHECKED;
// How many rows a statement has found or changed, and whether any.
enum rc db_run_count(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
                     int64_t *ret_n, struct err *err) CHECKED;
enum rc db_run_any(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
                   bool *ret_any, struct err *err) CHECKED;
// Several statements without parameters or results (migrations).
enum rc db_script(struct db *db, const char *sql, struct err *err) CHECKED;

int db_n_rows(const db_result *result);
int64_t db_n_affected(const db_result *result); // rows changed by INSERT/UPDATE/DELETE
// Column must exist (assert). Text belongs to the result; NULL for SQL NULL.
const char *db_text(const db_result *result, int row, const char *column);
int64_t db_int(const db_result *result, int row, const char *column); // 0 for NULL
bool db_bool(const db_result *result, int row, const char *column);
json_t *db_json(const db_result *result, int row,
                const char *column); // new reference, NULL for NULL

// Runs fn inside BEGIN … COMMIT, again (at most 5 times) after serialization failures and
// deadlocks. fn must have no effects but on db and on its own argument, which it must reset. Any
// other rc rolls back and is returned.
typedef enum rc (*db_tx_fn)(struct db *db, void *argument, struct err *err);
enum rc db_tx(struct db *db, db_tx_fn fn, void *argument, struct err *err) CHECKED;
// True inside db_tx on this connection.
bool db_is_in_tx(const struct db *db);
// Serialises everything that counts rows of one project and resource family until the transaction
// ends.
enum rc db_lock_text(struct db *db, const char *family, const char *id, struct err *err) CHECKED;

// Statements sent by this thread since db_statements_reset (BEGIN and COMMIT not counted): logged
// per request.
unsigned db_statements(void);
void db_statements_reset(void);

// LISTEN/NOTIFY on a connection of one's own.
enum rc db_listen(struct db *db, const char *channel, struct err *err) CHECKED;
// True when a notification came within timeout_ms; drains all pending. RC_UNAVAILABLE when the
// connection broke.
enum rc db_wait_notify(struct db *db, int timeout_ms, bool *ret_notified, struct err *err) CHECKED;
// True when this connection holds the session advisory lock named by text (leader election); lost
// with the connection.
enum rc db_try_lead(struct db *db, const char *text, bool *ret_leader, struct err *err) CHECKED;
