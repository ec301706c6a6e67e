// SPDX-License-Identifier: Apache-2.0
#include "services/billing/statement_db.h"

#include <string.h>

enum rc
statement_db_bounds(struct db *db, const char *project_id, struct account_bounds *ret_bounds,
                    struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        db_run_one(db,
                   "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us,"
                   " (SELECT min(from_us) FROM interval WHERE project_id = $1) AS first_us,"
                   " (SELECT max(to_us) FROM statement WHERE project_id = $1) AS closed_us",
                   DB_ARGS(db_s(project_id)), &row, err);
    if (!rc) {
        *ret_bounds = (struct account_bounds){db_int(row, 0, "now_us"), db_int(row, 0, "first_us"),
                                              db_int(row, 0, "closed_us")};
    }
    return rc;
}

static json_t *
line_to_row(const struct rate_line *line, int n)
{
    char numerator[48], denominator[48];
    int128_to_text(line->amount.residue_numerator, numerator);
    int128_to_text(line->amount.residue_denominator, denominator);
    return json_pack("{s:i, s:o, s:s?, s:I, s:s, s:s}", "n", n, "body", bill_line_to_json(line),
                     "price_id", line->price ? line->price->id : NULL, "amount_nano",
                     (json_int_t)line->amount.nano, "residue_numerator", numerator,
                     "residue_denominator", denominator);
}

static enum rc
insert_lines(struct db *db, const char *statement_id, const struct bill *bill, struct err *err)
{
    json_auto_t *rows = json_array();
    for (guint i = 0; i < bill->lines->len; i++) {
        json_array_append_new(
            rows, line_to_row(&g_array_index(bill->lines, struct rate_line, i), (int)i + 1));
    }
    g_autofree char *text = json_dumps(rows, JSON_COMPACT);
    return db_run(db,
                  "INSERT INTO statement_line (statement_id, n, body, price_id, amount_nano, "
                  "residue_numerator,"
                  " residue_denominator) SELECT $1, n, body, price_id, amount_nano, "
                  "residue_numerator, residue_denominator"
                  " FROM jsonb_to_recordset($2::jsonb) AS l(n int, body jsonb, price_id uuid, "
                  "amount_nano bigint,"
                  " residue_numerator numeric, residue_denominator numeric)",
                  DB_ARGS(db_s(statement_id), db_s(text)), NULL, err);
}

// The customer owes whole hundredths; each meter earned its lines; what rounding the total left out
// is booked too.
static enum rc
insert_entries(struct db *db, const char *statement_id, struct err *err)
{
    return db_run(
        db,
        "WITH s AS (SELECT * FROM statement WHERE id = $1),"
        " t AS (INSERT INTO ledger_transaction (kind, statement_id, currency)"
        "   SELECT 'statement', id, currency FROM s RETURNING id),"
        " e AS (SELECT 'receivable:' || project_id AS account, due_nano AS amount_nano FROM s"
        "   UNION ALL SELECT 'rounding', total_nano - due_nano FROM s"
        "   UNION ALL SELECT 'revenue:' || (body->>'meter'), -sum(amount_nano)::bigint FROM "
        "statement_line"
        "     WHERE statement_id = $1 GROUP BY 1)"
        " INSERT INTO ledger_entry (transaction_id, account, amount_nano)"
        " SELECT t.id, e.account, e.amount_nano FROM t, e WHERE e.amount_nano <> 0 ORDER BY "
        "e.account",
        DB_ARGS(db_s(statement_id)), NULL, err);
}

static enum rc
insert_statement(struct db *db, const struct statement_close *close, const struct bill *bill,
                 char **ret_id, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(db,
                            "INSERT INTO statement (project_id, number, from_us, to_us, currency, "
                            "total_nano, due_nano, created_by)"
                            " VALUES ($1, (SELECT coalesce(max(number), 0) + 1 FROM statement "
                            "WHERE project_id = $1), $2, $3, $4, $5, $6, $7)"
                            " RETURNING id",
                            DB_ARGS(db_s(close->project_id), db_i(bill->from_us), db_i(bill->to_us),
                                    db_s(bill->currency), db_i(bill->total_nano),
                                    db_i(nano_to_due(bill->total_nano)), db_s(close->created_by)),
                            &row, err);
    if (!rc) {
        *ret_id = g_strdup(db_text(row, 0, "id"));
    }
    return rc;
}

static enum rc
store_bill(struct db *db, struct statement_close *close, const struct bill *bill, struct err *err)
{
    g_autofree char *id = NULL;
    enum rc rc = insert_statement(db, close, bill, &id, err);
    rc = rc ? rc : insert_lines(db, id, bill, err);
    rc = rc ? rc : insert_entries(db, id, err);
    if (!rc) {
        g_strlcpy(close->id, id, sizeof(close->id));
    }
    return rc;
}

enum rc
statement_db_close(struct db *db, void *argument, struct err *err)
{
    struct statement_close *close = argument;
    struct account_bounds bounds;
    enum rc rc = db_lock_text(db, "statement", close->project_id, err);
    rc = rc ? rc : statement_db_bounds(db, close->project_id, &bounds, err);
    if (rc) {
        return rc;
    }
    int64_t from_us = bounds.closed_us ? bounds.closed_us : bounds.first_us;
    if (!from_us || from_us >= close->to_us) {
        return fault(err, RC_CONFLICT, "account '%s' has nothing to close", close->project_id);
    }
    if (close->from_us && close->from_us != from_us) {
        return fault(err, RC_CONFLICT,
                     "the next statement of account '%s' begins where the last one ended",
                     close->project_id);
    }
    struct bill bill;
    rc = bill_load(db, close->project_id, from_us, close->to_us, &bill, err);
    if (!rc) {
        rc = store_bill(db, close, &bill, err);
        bill_done(&bill);
    }
    return rc;
}

#define TIME_OF(column)                                                                    \
    "to_char(to_timestamp(" column                                                         \
    " / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '.' || lpad((" column \
    " % 1000000)::text, 6, '0') || 'Z'"
#define MONEY_OF(column) "(" column "::numeric / 1000000000)::numeric(30, 9)::text"
#define STATEMENT_JSON                                                                             \
    "jsonb_build_object('id', s.id, 'project_id', s.project_id, 'number', s.number, "              \
    "'from', " TIME_OF("s.from_us") ", 'to', " TIME_OF("s.to_us") ", 'as_of', " TIME_OF(           \
        "s.to_us") ", 'currency', s.currency, 'total', " MONEY_OF("s.total_nano") ", "             \
                                                                                  "'amount_due',"  \
                                                                                  " " MONEY_OF(    \
                                                                                      "s"          \
                                                                                      "."          \
                                                                                      "d"          \
                                                                                      "u"          \
                                                                                      "e"          \
                                                                                      "_"          \
                                                                                      "n"          \
                                                                                      "a"          \
                                                                                      "n"          \
                                                                                      "o") ", "    \
                                                                                           "'comp" \
                                                                                           "lete'" \
                                                                                           ", "    \
                                                                                           "true," \
                                                                                           " '"    \
                                                                                           "close" \
                                                                                           "d', "  \
                                                                                           "true)"

enum rc
statement_db_get(struct db *db, const char *project_id, const char *id, char **ret_text,
                 struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT " STATEMENT_JSON
        " || jsonb_build_object('final', NOT EXISTS (SELECT FROM statement_line l"
        " WHERE l.statement_id = s.id AND (l.body->>'open')::boolean), 'lines', coalesce((SELECT"
        " jsonb_agg(l.body ORDER BY l.n) FROM statement_line l WHERE l.statement_id = s.id), '[]'))"
        " AS item FROM statement s WHERE s.project_id = $1 AND s.id = $2::uuid",
        DB_ARGS(db_s(project_id), db_s(id)), &row, err);
    if (!rc) {
        *ret_text = g_strdup(db_text(row, 0, "item"));
    }
    return rc;
}

enum rc
statement_db_list(struct db *db, const char *project_id, char **ret_text, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT jsonb_build_object('statements', coalesce(jsonb_agg(" STATEMENT_JSON
        " ORDER BY s.number),"
        " '[]')) AS items FROM (SELECT * FROM statement WHERE project_id = $1 ORDER BY number DESC"
        " LIMIT 1000) s",
        DB_ARGS(db_s(project_id)), &row, err);
    if (!rc) {
        *ret_text = g_strdup(db_text(row, 0, "items"));
    }
    return rc;
}
