// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/agent.h"

#include "common/base/util.h"
#include "services/network/api/info_db.h"
#include "services/network/api/neutron.h"

#include <string.h>

#define AGENT_TYPE "OVN Controller agent"

static json_t *
agent_object(const struct neutron *neutron, const db_result *rows, int row)
{
    char id[UUID_SIZE];
    const char *host = db_text(rows, row, "host"), *first = db_text(rows, row, "first_at"),
               *last = db_text(rows, row, "last_at");
    uuid_derive(host, "ovn-controller", id);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:s, s:s, s:s, s:s, s:{}, s:n}",
                     "id", id, "agent_type", AGENT_TYPE, "binary", "ovn-controller", "host", host,
                     "topic", "n/a", "alive", db_bool(rows, row, "alive"), "admin_state_up", true,
                     "availability_zone", neutron->zone, "created_at", first, "started_at", first,
                     "heartbeat_timestamp", last, "description", "", "configurations",
                     "resources_synced");
}

static bool
fits(const struct request *request, json_t *agent)
{
    static const char *const filters[] = {"id", "agent_type", "binary", "host",
                                          "availability_zone"};
    for (size_t i = 0; i < G_N_ELEMENTS(filters); i++) {
        const char *wanted = request_query(request, filters[i]);
        if (wanted && strcmp(wanted, json_string_value(json_object_get(agent, filters[i]))) != 0) {
            return false;
        }
    }
    return true;
}

// Who may not see agents sees none, as in Neutron.
static enum rc
list_agents(const struct request *request, json_t *list, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    struct db *db;
    if (!neutron_is_admin(request)) {
        return RC_OK;
    }
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = info_db_hosts(db, &rows, err);
    }
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        json_auto_t *agent = agent_object(request_context(request), rows, i);
        if (fits(request, agent)) {
            json_array_append(list, agent);
        }
    }
    return rc;
}

static enum rc
agent_list(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *list = json_array();
    enum rc rc = list_agents(request, list, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "agents", list);
    }
    return rc;
}

static enum rc
agent_show(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *list = json_array();
    enum rc rc = list_agents(request, list, err);
    size_t i;
    json_t *agent;
    json_array_foreach(list, i, agent)
    {
        if (strcmp(json_string_value(json_object_get(agent, "id")), request_param(request, "id")) ==
            0) {
            reply->json = json_pack("{s:O}", "agent", agent);
            return rc;
        }
    }
    return rc == RC_OK
               ? fault_typed(err, RC_NOT_FOUND, "AgentNotFound", "Agent %.100s could not be found",
                             request_param(request, "id"))
               : rc;
}

const struct route agent_routes[] = {
    {.method = "GET",
     .path = "/v2.0/agents",
     .handle = agent_list,
     .status = 200,
     .summary = "list agents"},
    {.method = "GET",
     .path = "/v2.0/agents/{id}",
     .handle = agent_show,
     .status = 200,
     .summary = "show an agent"},
    {0},
};
