// SPDX-License-Identifier: Apache-2.0
// The rows of ovn_work.
#pragma once
#include "common/db/db.h"
#include "services/network/ovn/northbound.h"

struct work_row {
    enum nb_kind kind;
    char id[40];
    int64_t revision;
    enum { WORK_PENDING, WORK_APPLIED, WORK_GONE } outcome; // WORK_GONE: nothing is left in OVN
};
#define WORK_BATCH 200
// Rows not yet in OVN: of one request, or (request_id NULL) those that are due. ret_rows holds
// WORK_BATCH.
enum rc work_db_list(struct db *db, const char *request_id, struct work_row *ret_rows,
                     size_t *ret_n, struct err *err) CHECKED;
// Writes down what OVN has confirmed, without waiting for the disk: what is forgotten is only
// applied again. Rows that somebody changes at this moment are left alone.
enum rc work_db_confirm(struct db *db, const struct work_row *rows, size_t n_rows,
                        struct err *err) CHECKED;
// Rows {kind, id} that were applied although their object was deleted at the same moment: nobody
// else takes them out of OVN.
enum rc work_db_find_stale(struct db *db, const struct work_row *rows, size_t n_rows,
                           db_result **ret_rows, struct err *err) CHECKED;
enum nb_kind work_db_kind(const char *text); // N_NB_KINDS: unknown
// Not applied: due again later, with a delay that grows to a minute.
enum rc work_db_postpone(struct db *db, const struct work_row *row, struct err *err) CHECKED;
// First in a transaction: everything it reads is from one moment.
enum rc work_db_one_snapshot(struct db *db, struct err *err) CHECKED;
