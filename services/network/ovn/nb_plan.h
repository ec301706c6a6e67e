// SPDX-License-Identifier: Apache-2.0
// A plan: the northbound rows that desired objects consist of. Pure. Rows are named by (owner,
// key), never by UUID; nb_diff.h compares a plan with the replica.
#pragma once
#include "services/network/ovn/nb_schema.h"
#include "services/network/ovn/northbound.h"

struct nb_ref {
    char *owner; // NULL: none
    char *key;
};

struct nb_row {
    enum nb_table table;
    const char *owner; // of the plan's object
    char *key;
    uint32_t columns; // bit per column that is ours to decide
    struct ovsdb_value values[OVSDB_MAX_COLUMNS];
    struct nb_ref dhcpv4_options; // Logical_Switch_Port only
    GPtrArray *links; // struct nb_ref: exactly the rows of ours whose sets name this row; the
                      // parent is first
};

typedef struct nb_object nb_object; // for g_autoptr
struct nb_object {
    char *owner; // "port/<id>"
    int64_t revision;
    GPtrArray
        *rows; // struct nb_row; the first is the object's main row. Empty: nothing of it is in OVN
};
void nb_object_free(struct nb_object *object);
char *nb_owner(enum nb_kind kind, const char *id);
// The security groups' port group name, "pg_…".
char *nb_port_group_name(const char *security_group_id);
// The switch port's name: the port's id, or that of the network's metadata port.
char *nb_switch_port_name(const struct nb_port *port);

// Chassis that may carry gateways, in no order. The plan takes the best NB_MAX_GATEWAY_CHASSIS of
// them for each router.
#define NB_MAX_GATEWAY_CHASSIS 5
struct nb_chassis {
    const char *const *gateways;
    size_t n_gateways;
};
struct nb_gateway {
    const char *chassis;
    int priority;
};
// Spreads routers over the chassis so that a chassis that comes or goes moves only what must move.
// Returns how many it wrote.
size_t nb_gateways_choose(const char *router_id, const struct nb_chassis *chassis,
                          struct nb_gateway ret_gateways[NB_MAX_GATEWAY_CHASSIS]);

// Each makes the whole plan of one object; RC_INVALID when a value cannot be expressed (an address
// is not one).
enum rc nb_plan_network(const struct nb_network *network, struct nb_object **ret_object,
                        struct err *err) CHECKED;
enum rc nb_plan_subnet(const struct nb_subnet *subnet, struct nb_object **ret_object,
                       struct err *err) CHECKED;
enum rc nb_plan_port(const struct nb_port *port, struct nb_object **ret_object,
                     struct err *err) CHECKED;
enum rc nb_plan_router(const struct nb_router *router, const struct nb_chassis *chassis,
                       struct nb_object **ret_object, struct err *err) CHECKED;
enum rc nb_plan_floatingip(const struct nb_floatingip *floatingip, struct nb_object **ret_object,
                           struct err *err) CHECKED;
enum rc nb_plan_security_group(const struct nb_security_group *group, struct nb_object **ret_object,
                               struct err *err) CHECKED;
// The group that drops whatever no rule allows; every port with port security is in it.
#define NB_DROP_OWNER "global/drop"
struct nb_object *nb_plan_drop_group(void);

// --- building, for the nb_*.c files ---
struct nb_object *nb_object_new(const char *owner, int64_t revision);
struct nb_row *nb_row_add(struct nb_object *object, enum nb_table table, const char *key);
void nb_row_text(struct nb_row *row, const char *column,
                 const char *text); // NULL: the optional column is empty
void nb_row_int(struct nb_row *row, const char *column, int64_t number);
void nb_row_item(struct nb_row *row, const char *column, const char *item);
void nb_row_map(struct nb_row *row, const char *column, const char *key, const char *text);
void nb_row_empty(struct nb_row *row, const char *column); // ours, and empty unless filled later
void nb_row_link(struct nb_row *row, const char *owner, const char *key); // takes copies
G_DEFINE_AUTOPTR_CLEANUP_FUNC(nb_object, nb_object_free)
