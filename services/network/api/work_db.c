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
    g_autofree char *all =
        g_strdup_printf("SELECT ovn_work_add($2, each.id, $3) FROM (%s) each", sql);
    g_assert(db_is_in_tx(db));
    return db_run(db, all,
                  DB_ARGS(db_s(parameter), db_s(nb_kind_name(kind)), db_s(log_request_id())), NULL,
                  err);
}

enum nb_kind
work_db_kind(const char *text)
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
        row->outcome = WORK_PENDING;
        row->kind = work_db_kind(db_text(rows, i, "kind"));
        row->revision = db_int(rows, i, "revision");
        g_strlcpy(row->id, db_text(rows, i, "id"), sizeof row->id);
        n += row->kind != N_NB_KINDS;
    }
    *ret_n = n;
    return RC_OK;
}

struct confirmation {
    const struct work_row *rows;
    size_t n_rows;
};

// {a,b,…} of one column of the rows with this outcome; none: NULL.
static char *
array_of(const struct confirmation *confirmation, int outcome, int column)
{
    g_autoptr(GString) text = g_string_new("{");
    for (size_t i = 0; i < confirmation->n_rows; i++) {
        const struct work_row *row = &confirmation->rows[i];
        if ((int)row->outcome != outcome) {
            continue;
        }
        if (text->len > 1) {
            g_string_append_c(text, ',');
        }
        if (column == 2) {
            g_string_append_printf(text, "%" G_GINT64_FORMAT, row->revision);
        } else {
            g_string_append(text, column ? row->id : nb_kind_name(row->kind));
        }
    }
    g_string_append_c(text, '}');
    return text->len > 2 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

static enum rc
confirm_outcome(struct db *db, const struct confirmation *confirmation, int outcome,
                const char *sql, struct err *err)
{
    g_autofree char *kinds = array_of(confirmation, outcome, 0);
    g_autofree char *ids = array_of(confirmation, outcome, 1);
    g_autofree char *revisions = array_of(confirmation, outcome, 2);
    return kinds ? db_run(db, sql, DB_ARGS(db_s(kinds), db_s(ids), db_s(revisions)), NULL, err)
                 : RC_OK;
}

#define DONE_AND_FREE                                                                        \
    "WITH done AS (SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[]) d (kind, id, " \
    "rev)), "                                                                                \
    "free AS (SELECT w.kind, w.id FROM ovn_work w JOIN done USING (kind, id) "               \
    "FOR UPDATE OF w SKIP LOCKED) "

static enum rc
confirm(struct db *db, void *argument, struct err *err)
{
    enum rc rc = db_script(db, "SET LOCAL synchronous_commit = off", err);
    if (rc == RC_OK) {
        rc = confirm_outcome(db, argument, WORK_APPLIED,
                             DONE_AND_FREE
                             "UPDATE ovn_work w SET applied = done.rev FROM done JOIN free "
                             "USING (kind, id) WHERE w.kind = done.kind AND w.id = done.id "
                             "AND w.applied < done.rev",
                             err);
    }
    return rc == RC_OK
               ? confirm_outcome(db, argument, WORK_GONE,
                                 DONE_AND_FREE "DELETE FROM ovn_work w USING done JOIN free "
                                               "USING (kind, id) WHERE w.kind = done.kind "
                                               "AND w.id = done.id AND w.revision = done.rev",
                                 err)
               : rc;
}

enum rc
work_db_confirm(struct db *db, const struct work_row *rows, size_t n_rows, struct err *err)
{
    struct confirmation confirmation = {rows, n_rows};
    return n_rows ? db_tx(db, confirm, &confirmation, err) : RC_OK;
}

enum rc
work_db_find_stale(struct db *db, const struct work_row *rows, size_t n_rows, db_result **ret_rows,
                   struct err *err)
{
    struct confirmation confirmation = {rows, n_rows};
    g_autofree char *kinds = array_of(&confirmation, WORK_APPLIED, 0);
    g_autofree char *ids = array_of(&confirmation, WORK_APPLIED, 1);
    return db_run(db,
                  "SELECT d.kind, d.id FROM unnest($1::text[], $2::uuid[]) d (kind, id) WHERE NOT "
                  "EXISTS (SELECT 1 FROM ovn_work w WHERE w.kind = d.kind AND w.id = d.id)",
                  DB_ARGS(db_s(kinds), db_s(ids)), ret_rows, err);
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
