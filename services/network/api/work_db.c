// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/work_db.h"

#include "common/log/log.h"
#include "services/network/api/work.h"

enum rc
work_add(struct db *db, enum nb_kind kind, const char *id, struct err *err)
{
    g_assert(db_is_in_tx(db));
    return db_run(db, "SELECT ovn_work_add($1, $2, $3)",
                  DB_ARGS(db_s(nb_kind_name(kind)), db_s(id), db_s(log_request_id())), NULL, err);
}

enum rc
work_add_each(struct db *db, enum nb_kind kind, const char *sql, const char *parameter,
              struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, sql, DB_ARGS(db_s(parameter)), &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        rc = work_add(db, kind, db_text(rows, i, "id"), err);
    }
    return rc;
}

static enum nb_kind
kind_from_text(const char *text)
{
    for (int kind = 0; kind < N_NB_KINDS; kind++) {
        if (g_str_equal(nb_kind_name((enum nb_kind)kind), text)) {
            return (enum nb_kind)kind;
        }
    }
    return N_NB_KINDS;
}

enum rc
work_db_list(struct db *db, const char *request_id, struct work_row *ret_rows, size_t *ret_n,
             struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_id ? db_run(db,
                                     "SELECT kind, id, revision FROM ovn_work WHERE request_id = "
                                     "$1 AND applied < revision "
                                     "ORDER BY kind, id LIMIT 200",
                                     DB_ARGS(db_s(request_id)), &rows, err)
                            : db_run(db,
                                     "SELECT kind, id, revision FROM ovn_work WHERE applied < "
                                     "revision AND due_at <= now() "
                                     "ORDER BY due_at LIMIT 200",
                                     DB_NONE, &rows, err);
    if (rc != RC_OK) {
        return rc;
    }
    size_t n = 0;
    for (int i = 0; i < db_n_rows(rows) && n < WORK_BATCH; i++) {
        struct work_row *row = &ret_rows[n];
        row->kind = kind_from_text(db_text(rows, i, "kind"));
        row->revision = db_int(rows, i, "revision");
        g_strlcpy(row->id, db_text(rows, i, "id"), sizeof row->id);
        n += row->kind != N_NB_KINDS;
    }
    *ret_n = n;
    return RC_OK;
}

enum rc
work_db_confirm(struct db *db, const struct work_row *row, bool is_deleted, struct err *err)
{
    if (is_deleted) {
        return db_run(db, "DELETE FROM ovn_work WHERE kind = $1 AND id = $2 AND revision = $3",
                      DB_ARGS(db_s(nb_kind_name(row->kind)), db_s(row->id), db_i(row->revision)),
                      NULL, err);
    }
    return db_run(
        db, "UPDATE ovn_work SET applied = $3 WHERE kind = $1 AND id = $2 AND applied < $3",
        DB_ARGS(db_s(nb_kind_name(row->kind)), db_s(row->id), db_i(row->revision)), NULL, err);
}

enum rc
work_db_postpone(struct db *db, const struct work_row *row, struct err *err)
{
    return db_run(
        db,
        "UPDATE ovn_work SET attempt = attempt + 1, "
        "due_at = now() + least(60, 0.5 * power(2, least(attempt, 7))) * interval '1 second' "
        "WHERE kind = $1 AND id = $2 AND revision = $3",
        DB_ARGS(db_s(nb_kind_name(row->kind)), db_s(row->id), db_i(row->revision)), NULL, err);
}

enum rc
work_db_one_snapshot(struct db *db, struct err *err)
{
    return db_script(db, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
}
