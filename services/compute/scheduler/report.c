// SPDX-License-Identifier: Apache-2.0
// host.report: renews the host's lease and repairs every difference between its guests and our
// rows.
#include <string.h>

#include "common/base/util.h"
#include "common/log/log.h"
#include "services/compute/scheduler/work_db.h"

static const char *
text_or_blank(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static int64_t
number(json_t *object, const char *name)
{
    int64_t value = json_integer_value(json_object_get(object, name));
    return CLAMP(value, 0, INT64_C(1) << 40);
}

static enum rc
check_servers(json_t *servers, struct err *err)
{
    size_t i;
    json_t *server;
    if (!json_is_array(servers)) {
        return fault(err, RC_INVALID, "'servers' is not an array");
    }
    json_array_foreach(servers, i, server)
    {
        const char *id = json_string_value(json_object_get(server, "server_id"));
        if (!id || !uuid_is_valid(id) || !json_is_integer(json_object_get(server, "generation"))) {
            return fault(err, RC_INVALID,
                         "a server in 'servers' has no 'server_id' or 'generation'");
        }
    }
    return RC_OK;
}

static enum rc
read_report(struct scheduler *scheduler, const struct message *message, struct host_report *report,
            struct err *err)
{
    json_t *body = message->body, *cpu = json_object_get(body, "cpu"),
           *used = json_object_get(body, "used");
    const char *host = text_or_blank(body, "host");
    g_autofree char *sender = g_strdup_printf("host-%s", host);
    if (!*host || strlen(host) > 255 || g_strcmp0(message->user_id, sender) != 0) {
        return fault(err, RC_FORBIDDEN, "'%s' may not report for host '%.255s'",
                     message->user_id ? message->user_id : "", host);
    }
    *report = (struct host_report){
        .host = host,
        .boot_id = text_or_blank(body, "boot_id"),
        .hypervisor_type = text_or_blank(body, "hypervisor_type"),
        .hypervisor_version = number(body, "hypervisor_version"),
        .arch = text_or_blank(cpu, "arch"),
        .cpu_model = text_or_blank(cpu, "model"),
        .vcpus = number(cpu, "vcpus"),
        .ram_mib = number(body, "ram_mib"),
        .disk_gib = number(body, "disk_gib"),
        .address = text_or_blank(body, "address"),
        .zone = scheduler->zone,
        .cpu_percent = scheduler->cpu_percent,
        .ram_percent = scheduler->ram_percent,
        .disk_percent = scheduler->disk_percent,
    };
    enum rc rc = check_servers(json_object_get(body, "servers"), err);
    if (rc == RC_OK) {
        report->used_json = json_is_object(used) ? json_dumps(used, JSON_COMPACT) : strdup("{}");
        report->servers_json = json_dumps(json_object_get(body, "servers"), JSON_COMPACT);
    }
    return rc;
}

static enum rc
order_again(struct scheduler *scheduler, struct db *db, const char *server_id, struct err *err)
{
    struct job job = {0};
    json_auto_t *order = NULL;
    enum rc rc = work_db_load(db, server_id, &job, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (life_task_state(job.state)) { // work in progress has a lease
        job_done(&job);
        work_advance(scheduler, server_id);
        return RC_OK;
    }
    rc = order_make(scheduler, &job, &order, err);
    if (rc == RC_OK) {
        rc = work_db_order(db, &job, order, err);
    }
    job_done(&job);
    return rc;
}

static enum rc
order_away(struct scheduler *scheduler, const char *host, const char *server_id, int64_t generation,
           struct err *err)
{
    g_autofree char *routing_key = g_strdup_printf("host.%s", host);
    json_auto_t *body = order_absent(server_id, generation);
    char id[UUID_SIZE];
    uuid_new(id);
    struct message message = {
        .id = id,
        .type = "server.order",
        .routing_key = routing_key,
        .generation = generation,
        .body = body,
    };
    log_info("unknown guest ordered away", kv("server_id", server_id), kv("host", host));
    return bus_publish(scheduler->bus, &message, err);
}

static enum rc
note(struct scheduler *scheduler, struct db *db, const struct host_report *report,
     const db_result *rows, int i, struct err *err)
{
    bool is_gone = strcmp(db_text(rows, i, "kind"), "gone") == 0;
    const char *power = db_text(rows, i, "power_state");
    struct state_event event = {
        .server_id = db_text(rows, i, "server_id"),
        .host = report->host,
        .state = is_gone                         ? "absent"
                 : strcmp(power, "running") == 0 ? "running"
                                                 : "stopped",
        .power_state = is_gone ? "nostate" : power,
        .generation = db_int(rows, i, "generation"),
        .waits_for_ports = scheduler->waits_for_ports,
    };
    enum rc rc = work_db_note_state(db, &event, err);
    if (rc == RC_OK && event.needs_work) {
        work_advance(scheduler, event.server_id);
    }
    return rc;
}

static enum rc
repair(struct scheduler *scheduler, struct db *db, const struct host_report *report,
       const db_result *rows, int i, struct err *err)
{
    const char *kind = db_text(rows, i, "kind"), *server_id = db_text(rows, i, "server_id");
    if (strcmp(kind, "order") == 0) {
        return order_again(scheduler, db, server_id, err);
    }
    if (strcmp(kind, "unknown") == 0) {
        return order_away(scheduler, report->host, server_id, db_int(rows, i, "generation"), err);
    }
    return note(scheduler, db, report, rows, i, err);
}

enum rc
on_host_report(struct scheduler *scheduler, const struct message *message, struct err *err)
{
    struct host_report report = {0};
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = read_report(scheduler, message, &report, err);
    if (rc == RC_OK && (rc = db_get(scheduler->pool, &db, err)) == RC_OK &&
        (rc = report_db_store(db, &report, err)) == RC_OK) {
        rc = report_db_differences(db, &report, &rows, err);
    }
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        struct err repair_err = {0};
        if (repair(scheduler, db, &report, rows, i, &repair_err) !=
            RC_OK) { // the next report tries again
            log_debug("difference not repaired", kv("server_id", db_text(rows, i, "server_id")),
                      kv("error", repair_err.message));
        }
    }
    free(report.used_json);
    free(report.servers_json);
    return rc_is_retryable(rc) ? RC_OK : rc; // an old report is worth nothing later
}
