// SPDX-License-Identifier: Apache-2.0
#include "common/db/db_private.h"

#include "common/base/util.h"
#include "common/log/log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PREPARED = 512, // statements kept per connection; beyond, a statement is parsed each time
    MAX_ARGS = 64,
    MAX_BATCH = 8,
};

static _Thread_local unsigned n_statements;
// The connections of this thread, one per pool it used; freed when the thread ends.
static void thread_connections_free(gpointer table);
static GPrivate thread_connections = G_PRIVATE_INIT(thread_connections_free);

struct db_pool *
db_pool_new(const char *dsn, const char *schema)
{
    struct db_pool *pool = g_new0(struct db_pool, 1);
    pool->dsn = g_strdup(dsn);
    pool->schema = g_strdup(schema);
    return pool;
}

void
db_pool_free(struct db_pool *pool)
{
    if (!pool) {
        return;
    }
    GHashTable *table = g_private_get(&thread_connections);
    if (table) {
        g_hash_table_remove(table, pool);
    }
    g_free(pool->dsn);
    g_free(pool->schema);
    g_free(pool);
}

static enum rc
connect_now(struct db *db, struct err *err)
{
    g_hash_table_remove_all(db->prepared);
    db->in_tx = false;
    if (db->connection) {
        PQfinish(db->connection);
    }
    db->connection = PQconnectdb(db->pool->dsn);
    if (PQstatus(db->connection) != CONNECTION_OK) {
        return fault(err, RC_UNAVAILABLE, "cannot connect to the database: %s",
                     PQerrorMessage(db->connection));
    }
    g_autofree char *quoted =
        PQescapeIdentifier(db->connection, db->pool->schema, strlen(db->pool->schema));
    g_autofree char *sql =
        g_strdup_printf("SET search_path = %s, public; SET timezone = 'UTC'; "
                        "SET lock_timeout = '10s'; SET statement_timeout = '30s'; "
                        "SET idle_in_transaction_session_timeout = '60s'; "
                        "SET plan_cache_mode = 'auto'; SET client_min_messages = 'warning'",
                        quoted);
    PGresult *result = PQexec(db->connection, sql);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return done ? RC_OK
                : fault(err, RC_UNAVAILABLE, "cannot set up the database session: %s",
                        PQerrorMessage(db->connection));
}

enum rc
db_open(struct db_pool *pool, struct db **ret_db, struct err *err)
{
    struct db *db = g_new0(struct db, 1);
    db->pool = pool;
    db->prepared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    enum rc rc = connect_now(db, err);
    if (rc != RC_OK) {
        db_close(db);
        return rc;
    }
    *ret_db = db;
    return RC_OK;
}

void
db_close(struct db *db)
{
    if (db) {
        if (db->connection) {
            PQfinish(db->connection);
        }
        g_hash_table_unref(db->prepared);
        g_free(db);
    }
}

static void
thread_connections_free(gpointer table)
{
    g_hash_table_unref(table);
}

static void
close_value(gpointer db)
{
    db_close(db);
}

// A connection that the server ended while it was idle has something to read: seen here, it costs a
// new connection instead of a failed request.
static bool
is_broken(struct db *db)
{
    struct pollfd look = {.fd = PQsocket(db->connection), .events = POLLIN};
    // Its last words first, then the end: each is one read.
    while (look.fd >= 0 && PQstatus(db->connection) == CONNECTION_OK && poll(&look, 1, 0) > 0) {
        if (!PQconsumeInput(db->connection)) {
            return true;
        }
    }
    return PQstatus(db->connection) != CONNECTION_OK;
}

enum rc
db_get(struct db_pool *pool, struct db **ret_db, struct err *err)
{
    GHashTable *table = g_private_get(&thread_connections);
    if (!table) {
        table = g_hash_table_new_full(NULL, NULL, NULL, close_value);
        g_private_set(&thread_connections, table);
    }
    struct db *db = g_hash_table_lookup(table, pool);
    if (!db) {
        enum rc rc = db_open(pool, &db, err);
        if (rc != RC_OK) {
            return rc;
        }
        g_hash_table_insert(table, pool, db);
    } else if (is_broken(db)) {
        enum rc rc = connect_now(db, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    *ret_db = db;
    return RC_OK;
}

struct db_arg
db_i(int64_t number)
{
    struct db_arg arg = {0};
    snprintf(arg.buffer, sizeof(arg.buffer), "%" PRId64, number);
    return arg;
}

struct db_arg
db_b(bool flag)
{
    return (struct db_arg){.text = flag ? "t" : "f"};
}

// SQLSTATE → outcome (PostgreSQL manual, appendix A).
static const struct {
    const char *prefix;
    enum rc rc;
} states[] = {
    {"23505", RC_CONFLICT},    {"23P01", RC_CONFLICT},    {"23503", RC_INVALID},
    {"23514", RC_INVALID},     {"23502", RC_INVALID},     {"22", RC_INVALID},
    {"40001", RC_UNAVAILABLE}, {"40P01", RC_UNAVAILABLE}, {"55P03", RC_UNAVAILABLE},
    {"57014", RC_UNAVAILABLE}, {"57P", RC_UNAVAILABLE},   {"53", RC_UNAVAILABLE},
    {"08", RC_UNAVAILABLE},    {"25P03", RC_UNAVAILABLE}, {"25006", RC_UNAVAILABLE},
};

static enum rc
result_fault(struct db *db, const PGresult *rows, const char *sql, struct err *err)
{
    const char *state = rows ? PQresultErrorField(rows, PG_DIAG_SQLSTATE) : NULL;
    if (!state) {
        return fault(err, RC_UNAVAILABLE, "lost the database connection: %s",
                     PQerrorMessage(db->connection));
    }
    enum rc rc = RC_INTERNAL;
    for (size_t i = 0; i < N_ELEMENTS(states); i++) {
        if (g_str_has_prefix(state, states[i].prefix)) {
            rc = states[i].rc;
            break;
        }
    }
    const char *constraint = PQresultErrorField(rows, PG_DIAG_CONSTRAINT_NAME);
    const char *primary = PQresultErrorField(rows, PG_DIAG_MESSAGE_PRIMARY);
    if (rc == RC_INTERNAL) {
        log_error("a statement failed", kv("sqlstate", state), kv("message", primary),
                  kv("sql", sql));
    }
    return fault_typed(err, rc, constraint ? constraint : "", "database: %s (%s)",
                       primary ? primary : "error", state);
}

// The name of the prepared statement, or NULL when this connection already keeps too many.
static const char *
prepare(struct db *db, const char *sql, size_t n_args, PGresult **ret_failure)
{
    const char *name = g_hash_table_lookup(db->prepared, sql);
    if (name || g_hash_table_size(db->prepared) >= MAX_PREPARED) {
        return name;
    }
    char *new_name = g_strdup_printf("s%u", g_hash_table_size(db->prepared));
    PGresult *result = PQprepare(db->connection, new_name, sql, (int)n_args, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        g_free(new_name);
        *ret_failure = result;
        return NULL;
    }
    PQclear(result);
    g_hash_table_insert(db->prepared, g_strdup(sql), new_name);
    return new_name;
}

enum rc
db_take_result(struct db *db, PGresult *rows, const char *sql, db_result **ret_result,
               struct err *err)
{
    ExecStatusType status = PQresultStatus(rows);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        enum rc rc = result_fault(db, rows, sql, err);
        PQclear(rows);
        return rc;
    }
    if (ret_result) {
        *ret_result = g_new(struct db_result, 1);
        (*ret_result)->rows = rows;
    } else {
        PQclear(rows);
    }
    return RC_OK;
}

static void
fill_values(const struct db_arg *args, size_t n_args, const char *values[MAX_ARGS])
{
    g_assert(n_args <= MAX_ARGS);
    for (size_t i = 0; i < n_args; i++) {
        values[i] = args[i].text ? args[i].text : args[i].buffer[0] ? args[i].buffer : NULL;
    }
}

enum rc
db_run(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
       db_result **ret_result, struct err *err)
{
    const char *values[MAX_ARGS];
    fill_values(args, n_args, values);
    n_statements++;
    PGresult *failure = NULL;
    const char *name = prepare(db, sql, n_args, &failure);
    if (failure) {
        return db_take_result(db, failure, sql, NULL, err);
    }
    PGresult *rows =
        name ? PQexecPrepared(db->connection, name, (int)n_args, values, NULL, NULL, 0)
             : PQexecParams(db->connection, sql, (int)n_args, NULL, values, NULL, NULL, 0);
    return db_take_result(db, rows, sql, ret_result, err);
}

// All are prepared before the pipeline begins: a statement that cannot be is sent as text.
static bool
send_batch(struct db *db, const struct db_call *calls, size_t n_calls)
{
    const char *names[MAX_BATCH], *values[MAX_ARGS];
    for (size_t i = 0; i < n_calls; i++) {
        PGresult *failure = NULL;
        names[i] = prepare(db, calls[i].sql, calls[i].n_args, &failure);
        PQclear(failure);
    }
    bool sent = PQenterPipelineMode(db->connection);
    for (size_t i = 0; sent && i < n_calls; i++) {
        int n_args = (int)calls[i].n_args;
        fill_values(calls[i].args, calls[i].n_args, values);
        n_statements++;
        sent = names[i]
                   ? PQsendQueryPrepared(db->connection, names[i], n_args, values, NULL, NULL, 0)
                   : PQsendQueryParams(db->connection, calls[i].sql, n_args, NULL, values, NULL,
                                       NULL, 0);
    }
    return sent && PQpipelineSync(db->connection);
}

// The first failure is the batch's; what comes after it was not run.
static enum rc
receive_batch(struct db *db, const struct db_call *calls, size_t n_calls, db_result **results,
              struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; i < n_calls; i++) {
        PGresult *rows = PQgetResult(db->connection);
        if (rc == RC_OK) {
            rc = db_take_result(db, rows, calls[i].sql, &results[i], err);
        } else {
            PQclear(rows);
        }
        while (rows && (rows = PQgetResult(db->connection))) {
            PQclear(rows);
        }
    }
    PQclear(PQgetResult(db->connection)); // the synchronisation
    return rc;
}

enum rc
db_run_batch(struct db *db, const struct db_call *calls, size_t n_calls, db_result **ret_results,
             struct err *err)
{
    g_assert(n_calls > 0 && n_calls <= MAX_BATCH && !db->in_tx);
    db_result *results[MAX_BATCH] = {NULL};
    enum rc rc = send_batch(db, calls, n_calls)
                     ? receive_batch(db, calls, n_calls, results, err)
                     : fault(err, RC_UNAVAILABLE, "lost the database connection: %s",
                             PQerrorMessage(db->connection));
    if (PQstatus(db->connection) == CONNECTION_OK && !PQexitPipelineMode(db->connection)) {
        g_autofree char *reason = g_strdup(PQerrorMessage(db->connection));
        rc = rc ? rc
                : fault(err, RC_UNAVAILABLE, "the database connection is out of step: %s", reason);
        struct err ignored = {0};
        rc_ignore(connect_now(db, &ignored));
    }
    for (size_t i = 0; i < n_calls; i++) {
        if (rc == RC_OK) {
            ret_results[i] = results[i];
        } else {
            db_result_free(results[i]);
        }
    }
    return rc;
}

static enum rc
only_row(db_result *rows, db_result **ret_result, struct err *err)
{
    g_autoptr(db_result) result = rows;
    if (db_n_rows(result) != 1) {
        return fault(err, RC_NOT_FOUND, "not found");
    }
    if (ret_result) {
        *ret_result = g_steal_pointer(&result);
    }
    return RC_OK;
}

enum rc
db_run_one(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
           db_result **ret_result, struct err *err)
{
    db_result *rows = NULL;
    enum rc rc = db_run(db, sql, args, n_args, &rows, err);
    return rc ? rc : only_row(rows, ret_result, err);
}

enum rc
db_run_once(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
            db_result **ret_result, struct err *err)
{
    const char *values[MAX_ARGS];
    fill_values(args, n_args, values);
    n_statements++;
    db_result *rows = NULL;
    enum rc rc = db_take_result(
        db, PQexecParams(db->connection, sql, (int)n_args, NULL, values, NULL, NULL, 0), sql, &rows,
        err);
    return rc ? rc : only_row(rows, ret_result, err);
}

enum rc
db_script(struct db *db, const char *sql, struct err *err)
{
    n_statements++;
    return db_take_result(db, PQexec(db->connection, sql), sql, NULL, err);
}

enum rc
db_control(struct db *db, const char *sql, struct err *err)
{
    return db_take_result(db, PQexec(db->connection, sql), sql, NULL, err);
}

unsigned
db_statements(void)
{
    return n_statements;
}

void
db_statements_reset(void)
{
    n_statements = 0;
}

enum rc
db_listen(struct db *db, const char *channel, struct err *err)
{
    g_autofree char *quoted = PQescapeIdentifier(db->connection, channel, strlen(channel));
    g_autofree char *sql = g_strdup_printf("LISTEN %s", quoted);
    return db_control(db, sql, err);
}

enum rc
db_wait_notify(struct db *db, int timeout_ms, bool *ret_notified, struct err *err)
{
    bool notified = false;
    for (int round = 0; round < 2; round++) {
        if (!PQconsumeInput(db->connection) || PQstatus(db->connection) != CONNECTION_OK) {
            return fault(err, RC_UNAVAILABLE, "lost the database connection: %s",
                         PQerrorMessage(db->connection));
        }
        for (PGnotify *note; (note = PQnotifies(db->connection)); notified = true) {
            PQfreemem(note);
        }
        if (notified || round == 1) {
            break;
        }
        struct pollfd wait = {.fd = PQsocket(db->connection), .events = POLLIN};
        poll(&wait, 1, timeout_ms);
    }
    *ret_notified = notified;
    return RC_OK;
}

enum rc
db_try_lead(struct db *db, const char *text, bool *ret_leader, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db, "SELECT pg_try_advisory_lock(hashtext('leader'), hashtext($1)) AS leader",
               DB_ARGS(db_s(text)), &result, err);
    if (rc == RC_OK) {
        *ret_leader = db_bool(result, 0, "leader");
    }
    return rc;
}
