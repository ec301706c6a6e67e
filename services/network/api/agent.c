// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/agent.h"

#include "common/base/util.h"
#include "services/network/api/agent_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/work.h"

#include <string.h>

enum kind { KIND_CONTROLLER, KIND_DHCP, KIND_L3 };
static const struct {
    const char *type, *binary, *key; // key: what the id is derived from beside the host
} kinds[] = {
    [KIND_CONTROLLER] = {"OVN Controller agent", "ovn-controller", "ovn-controller"},
    [KIND_DHCP] = {"DHCP agent", "ovn-northd", "dhcp-agent"},
    [KIND_L3] = {"L3 agent", "ovn-northd", "l3-agent"},
};
#define WHOLE "ovn" // the host of the agents that are OVN as a whole

struct facts {
    const char *host, *first, *last;
    bool alive;
};

static json_t *
agent_object(const struct neutron *neutron, enum kind kind, const struct facts *facts)
{
    char id[UUID_SIZE];
    uuid_derive(facts->host, kinds[kind].key, id);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:s, s:s, s:s, s:s, s:{}, s:n}",
                     "id", id, "agent_type", kinds[kind].type, "binary", kinds[kind].binary, "host",
                     facts->host, "topic", "n/a", "alive", facts->alive, "admin_state_up", true,
                     "availability_zone", neutron->zone, "created_at", facts->first, "started_at",
                     facts->first, "heartbeat_timestamp", facts->last, "description", "",
                     "configurations", "resources_synced");
}

static json_t *
whole_object(const struct neutron *neutron, enum kind kind)
{
    char now[32];
    iso8601_format(now_us(), false, now);
    now[10] = ' ';
    now[19] = 0;
    const struct facts facts = {WHOLE, now, now, work_ovn_is_ready(neutron->work)};
    return agent_object(neutron, kind, &facts);
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
all_agents(const struct request *request, json_t **ret_list, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    const struct neutron *neutron = request_context(request);
    struct db *db;
    json_auto_t *list = json_array();
    enum rc rc = neutron_is_admin(request) ? request_db(request, &db, err) : RC_OK;
    if (rc == RC_OK && neutron_is_admin(request)) {
        json_array_append_new(list, whole_object(neutron, KIND_DHCP));
        json_array_append_new(list, whole_object(neutron, KIND_L3));
        rc = agent_db_hosts(db, &rows, err);
    }
    for (int i = 0; rc == RC_OK && rows && i < db_n_rows(rows); i++) {
        const struct facts facts = {db_text(rows, i, "host"), db_text(rows, i, "first_at"),
                                    db_text(rows, i, "last_at"), db_bool(rows, i, "alive")};
        json_array_append_new(list, agent_object(neutron, KIND_CONTROLLER, &facts));
    }
    if (rc == RC_OK) {
        *ret_list = json_incref(list);
    }
    return rc;
}

static enum rc
agent_list(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *all = NULL;
    enum rc rc = all_agents(request, &all, err);
    json_auto_t *list = json_array();
    size_t i;
    json_t *agent;
    json_array_foreach(all, i, agent)
    {
        if (fits(request, agent)) {
            json_array_append(list, agent);
        }
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "agents", list);
    }
    return rc;
}

static enum rc
agent_show(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *all = NULL;
    enum rc rc = all_agents(request, &all, err);
    size_t i;
    json_t *agent;
    json_array_foreach(all, i, agent)
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

// ---- what the agents serve

static enum rc
open_db(const struct request *request, struct db **ret_db, struct err *err)
{
    return neutron_is_admin(request)
               ? request_db(request, ret_db, err)
               : fault(err, RC_FORBIDDEN, "rule:get_agent is disallowed by policy");
}

static enum rc
open_agent(const struct request *request, enum kind kind, struct db **ret_db, struct err *err)
{
    char id[UUID_SIZE];
    uuid_derive(WHOLE, kinds[kind].key, id);
    enum rc rc = open_db(request, ret_db, err);
    if (rc == RC_OK && g_ascii_strcasecmp(id, request_param(request, "id")) != 0) {
        return fault_typed(err, RC_NOT_FOUND, "AgentNotFound", "Agent %.100s could not be found",
                           request_param(request, "id"));
    }
    return rc;
}

static enum rc
dhcp_agents_of_network(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    bool served = false;
    enum rc rc = open_db(request, &db, err);
    if (rc == RC_OK) {
        rc = agent_db_is_served(db, request_param(request, "id"), &served, err);
    }
    if (rc == RC_OK) {
        reply->json = served ? json_pack("{s:[o]}", "agents",
                                         whole_object(request_context(request), KIND_DHCP))
                             : json_pack("{s:[]}", "agents");
    }
    return rc;
}

static enum rc
l3_agents_of_router(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    enum rc rc = open_db(request, &db, err);
    if (rc == RC_OK) {
        rc = agent_db_find_router(db, request_param(request, "id"), err);
    }
    if (rc == RC_OK) {
        reply->json =
            json_pack("{s:[o]}", "agents", whole_object(request_context(request), KIND_L3));
    }
    return rc;
}

static enum rc
networks_of_agent(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    json_t *list = NULL;
    enum rc rc = open_agent(request, KIND_DHCP, &db, err);
    if (rc == RC_OK) {
        rc = agent_db_networks(db, &list, err);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "networks", list);
    }
    return rc;
}

static enum rc
routers_of_agent(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    json_t *list = NULL;
    enum rc rc = open_agent(request, KIND_L3, &db, err);
    if (rc == RC_OK) {
        rc = agent_db_routers(db, &list, err);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "routers", list);
    }
    return rc;
}

struct serving {
    const char *network_id;
    bool serve, changed;
};

static enum rc
serve(struct db *db, void *argument, struct err *err)
{
    struct serving *serving = argument;
    return agent_db_serve(db, serving->network_id, serving->serve, &serving->changed, err);
}

static enum rc
change_serving(struct request *request, struct serving *serving, struct err *err)
{
    const struct neutron *neutron = request_context(request);
    struct db *db;
    enum rc rc = open_agent(request, KIND_DHCP, &db, err);
    if (rc == RC_OK) {
        rc = db_tx(db, serve, serving, err);
    }
    if (rc == RC_OK && !serving->changed) {
        return serving->serve
                   ? fault_typed(err, RC_CONFLICT, "NetworkHostedByDHCPAgent",
                                 "The network %.100s has been already hosted by the DHCP Agent %s.",
                                 serving->network_id, request_param(request, "id"))
                   : fault_typed(err, RC_CONFLICT, "NetworkNotHostedByDhcpAgent",
                                 "The network %.100s is not hosted by the DHCP agent %s.",
                                 serving->network_id, request_param(request, "id"));
    }
    if (rc == RC_OK) {
        work_apply_request(neutron->work, db, request_id(request));
    }
    return rc;
}

static enum rc
network_add(struct request *request, struct reply *reply, struct err *err)
{
    const char *network_id =
        json_string_value(json_object_get(request_json(request), "network_id"));
    if (!network_id) {
        return fault(err, RC_INVALID,
                     "Invalid input for network_id. Reason: it is not a valid UUID.");
    }
    enum rc rc =
        change_serving(request, &(struct serving){.network_id = network_id, .serve = true}, err);
    if (rc == RC_OK) {
        reply->json = json_null();
    }
    return rc;
}

static enum rc
network_remove(struct request *request, struct reply *reply, struct err *err)
{
    return change_serving(
        request, &(struct serving){.network_id = request_param(request, "network_id")}, err);
}

// clang-format off
const struct route agent_routes[] = {
    {.method = "GET", .path = "/v2.0/agents", .handle = agent_list, .status = 200, .summary = "list agents"},
    {.method = "GET", .path = "/v2.0/agents/{id}", .handle = agent_show, .status = 200, .summary = "show an agent"},
    {.method = "GET", .path = "/v2.0/networks/{id}/dhcp-agents", .handle = dhcp_agents_of_network, .status = 200, .summary = "list the DHCP agents of a network"},
    {.method = "GET", .path = "/v2.0/agents/{id}/dhcp-networks", .handle = networks_of_agent, .status = 200, .summary = "list the networks of a DHCP agent"},
    {.method = "POST", .path = "/v2.0/agents/{id}/dhcp-networks", .handle = network_add, .status = 201, .summary = "let a DHCP agent serve a network"},
    {.method = "DELETE", .path = "/v2.0/agents/{id}/dhcp-networks/{network_id}", .handle = network_remove, .status = 204, .summary = "take a network from a DHCP agent"},
    {.method = "GET", .path = "/v2.0/routers/{id}/l3-agents", .handle = l3_agents_of_router, .status = 200, .summary = "list the L3 agents of a router"},
    {.method = "GET", .path = "/v2.0/agents/{id}/l3-routers", .handle = routers_of_agent, .status = 200, .summary = "list the routers of an L3 agent"},
    {0},
};
// clang-format on
