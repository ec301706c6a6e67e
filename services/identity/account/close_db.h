// SPDX-License-Identifier: Apache-2.0
// Rows of closings. Everything that the job writes is done only while it has the lease: else
// RC_CONFLICT with type CLOSE_LOST.
#pragma once
#include "services/identity/identity.h"

struct closing {
    const char *id, *kind, *user_id, *email, *locale, *actor_id, *request_id, *step;
    bool is_account;
    int64_t attempt, round;
    json_t *projects; // array of {"id", "name"}
    db_result *row;   // owns the texts
};
void closing_done(struct closing *closing);

struct closing_new {
    const char *id, *kind, *user_id, *actor_id, *request_id, *token_hash;
    json_t *steps; // array of names in order
    int64_t deadline_s;
};
// ---- accepting, in one transaction
// The account, locked: email, locale, state, has_closing (one that runs). RC_NOT_FOUND.
enum rc close_db_account(struct db *db, const char *user_id, db_result **ret_row,
                         struct err *err) CHECKED;
// project_id NULL: all of the account. Rows: id, name, has_children (of which one is not the
// account's), n_all (projects of the account).
enum rc close_db_projects(struct db *db, const char *user_id, const char *project_id,
                          db_result **ret_rows, struct err *err) CHECKED;
// projects: array of {"id", "name"}.
enum rc close_db_add(struct db *db, const struct closing_new *closing, json_t *projects,
                     struct err *err) CHECKED;
// From now on nobody gets a token for the projects, and, of an account, as the user; those that are
// there end.
enum rc close_db_shut(struct db *db, const char *user_id, bool is_account, json_t *projects,
                      struct err *err) CHECKED;

// ---- reading: JSON texts, the caller frees
// token_hash NULL: any. user_id NULL: any. RC_NOT_FOUND.
enum rc close_db_show(struct db *db, const char *id, const char *token_hash, const char *user_id,
                      int64_t token_life_s, char **ret_text, struct err *err) CHECKED;
struct closing_page {
    const char *user_id, *state, *marker; // NULL: any
    int64_t limit;
};
enum rc close_db_list(struct db *db, const struct closing_page *page, char **ret_text,
                      struct err *err) CHECKED;

// ---- the job
// The longest due closing, its lease taken. RC_NOT_FOUND: none is due.
enum rc close_db_take(struct db *db, int64_t lease_s, struct closing *ret_closing,
                      struct err *err) CHECKED;
enum rc close_db_hold(struct db *db, const char *id, int64_t lease_s, struct err *err) CHECKED;
enum rc close_db_release(struct db *db, const char *id, struct err *err) CHECKED;
struct close_progress {
    const struct closing *closing;
    const char *step, *next; // next: the step after this one; NULL: this one goes on
    int64_t n_removed, n_left;
    json_t *removed; // ids
    const char *problem;
    bool keeps_lease;
    int64_t delay_ms; // until it is looked at again, when the lease is given back
    int64_t attempt, lease_s;
};
// db_tx_fn; argument: struct close_progress. Step, trail and lease in one transaction.
enum rc close_db_progress(struct db *db, void *progress, struct err *err);
// True when a whole round that began settle_s after the acceptance found nothing.
enum rc close_db_is_settled(struct db *db, const char *id, int64_t settle_s, bool *ret_settled,
                            struct err *err) CHECKED;
// Begins the next round at `first`, not before settle_s after the acceptance; gives the lease back.
enum rc close_db_begin_round(struct db *db, const char *id, const char *first, int64_t settle_s,
                             struct err *err) CHECKED;
// Base URLs of the enabled internal endpoints of a service type, one of each: column url.
enum rc close_db_endpoints(struct db *db, const char *type, const char *project_id,
                           db_result **ret_rows, struct err *err) CHECKED;
// Projects without a statement: project_id, statement_to (NULL: not asked for yet).
enum rc close_db_unstated(struct db *db, const char *id, db_result **ret_rows,
                          struct err *err) CHECKED;
// A new instant to ask for: now. The caller frees.
enum rc close_db_set_statement_to(struct db *db, const char *project_id, char **ret_to,
                                  struct err *err) CHECKED;
enum rc close_db_set_statement(struct db *db, const char *project_id, json_t *statement,
                               struct err *err) CHECKED;
// Array of all statements; new reference.
enum rc close_db_statements(struct db *db, const char *id, json_t **ret_statements,
                            struct err *err) CHECKED;
// Takes the projects and, of an account, the user out of identity; marks the closing done. In a
// transaction.
enum rc close_db_finish(struct db *db, const struct closing *closing, struct err *err) CHECKED;

// How many run, and how many of them are past their deadline.
enum rc close_db_count(struct db *db, int64_t *ret_running, int64_t *ret_late,
                       struct err *err) CHECKED;
// At most 20 that are past their deadline: id, user_id, step, late_s, problem.
enum rc close_db_late(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
