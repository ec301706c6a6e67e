// SPDX-License-Identifier: Apache-2.0
// The background thread that works off closings: takes the lease of the longest due one, does
// passes over its steps until it must wait, stores what each did, and gives the lease back. Killed
// anywhere, another process goes on from the stored step.
#include "common/base/util.h"
#include "common/log/log.h"
#include "services/identity/account/accounts_db.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/close.h"
#include "services/identity/account/close_api.h"

#include <string.h>

#define FIRST_DELAY_MS 500
#define LAST_DELAY_MS 20000
#define PASSES_MAX 100 // then other closings have their turn

static _Atomic int64_t n_running, n_late, n_removed, n_problems, n_done;
static const struct metric metrics[] = {
    {"haneul_identity_closings", "gauge", "closings of accounts and projects that go on",
     "state=\"running\"", &n_running},
    {"haneul_identity_closings", "gauge", "closings of accounts and projects that go on",
     "state=\"late\"", &n_late},
    {"haneul_identity_closing_removed_total", "counter", "resources removed by closings", NULL,
     &n_removed},
    {"haneul_identity_closing_problems_total", "counter", "passes that could not do their step",
     NULL, &n_problems},
    {"haneul_identity_closings_done_total", "counter", "closings that ended", NULL, &n_done},
};

void
close_register_metrics(void)
{
    metrics_register(metrics, N_ELEMENTS(metrics));
}

static int64_t
setting(const struct close_job *job, const char *key)
{
    return conf_int(service_conf(job->identity->service), "closing", key);
}

enum rc
close_hold(struct close_job *job, struct err *err)
{
    int64_t lease_s = setting(job, "lease"), now_ms = monotonic_ms();
    if (now_ms - job->held_ms < lease_s * 1000 / 3) {
        return RC_OK;
    }
    enum rc rc = close_db_hold(job->db, job->closing.id, lease_s, err);
    job->held_ms = rc ? job->held_ms : now_ms;
    return rc;
}

// ---- steps of identity itself

// What was being created when the tokens ended may appear a little later: a whole round that begins
// after that must find nothing.
static enum rc
settle(struct close_job *job, int unused, struct close_pass *pass, struct err *err)
{
    bool is_settled = false;
    enum rc rc =
        close_db_is_settled(job->db, job->closing.id, setting(job, "settle"), &is_settled, err);
    pass->is_again = rc == RC_OK && !is_settled;
    return rc;
}

static enum rc
finish_tx(struct db *db, void *argument, struct err *err)
{
    const struct close_job *job = argument;
    const struct closing *closing = &job->closing;
    json_auto_t *statements = NULL, *detail = json_pack("{s:s}", "closing", closing->id);
    g_autofree char *action = g_strconcat(closing->kind, ".closed", NULL);
    json_t *only = json_object_get(json_array_get(closing->projects, 0), "id");
    enum rc rc = close_db_statements(db, closing->id, &statements, err);
    rc = rc ? rc : close_db_finish(db, closing, err);
    struct close_text text = close_text_of(CLOSE_MAIL_DONE, closing, "", statements);
    rc = rc ? rc : accounts_db_add_mail(db, closing->email, text.subject, text.body, true, err);
    g_free(text.body);
    const struct audit_entry entry = {
        .user_id = closing->user_id,
        .project_id = json_array_size(closing->projects) == 1 ? json_string_value(only) : NULL,
        .actor_id = closing->actor_id,
        .action = action,
        .detail = detail};
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
finish(struct close_job *job, int unused, struct close_pass *pass, struct err *err)
{
    enum rc rc = db_tx(job->db, finish_tx, job, err);
    if (rc) {
        return rc;
    }
    pass->is_finished = true;
    atomic_fetch_add(&n_done, 1);
    log_info("a closing is done", kv("closing", job->closing.id), kv("kind", job->closing.kind),
             kv("user", job->closing.user_id));
    return feed_catch_up(job->identity, err);
}

const struct close_step close_steps[] = {
    {"servers", close_remove, CLOSE_SERVERS},
    {"server_groups", close_remove, CLOSE_SERVER_GROUPS},
    {"keypairs", close_remove, CLOSE_KEY_PAIRS},
    {"flavor_access", close_remove, CLOSE_FLAVOR_ACCESS},
    {"floating_ips", close_remove, CLOSE_FLOATING_IPS},
    {"router_gateways", close_remove, CLOSE_ROUTER_GATEWAYS},
    {"router_interfaces", close_remove, CLOSE_ROUTER_INTERFACES},
    {"routers", close_remove, CLOSE_ROUTERS},
    {"ports", close_remove, CLOSE_PORTS},
    {"subnets", close_remove, CLOSE_SUBNETS},
    {"rbac_policies", close_remove, CLOSE_RBAC_POLICIES},
    {"networks", close_remove, CLOSE_NETWORKS},
    {"subnet_pools", close_remove, CLOSE_SUBNET_POOLS},
    {"address_scopes", close_remove, CLOSE_ADDRESS_SCOPES},
    {"security_groups", close_remove, CLOSE_SECURITY_GROUPS},
    {"image_memberships", close_remove, CLOSE_MEMBERSHIPS},
    {"image_protections", close_remove, CLOSE_PROTECTIONS},
    {"images", close_remove, CLOSE_IMAGES},
    {"settle", settle, 0},
    {"statement", close_statement, 0},
    {"identity", finish, 0},
    {0},
};

// ---- one closing

// By name: a newer program may have other steps.
static const struct close_step *
step_of(const char *name)
{
    for (const struct close_step *step = close_steps; step->name; step++) {
        if (!strcmp(step->name, name)) {
            return step;
        }
    }
    return close_steps;
}

static int64_t
delay_ms(int64_t attempt)
{
    return MIN(LAST_DELAY_MS, FIRST_DELAY_MS << MIN(attempt, 8));
}

enum course { COURSE_WAIT, COURSE_AGAIN, COURSE_NEXT };

// What was listed was all acted on: look again at once, as long as it becomes less. Servers take
// their time.
static enum course
course_of(struct close_job *job, enum rc rc, const struct close_pass *pass)
{
    bool is_smooth = rc == RC_OK && !pass->problem[0];
    bool is_less = pass->n_left < job->left_before;
    job->left_before = pass->n_left ? pass->n_left : INT64_MAX;
    if (is_smooth && !pass->n_left) {
        return COURSE_NEXT;
    }
    return is_smooth && is_less && pass->n_removed == pass->n_left ? COURSE_AGAIN : COURSE_WAIT;
}

static enum rc
store(struct close_job *job, const struct close_step *step, const struct close_pass *pass,
      enum course course, struct err *err)
{
    const struct closing *closing = &job->closing;
    int64_t attempt = pass->n_removed || course == COURSE_NEXT ? 0 : closing->attempt + 1;
    struct close_progress progress = {.closing = closing,
                                      .step = step->name,
                                      .next = course == COURSE_NEXT ? step[1].name : NULL,
                                      .n_removed = pass->n_removed,
                                      .n_left = pass->n_left,
                                      .removed = pass->removed,
                                      .problem = pass->problem,
                                      .keeps_lease = course != COURSE_WAIT,
                                      .delay_ms = delay_ms(attempt),
                                      .attempt = attempt,
                                      .lease_s = setting(job, "lease")};
    atomic_fetch_add(&n_removed, pass->n_removed);
    job->held_ms = monotonic_ms();
    job->closing.attempt = attempt;
    return db_tx(job->db, close_db_progress, &progress, err);
}

static void
tell(const struct close_job *job, const struct close_step *step, const char *reason)
{
    static struct log_limit limit;
    atomic_fetch_add(&n_problems, 1);
    if (log_limit_allows(&limit, 5)) {
        log_warn("a closing waits", kv("closing", job->closing.id), kv("step", step->name),
                 kv("reason", reason));
    }
}

// One pass over one step; COURSE_WAIT: the lease is given back.
static enum rc
pass_over(struct close_job *job, const struct close_step *step, enum course *ret_course,
          struct err *err)
{
    json_auto_t *removed = json_array();
    struct close_pass pass = {.removed = removed};
    struct err why = {0};
    *ret_course = COURSE_WAIT;
    enum rc rc = step->run(job, step->which, &pass, &why);
    if ((rc == RC_CONFLICT && !strcmp(why.type, CLOSE_LOST)) || pass.is_finished) {
        return RC_OK;
    }
    if (rc || pass.problem[0]) {
        tell(job, step, rc ? why.message : pass.problem);
    }
    if (rc && !pass.problem[0]) {
        g_strlcpy(pass.problem, "cannot be done now", sizeof(pass.problem));
    }
    if (pass.is_again) {
        return close_db_begin_round(job->db, job->closing.id, close_steps[0].name,
                                    setting(job, "settle"), err);
    }
    *ret_course = course_of(job, rc, &pass);
    return store(job, step, &pass, *ret_course, err);
}

static enum rc
work_off(struct close_job *job, struct err *err)
{
    const struct close_step *step = step_of(job->closing.step);
    enum course course = COURSE_NEXT;
    enum rc rc = RC_OK;
    for (int n = 0; rc == RC_OK && course != COURSE_WAIT && step->name; n++) {
        if (n == PASSES_MAX || service_is_stopping(job->identity->service)) {
            return close_db_release(job->db, job->closing.id, err);
        }
        rc = pass_over(job, step, &course, err);
        step += course == COURSE_NEXT;
    }
    return rc;
}

static enum rc
work_off_next(struct close_job *job, struct err *err)
{
    enum rc rc = close_db_take(job->db, setting(job, "lease"), &job->closing, err);
    if (rc) {
        return rc;
    }
    job->held_ms = monotonic_ms();
    job->left_before = INT64_MAX;
    log_request_id_set(job->closing.request_id);
    rc = work_off(job, err);
    log_request_id_set(NULL);
    closing_done(&job->closing);
    return rc == RC_CONFLICT && !strcmp(err->type, CLOSE_LOST) ? RC_OK : rc;
}

void
close_work(void *argument)
{
    static struct log_limit limit;
    struct identity *identity = argument;
    struct close_job job = {.identity = identity, .client = identity->client};
    struct err err = {0};
    enum rc rc = identity->client ? db_get(identity->db, &job.db, &err) : RC_NOT_FOUND;
    while (rc == RC_OK && !service_is_stopping(identity->service)) {
        err = (struct err){0};
        rc = work_off_next(&job, &err);
    }
    if (rc && rc != RC_NOT_FOUND && log_limit_allows(&limit, 1)) {
        log_warn("cannot go on with closings", kv("reason", err.message));
    }
}

void
close_watch(void *argument)
{
    struct identity *identity = argument;
    struct db *db = NULL;
    struct err err = {0};
    int64_t running = 0, late = 0;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_get(identity->db, &db, &err);
    rc = rc ? rc : close_db_count(db, &running, &late, &err);
    rc = rc || !late ? rc : close_db_late(db, &rows, &err);
    if (rc) {
        log_warn("cannot see how far closings are", kv("reason", err.message));
        return;
    }
    atomic_store(&n_running, running);
    atomic_store(&n_late, late);
    for (int i = 0; rows && i < db_n_rows(rows); i++) {
        log_warn("a closing is past its deadline", kv("closing", db_text(rows, i, "id")),
                 kv("user", db_text(rows, i, "user_id")), kv("step", db_text(rows, i, "step")),
                 kv_int("late_s", db_int(rows, i, "late_s")),
                 kv("reason", db_text(rows, i, "problem")));
    }
}
