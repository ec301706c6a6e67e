// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/work.h"

#include "common/base/util.h"
#include "common/log/log.h"
#include "common/service/service.h"
#include "services/network/api/desired.h"
#include "services/network/api/port_db.h"
#include "services/network/api/work_db.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    SWEEP_INTERVAL_MS = 500,
    RECONCILE_INTERVAL_MS = 300000,
    HESITATION_MS = 5000, // after a call that ran into its deadline, requests leave OVN to the
                          // sweeper for so long
};

struct work {
    struct service *service;
    struct ovn *ovn;
    int timeout_ms;
    _Atomic bool is_reconcile_due;
    _Atomic int64_t hesitate_until_ms;
    int64_t next_reconcile_ms; // the sweeper's thread only
};

// ---- one object after another

// Dependencies first; what is deleted goes in the opposite order, but nothing is lost by another.
static const int order[N_NB_KINDS] = {
    [NB_NETWORK] = 0, [NB_SUBNET] = 1, [NB_SECURITY_GROUP] = 2,
    [NB_PORT] = 3,    [NB_ROUTER] = 4, [NB_FLOATINGIP] = 5,
};

static int
compare_rows(const void *a, const void *b)
{
    const struct work_row *one = a, *two = b;
    return order[one->kind] != order[two->kind] ? order[one->kind] - order[two->kind]
                                                : g_strcmp0(one->id, two->id);
}

static enum rc
apply_row(struct work *work, struct db *db, struct work_row *row, struct err *err)
{
    bool exists = false;
    int64_t started = monotonic_ms();
    enum rc rc = desired_apply(db, work->ovn, row->kind, row->id, &exists, &row->revision, err);
    if (rc != RC_OK && monotonic_ms() - started >= work->timeout_ms / 2) {
        atomic_store(&work->hesitate_until_ms, monotonic_ms() + HESITATION_MS);
    }
    row->outcome = rc != RC_OK ? WORK_PENDING : exists ? WORK_APPLIED : WORK_GONE;
    return rc;
}

// What was deleted while it was being applied leaves OVN again.
static void
finish_rows(struct work *work, struct db *db, const struct work_row *rows, size_t n)
{
    g_autoptr(db_result) stale = NULL;
    struct err err;
    rc_ignore(work_db_confirm(db, rows, n, &err)); // else the sweeper does it again
    if (work_db_find_stale(db, rows, n, &stale, &err) != RC_OK) {
        return;
    }
    for (int i = 0; i < db_n_rows(stale); i++) {
        bool exists = false;
        int64_t revision;
        rc_ignore(desired_apply(db, work->ovn, work_db_kind(db_text(stale, i, "kind")),
                                db_text(stale, i, "id"), &exists, &revision, &err));
    }
}

static void
apply_rows(struct work *work, struct db *db, struct work_row *rows, size_t n)
{
    qsort(rows, n, sizeof *rows, compare_rows);
    for (size_t i = 0; i < n && ovn_is_ready(work->ovn) &&
                       monotonic_ms() >= atomic_load(&work->hesitate_until_ms);
         i++) {
        struct err err = {0};
        if (apply_row(work, db, &rows[i], &err) == RC_OK) {
            continue;
        }
        static struct log_limit limit;
        if (log_limit_allows(&limit, 10)) {
            log_warn("OVN does not have a change yet", kv("kind", nb_kind_name(rows[i].kind)),
                     kv("id", rows[i].id), kv("reason", err.message));
        }
        rc_ignore(work_db_postpone(db, &rows[i], &err));
    }
    finish_rows(work, db, rows, n);
}

void
work_apply_request(struct work *work, struct db *db, const char *request_id)
{
    struct work_row rows[WORK_BATCH];
    struct err err;
    size_t n = 0;
    if (!ovn_is_ready(work->ovn) || monotonic_ms() < atomic_load(&work->hesitate_until_ms)) {
        return;
    }
    if (work_db_list(db, request_id, rows, &n, &err) == RC_OK) {
        apply_rows(work, db, rows, n);
    }
}

bool
work_ovn_is_ready(struct work *work)
{
    return ovn_is_ready(work->ovn);
}

// ---- what OVN says of ports

struct port_status {
    const char *port_id;
    bool up;
};

static enum rc
write_status(struct db *db, void *argument, struct err *err)
{
    const struct port_status *status = argument;
    return port_db_set_status(db, status->port_id, status->up, err);
}

static void
port_status_changed(void *context, const char *port_id, bool up)
{
    struct work *work = context;
    struct port_status status = {port_id, up};
    // What OVN says now, not when the notice was queued: changes in between are one.
    if (!ovn_find_port_status(work->ovn, port_id, &status.up)) {
        status.up = false;
    }
    struct db *db;
    struct err err = {0};
    enum rc rc = db_get(service_db(work->service), &db, &err);
    for (int attempt = 0; attempt < 20; attempt++) {
        rc = rc == RC_OK ? db_tx(db, write_status, &status, &err) : rc;
        if (!rc_is_retryable(rc) || service_wait_stop(work->service, 250)) {
            break;
        }
        rc = db_get(service_db(work->service), &db, &err);
    }
    if (rc != RC_OK) {
        log_warn("the status of a port was not recorded", kv("port", port_id),
                 kv("reason", err.message));
    }
}

// ---- reconciliation

struct snapshot {
    struct ovn_desired *desired;
};

static enum rc
read_snapshot(struct db *db, void *argument, struct err *err)
{
    struct snapshot *snapshot = argument;
    enum rc rc = work_db_one_snapshot(db, err);
    return rc == RC_OK ? desired_each(db, snapshot->desired, err) : rc;
}

static enum rc
each_object(void *context, struct ovn_desired *desired, struct err *err)
{
    struct work *work = context;
    struct snapshot snapshot = {desired};
    struct db *db;
    enum rc rc = db_get(service_db(work->service), &db, err);
    return rc == RC_OK ? db_tx(db, read_snapshot, &snapshot, err) : rc;
}

static void
reconcile(struct work *work)
{
    struct ovn_reconcile_counts counts = {0};
    struct err err = {0};
    atomic_store(&work->is_reconcile_due, false);
    work->next_reconcile_ms = monotonic_ms() + RECONCILE_INTERVAL_MS;
    if (ovn_reconcile(work->ovn, each_object, work, &counts, &err) != RC_OK) {
        log_warn("OVN could not be reconciled", kv("reason", err.message));
        work->next_reconcile_ms = monotonic_ms() + HESITATION_MS;
        return;
    }
    log_info("OVN is reconciled", kv_int("desired", (int64_t)counts.n_desired),
             kv_int("repaired", (int64_t)counts.n_repaired),
             kv_int("removed", (int64_t)counts.n_removed),
             kv_int("skipped", (int64_t)counts.n_skipped));
}

// Ports whose row says something else than OVN: a notice that was lost while the database was away.
static void
compare_statuses(struct work *work)
{
    g_autoptr(db_result) rows = NULL;
    struct db *db;
    struct err err;
    if (db_get(service_db(work->service), &db, &err) != RC_OK ||
        port_db_list_statuses(db, &rows, &err) != RC_OK) {
        return;
    }
    for (int i = 0; i < db_n_rows(rows); i++) {
        bool up = false;
        const char *id = db_text(rows, i, "id");
        if (ovn_find_port_status(work->ovn, id, &up) && up != db_bool(rows, i, "active")) {
            port_status_changed(work, id, up);
        }
    }
}

static void
sweep(void *context)
{
    struct work *work = context;
    struct work_row rows[WORK_BATCH];
    struct db *db;
    struct err err;
    size_t n = 0;
    if (!ovn_is_ready(work->ovn)) {
        return;
    }
    if (atomic_load(&work->is_reconcile_due) || monotonic_ms() >= work->next_reconcile_ms) {
        reconcile(work);
        compare_statuses(work);
    }
    if (db_get(service_db(work->service), &db, &err) == RC_OK &&
        work_db_list(db, NULL, rows, &n, &err) == RC_OK) {
        apply_rows(work, db, rows, n);
    }
}

static void
resync_due(void *context, const char *reason)
{
    struct work *work = context;
    log_info("OVN asks for a reconciliation", kv("reason", reason));
    atomic_store(&work->is_reconcile_due, true);
}

// ---- start and stop

enum rc
work_start(struct service *service, const struct work_options *options, struct work **ret_work,
           struct err *err)
{
    struct work *work = g_new0(struct work, 1);
    work->service = service;
    work->timeout_ms = options->timeout_ms;
    atomic_store(&work->is_reconcile_due, true);
    const struct ovn_options ovn_options = {
        .nb_remote = options->nb_remote,
        .sb_remote = options->sb_remote,
        .gateway_chassis = options->gateway_chassis,
        .timeout_ms = options->timeout_ms,
        .context = work,
        .on_port_status = port_status_changed,
        .on_resync_due = resync_due,
    };
    enum rc rc = ovn_new(&ovn_options, &work->ovn, err);
    if (rc != RC_OK) {
        g_free(work);
        return rc;
    }
    service_every(service, "ovn", SWEEP_INTERVAL_MS, sweep, work);
    *ret_work = work;
    return RC_OK;
}

void
work_stop(struct work *work)
{
    if (work) {
        ovn_free(work->ovn);
        g_free(work);
    }
}
