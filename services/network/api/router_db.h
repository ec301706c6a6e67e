// SPDX-License-Identifier: Apache-2.0
// Routers in the database: interfaces, the gateway port, and who uses them.
#pragma once
#include "common/db/db.h"

struct router_row {
    char id[40], project_id[65], name[256];
    char gw_port_id[40], gw_network_id[40]; // "" without gateway
};
// Locks the router. RC_NOT_FOUND RouterNotFound: missing, or not of project_id (NULL: an
// administrator).
enum rc router_db_lock(struct db *db, const char *id, const char *project_id,
                       struct router_row *ret_router, struct err *err) CHECKED;

struct router_subnet { // what an interface attaches to
    char id[40], network_id[40], cidr[64], gateway_ip[64];
    int ip_version;
    bool has_gateway, is_foreign_ra; // RAs come from another router
};
// RC_NOT_FOUND SubnetNotFound: missing, or neither the project's nor shared (project_id NULL: an
// administrator).
enum rc router_db_find_subnet(struct db *db, const char *id, const char *project_id,
                              struct router_subnet *ret_subnet, struct err *err) CHECKED;
// RC_INVALID BadRequest when the router has a port on the subnet or on one that overlaps.
enum rc router_db_check_overlap(struct db *db, const struct router_row *router,
                                const struct router_subnet *subnet, struct err *err) CHECKED;
// The router's IPv6 interface on this network, which takes further IPv6 subnets; "" when none.
enum rc router_db_find_ipv6_port(struct db *db, const struct router_row *router,
                                 const char *network_id, char ret_port_id[40],
                                 struct err *err) CHECKED;
// The interface by subnet, by port, or both (the other NULL). RC_NOT_FOUND
// RouterInterfaceNotFoundForSubnet or RouterInterfaceNotFound.
enum rc router_db_find_interface(struct db *db, const struct router_row *router,
                                 const char *subnet_id, const char *port_id, char ret_port_id[40],
                                 struct err *err) CHECKED;
enum rc router_db_attach(struct db *db, const struct router_row *router, const char *port_id,
                         struct err *err) CHECKED;
// RC_CONFLICT RouterInterfaceInUseByFloatingIP or RouterInterfaceInUseByRoute; subnet_id NULL: any
// of the port's.
enum rc router_db_check_detach(struct db *db, const struct router_row *router, const char *port_id,
                               const char *subnet_id, struct err *err) CHECKED;
// The rows {subnet_id, network_id} of a port's addresses, in order.
enum rc router_db_port_subnets(struct db *db, const char *port_id, db_result **ret_rows,
                               struct err *err) CHECKED;
enum rc router_db_has_interfaces(struct db *db, const char *id, bool *ret_has,
                                 struct err *err) CHECKED;
// RC_CONFLICT RouterExternalGatewayInUseByFloatingIp.
enum rc router_db_check_gateway_unused(struct db *db, const struct router_row *router,
                                       struct err *err) CHECKED;
enum rc router_db_set_gateway(struct db *db, const char *id, const char *port_id,
                              struct err *err) CHECKED;
enum rc router_db_set_snat(struct db *db, const char *id, bool enable, struct err *err) CHECKED;
// Is the address in a subnet that the router is connected to, and not its own?
enum rc router_db_reaches(struct db *db, const char *id, const char *nexthop, bool *ret_reaches,
                          struct err *err) CHECKED;
// The extra routes as they are; ret_routes: new reference.
enum rc router_db_read_routes(struct db *db, const char *id, json_t **ret_routes,
                              struct err *err) CHECKED;
