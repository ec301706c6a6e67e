// SPDX-License-Identifier: Apache-2.0
// DELETE /servers/{id}, PUT /servers/{id}, and POST /servers/{id}/action: a table of actions.
#include <arpa/inet.h>
#include <string.h>

#include "common/base/util.h"
#include "common/bus/bus.h"
#include "services/compute/api/server.h"
#include "services/compute/api/server_change_db.h"
#include "services/compute/api/server_groups.h"
#include "services/compute/proxy/proxy.h"

#define CONSOLE_TIMEOUT_MS 5000
#define CONSOLE_MAX_LINES 10000
#define POWER_DEADLINE_S 120
#define SAVE_DEADLINE_S 600 // all of a guest's memory goes to or comes from the disk
#define DUE_S 5

static enum rc
run_step(struct request *request, const struct server_step *step, struct err *err)
{
    const char *id = request_param(request, "server_id");
    struct server_actor actor = {
        .server_id = id,
        .project_id = request_is_admin(request) ? NULL : request_project(request),
        .auth = request_auth(request),
        .request_id = request_id(request),
    };
    struct db *db;
    if (!uuid_is_valid(id)) {
        return fault(err, RC_NOT_FOUND, "Instance %.64s could not be found.", id);
    }
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? server_db_step(db, &actor, step, err) : rc;
}

// clang-format off
static const struct server_step delete_step = {LIFE_EV_DELETE, "delete", "compute_terminate_instance", "delete", "absent", .due_s = DUE_S};
static const struct server_step start_step = {LIFE_EV_START, "start", "compute_start_instance", "start", "running", .due_s = DUE_S, .deadline_s = POWER_DEADLINE_S};
static const struct server_step stop_step = {LIFE_EV_STOP, "stop", "compute_stop_instance", "stop", "stopped", .due_s = DUE_S, .deadline_s = POWER_DEADLINE_S};
static const struct server_step soft_step = {LIFE_EV_REBOOT_SOFT, "reboot", "compute_reboot_instance", "reboot", "running", .counts_reboot = true, .due_s = DUE_S, .deadline_s = POWER_DEADLINE_S};
static const struct server_step hard_step = {LIFE_EV_REBOOT_HARD, "reboot", "compute_reboot_instance", "reboot", "running", .counts_reboot = true, .is_hard = true, .due_s = DUE_S, .deadline_s = POWER_DEADLINE_S};
static const struct server_step pause_step = {LIFE_EV_PAUSE, "pause", "compute_pause_instance", "pause", "paused", .due_s = DUE_S, .deadline_s = POWER_DEADLINE_S};
static const struct server_step unpause_step = {LIFE_EV_UNPAUSE, "unpause", "compute_unpause_instance", "unpause", "running", .due_s = DUE_S, .deadline_s = POWER_DEADLINE_S};
static const struct server_step suspend_step = {LIFE_EV_SUSPEND, "suspend", "compute_suspend_instance", "suspend", "suspended", .due_s = DUE_S, .deadline_s = SAVE_DEADLINE_S};
static const struct server_step resume_step = {LIFE_EV_RESUME, "resume", "compute_resume_instance", "resume", "running", .due_s = DUE_S, .deadline_s = SAVE_DEADLINE_S};
static const struct server_step to_active_step = {LIFE_EV_RESET_ACTIVE, NULL, NULL, "reset", .is_local = true};
static const struct server_step to_error_step = {LIFE_EV_RESET_ERROR, NULL, NULL, "reset", .is_local = true};
// clang-format on

enum rc
server_delete(struct request *request, struct reply *reply, struct err *err)
{
    return run_step(request, &delete_step, err);
}

struct rename_body {
    const char *name, *access_ipv4, *access_ipv6, *disk_config, *description, *hostname;
};
enum { R_NAME, R_IPV4, R_IPV6, R_DISK_CONFIG, R_DESCRIPTION, R_HOSTNAME };
static const char *const disk_configs[] = {"AUTO", "MANUAL", NULL};
// clang-format off
static const struct field rename_fields[] = {
    [R_NAME] = FIELD(struct rename_body, name, "name", FIELD_TEXT, 0, 1, 255),
    [R_IPV4] = FIELD(struct rename_body, access_ipv4, "accessIPv4", FIELD_TEXT, FIELD_NULLABLE, 0, 64),
    [R_IPV6] = FIELD(struct rename_body, access_ipv6, "accessIPv6", FIELD_TEXT, FIELD_NULLABLE, 0, 64),
    [R_DISK_CONFIG] = {.name = "OS-DCF:diskConfig", .type = FIELD_TEXT, .offset = offsetof(struct rename_body, disk_config), .values = disk_configs},
    [R_DESCRIPTION] = FIELD(struct rename_body, description, "description", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
    [R_HOSTNAME] = FIELD(struct rename_body, hostname, "hostname", FIELD_TEXT, 0, 2, 63),
};
// clang-format on
static const struct body_spec rename_spec = {
    .envelope = "server",
    .fields = rename_fields,
    .n_fields = N_ELEMENTS(rename_fields),
    .struct_size = sizeof(struct rename_body),
};

static bool
is_address_or_blank(const char *text, int family)
{
    unsigned char buffer[16];
    return !text || !*text || inet_pton(family, text, buffer) == 1;
}

static enum rc
check_rename(const struct rename_body *body, uint64_t present, unsigned version, struct err *err)
{
    if ((present >> R_DESCRIPTION & 1) && version < 19) {
        return fault(err, RC_INVALID,
                     "Additional properties are not allowed ('description' was unexpected)");
    }
    if ((present >> R_HOSTNAME & 1) && version < 90) {
        return fault(err, RC_INVALID,
                     "Additional properties are not allowed ('hostname' was unexpected)");
    }
    if (body->name && (!text_is_clean(body->name, 255) || g_ascii_isspace(body->name[0]) ||
                       g_ascii_isspace(body->name[strlen(body->name) - 1]))) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'name': it has control characters or outer spaces");
    }
    if (!is_address_or_blank(body->access_ipv4, AF_INET)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'accessIPv4': it is not an IPv4 address");
    }
    if (!is_address_or_blank(body->access_ipv6, AF_INET6)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'accessIPv6': it is not an IPv6 address");
    }
    return RC_OK;
}

enum rc
server_update(struct request *request, struct reply *reply, struct err *err)
{
    struct rename_body body;
    uint64_t present = 0;
    struct server_brief server;
    struct db *db;
    enum rc rc = body_decode(&rename_spec, request_json(request), &body, &present, err);
    if (rc != RC_OK ||
        (rc = check_rename(&body, present, request_version(request), err)) != RC_OK ||
        (rc = server_find(request, &db, &server, err)) != RC_OK) {
        return rc;
    }
    struct server_rename change = {
        .name = body.name,
        .disk_config = body.disk_config,
        .access_ipv4 = present >> R_IPV4 & 1 ? (body.access_ipv4 ? body.access_ipv4 : "") : NULL,
        .access_ipv6 = present >> R_IPV6 & 1 ? (body.access_ipv6 ? body.access_ipv6 : "") : NULL,
        .description = body.description,
        .sets_description = present >> R_DESCRIPTION & 1,
        .hostname = body.hostname,
    };
    rc = server_db_rename(db, server.id, &change, err);
    return rc == RC_OK ? server_reply(request, reply, server.id, VIEW_UPDATE, err) : rc;
}

typedef enum rc (*action_fn)(struct request *request, struct reply *reply, json_t *argument,
                             struct err *err);

static enum rc
act_start(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    return run_step(request, &start_step, err);
}

static enum rc
act_stop(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    return run_step(request, &stop_step, err);
}

static enum rc
act_pause(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    return run_step(request, &pause_step, err);
}

static enum rc
act_unpause(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    return run_step(request, &unpause_step, err);
}

static enum rc
act_suspend(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    return run_step(request, &suspend_step, err);
}

static enum rc
act_resume(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    return run_step(request, &resume_step, err);
}

static enum rc
act_force_delete(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    return run_step(request, &delete_step, err);
}

static enum rc
act_reboot(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    const char *type = json_string_value(json_object_get(argument, "type"));
    if (!type || json_object_size(argument) != 1) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'reboot': it must hold 'type' alone");
    }
    if (g_ascii_strcasecmp(type, "HARD") == 0) {
        return run_step(request, &hard_step, err);
    }
    if (g_ascii_strcasecmp(type, "SOFT") == 0) {
        return run_step(request, &soft_step, err);
    }
    return fault(err, RC_INVALID,
                 "Invalid input for field 'type': '%.64s' is not one of HARD, SOFT", type);
}

static enum rc
act_reset_state(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    const char *state = json_string_value(json_object_get(argument, "state"));
    enum rc rc = request_allow(request, "os_compute_api:os-admin-actions:reset_state", NULL, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (g_strcmp0(state, "active") != 0 && g_strcmp0(state, "error") != 0) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'state': it is not one of active, error");
    }
    return run_step(request, strcmp(state, "active") == 0 ? &to_active_step : &to_error_step, err);
}

static enum rc
act_lock(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    const char *reason = json_string_value(json_object_get(argument, "locked_reason"));
    struct server_brief server;
    struct db *db;
    if ((reason && (request_version(request) < 73 || strlen(reason) > 255)) ||
        json_object_size(argument) != (reason ? 1 : 0)) {
        return fault(err, RC_INVALID, "Invalid input for field 'lock'");
    }
    enum rc rc = server_find(request, &db, &server, err);
    return rc == RC_OK ? server_db_lock(db, server.id, true, reason, err) : rc;
}

static enum rc
act_unlock(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    struct server_brief server;
    struct db *db;
    enum rc rc = server_find(request, &db, &server, err);
    return rc == RC_OK ? server_db_lock(db, server.id, false, NULL, err) : rc;
}

static enum rc
read_length(json_t *argument, int64_t *ret_length, struct err *err)
{
    json_t *length = json_object_get(argument, "length");
    const char *text = json_string_value(length);
    *ret_length = -1; // all
    if (!json_is_object(argument) || json_object_size(argument) != (length ? 1 : 0)) {
        return fault(err, RC_INVALID, "Invalid input for field 'os-getConsoleOutput'");
    }
    if (!length || json_is_null(length)) {
        return RC_OK;
    }
    if (json_is_integer(length)) {
        *ret_length = json_integer_value(length);
    } else if (!text || !parse_int64(text, -1, INT32_MAX, ret_length)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'length': it is not of type 'integer'");
    }
    if (*ret_length < -1) {
        return fault(err, RC_INVALID, "Invalid input for field 'length': it is less than -1");
    }
    *ret_length = MIN(*ret_length, CONSOLE_MAX_LINES); // -1 and absent: all; 0: none
    return RC_OK;
}

static enum rc
act_console_output(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    struct compute *compute = request_context(request);
    struct server_brief server;
    struct db *db;
    int64_t length;
    json_auto_t *output = NULL;
    enum rc rc = read_length(argument, &length, err);
    if (rc != RC_OK || (rc = server_find(request, &db, &server, err)) != RC_OK) {
        return rc;
    }
    if (!*server.host || !server.host_is_up) {
        return fault(err, RC_CONFLICT, "Instance %s is not ready", server.id);
    }
    g_autofree char *routing_key = g_strdup_printf("host.%s", server.host);
    char id[UUID_SIZE];
    uuid_new(id);
    json_auto_t *body =
        json_pack("{s:s,s:I}", "server_id", server.id, "length", (json_int_t)length);
    struct message message = {
        .id = id,
        .type = "server.console",
        .routing_key = routing_key,
        .request_id = request_id(request),
        .deadline_us = now_us() + CONSOLE_TIMEOUT_MS * INT64_C(1000),
        .body = body,
    };
    rc = bus_call(compute->bus, &message, CONSOLE_TIMEOUT_MS, &output, err);
    if (rc == RC_NOT_FOUND) {
        return fault(err, rc, "Unable to get console for instance %s", server.id);
    }
    if (rc != RC_OK) {
        return rc;
    }
    const char *text = json_string_value(json_object_get(output, "output"));
    reply->status = 200;
    reply->json = json_pack("{s:s}", "output", text ? text : "");
    return RC_OK;
}

static enum rc
act_password(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    return fault(err, RC_NOT_IMPLEMENTED, "Unable to set password on instance");
}

static const struct {
    const char *name;
    action_fn act;
} actions[] = {
    {"os-start", act_start},
    {"os-stop", act_stop},
    {"reboot", act_reboot},
    {"pause", act_pause},
    {"unpause", act_unpause},
    {"suspend", act_suspend},
    {"resume", act_resume},
    {"os-getConsoleOutput", act_console_output},
    {"rebuild", server_rebuild},
    {"lock", act_lock},
    {"unlock", act_unlock},
    {"forceDelete", act_force_delete},
    {"os-resetState", act_reset_state},
    {"changePassword", act_password},
    {"addSecurityGroup", act_add_security_group},
    {"removeSecurityGroup", act_remove_security_group},
    {"addFloatingIp", act_add_floating_ip},
    {"removeFloatingIp", act_remove_floating_ip},
};

// Nova's other actions. Those that need a state no server here can have are refused as from the
// wrong state.
static const struct {
    const char *name, *verb;
    bool needs_other_state;
} refused_actions[] = {
    {"shelve", "shelve"},
    {"shelveOffload", "shelveOffload", true},
    {"unshelve", "unshelve", true},
    {"restore", "restore", true},
    {"rescue", "rescue"},
    {"unrescue", "unrescue", true},
    {"resize", "resize"},
    {"confirmResize", "confirmResize", true},
    {"revertResize", "revertResize", true},
    {"migrate", "migrate"},
    {"os-migrateLive", "os-migrateLive"},
    {"evacuate", "evacuate"},
    {"createImage", "createImage"},
    {"createBackup", "createBackup"},
    {"resetNetwork", "resetNetwork"},
    {"injectNetworkInfo", "injectNetworkInfo"},
};

static enum rc
refuse_action(struct request *request, const char *name, struct err *err)
{
    struct server_brief server;
    struct db *db;
    for (size_t i = 0; i < N_ELEMENTS(refused_actions); i++) {
        if (strcmp(refused_actions[i].name, name) != 0) {
            continue;
        }
        enum rc rc = server_find(request, &db, &server, err);
        if (rc != RC_OK) {
            return rc;
        }
        if (refused_actions[i].needs_other_state) {
            return fault(err, RC_CONFLICT, "Cannot '%s' instance %s while it is in vm_state %s",
                         refused_actions[i].verb, server.id, life_vm_state(server.state));
        }
        return fault(err, RC_NOT_IMPLEMENTED, "Action '%s' is not offered by this cloud.", name);
    }
    return fault(err, RC_INVALID, "There is no such action: %.100s", name);
}

enum rc
server_action(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request);
    void *only = json_object_iter(root);
    if (!only || json_object_size(root) != 1) {
        return fault(err, RC_INVALID, "The body must hold exactly one action");
    }
    for (size_t i = 0; i < N_ELEMENTS(actions); i++) {
        if (strcmp(actions[i].name, json_object_iter_key(only)) == 0) {
            return actions[i].act(request, reply, json_object_iter_value(only), err);
        }
    }
    return refuse_action(request, json_object_iter_key(only), err);
}
