// SPDX-License-Identifier: Apache-2.0
// Messages to the scheduler: a table of types. A message only hurries what the rows already ask
// for, or brings the word of an agent or of the network.
#include <string.h>

#include "common/base/util.h"
#include "common/log/log.h"
#include "services/compute/scheduler/work_db.h"

typedef enum rc (*event_fn)(struct scheduler *scheduler, const struct message *message,
                            struct err *err);

static enum rc
on_schedule(struct scheduler *scheduler, const struct message *message, struct err *err)
{
    const char *id = json_string_value(json_object_get(message->body, "server_id"));
    if (!id || !uuid_is_valid(id)) {
        return fault(err, RC_INVALID, "'server_id' is not a UUID");
    }
    work_advance(scheduler, id);
    return RC_OK;
}

// The broker has checked who sent it; a host speaks for itself only.
static enum rc
check_sender(const struct message *message, const char *host, struct err *err)
{
    g_autofree char *expected = g_strdup_printf("host-%s", host ? host : "");
    if (!host || g_strcmp0(message->user_id, expected) != 0) {
        return fault(err, RC_FORBIDDEN, "'%s' may not speak for host '%s'",
                     message->user_id ? message->user_id : "", host ? host : "");
    }
    return RC_OK;
}

enum rc
on_server_state(struct scheduler *scheduler, const struct message *message, struct err *err)
{
    struct state_event event = {
        .server_id = json_string_value(json_object_get(message->body, "server_id")),
        .host = json_string_value(json_object_get(message->body, "host")),
        .state = json_string_value(json_object_get(message->body, "state")),
        .power_state = json_string_value(json_object_get(message->body, "power_state")),
        .message = json_string_value(json_object_get(message->body, "message")),
        .generation = json_integer_value(json_object_get(message->body, "generation")),
        .waits_for_ports = scheduler->waits_for_ports,
    };
    struct db *db;
    enum rc rc = check_sender(message, event.host, err);
    if (rc == RC_OK && (!event.server_id || !uuid_is_valid(event.server_id) || !event.state)) {
        rc = fault(err, RC_INVALID, "'server_id' or 'state' is missing");
    }
    if (rc != RC_OK || (rc = db_get(scheduler->pool, &db, err)) != RC_OK) {
        return rc;
    }
    rc = work_db_note_state(db, &event, err);
    if (rc == RC_OK && event.needs_work) {
        work_advance(scheduler, event.server_id);
    }
    return rc == RC_NOT_FOUND || rc == RC_CONFLICT
               ? RC_OK
               : rc; // it is deleted: the next report orders it away
}

enum rc
on_port_status(struct scheduler *scheduler, const struct message *message, struct err *err)
{
    struct port_event event = {
        .port_id = json_string_value(json_object_get(message->body, "port_id")),
        .status = json_string_value(json_object_get(message->body, "status")),
    };
    struct db *db;
    if (!event.port_id || !uuid_is_valid(event.port_id) || !event.status) {
        return fault(err, RC_INVALID, "'port_id' or 'status' is missing");
    }
    enum rc rc = db_get(scheduler->pool, &db, err);
    if (rc != RC_OK) {
        return rc;
    }
    rc = work_db_note_port(db, &event, err);
    if (rc == RC_OK && strcmp(event.status, "ACTIVE") == 0) {
        rc = work_db_try_activate(db, event.server_id, scheduler->waits_for_ports, err);
    }
    return rc == RC_NOT_FOUND || rc == RC_CONFLICT ? RC_OK : rc;
}

static enum rc
on_port_floating(struct scheduler *scheduler, const struct message *message, struct err *err)
{
    const char *port_id = json_string_value(json_object_get(message->body, "port_id"));
    if (!port_id || !uuid_is_valid(port_id)) {
        return fault(err, RC_INVALID, "'port_id' is missing");
    }
    return ports_refresh_floating(scheduler, port_id, err);
}

static const struct {
    const char *type;
    event_fn handle;
} events[] = {
    {"server.schedule", on_schedule}, {"server.state", on_server_state},
    {"port.status", on_port_status},  {"port.floating", on_port_floating},
    {"host.report", on_host_report},
};

enum rc
on_message(const struct message *message, void *context, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(events); i++) {
        if (strcmp(events[i].type, message->type) == 0) {
            return events[i].handle(context, message, err);
        }
    }
    return RC_OK; // for somebody else
}
