// SPDX-License-Identifier: Apache-2.0
// Ports in the database, for their own resource and for routers, floating IPs and metadata that
// need ports.
#pragma once
#include "common/db/db.h"
#include "services/network/api/ipam_db.h"

struct port_new {   // borrowed; NULL texts are ""
    const char *id; // must be set
    const char *project_id, *network_id, *name, *device_id, *device_owner, *status;
    json_t *fixed_ips; // NULL: automatic
};
// A port that the service makes itself: a MAC, no security, its addresses, and its work row.
enum rc port_db_insert(struct db *db, const struct port_new *port, struct err *err) CHECKED;
// Deletes the port, its addresses, its associations with floating IPs, and adds the work. Missing
// is RC_OK.
enum rc port_db_remove(struct db *db, const char *id, struct err *err) CHECKED;

// A MAC that no port of the network has.
enum rc port_db_free_mac(struct db *db, const char *network_id, char ret_mac[MAC_SIZE],
                         struct err *err) CHECKED;
enum rc port_db_check_mac(struct db *db, const char *network_id, const char *mac,
                          struct err *err) CHECKED;
// Replaces the security groups. project_id NULL: any project's. RC_NOT_FOUND SecurityGroupNotFound.
enum rc port_db_write_groups(struct db *db, const char *id, json_t *groups, const char *project_id,
                             struct err *err) CHECKED;
enum rc port_db_has_groups(struct db *db, const char *id, bool *ret_has, struct err *err) CHECKED;
// Floating IPs whose fixed address the port no longer has (all of them: every one) are
// disassociated.
enum rc port_db_drop_floatingips(struct db *db, const char *id, bool all, struct err *err) CHECKED;
// Work for everything in OVN that shows this port: itself and the router it belongs to.
enum rc port_db_add_work(struct db *db, const char *id, const char *device_owner,
                         const char *device_id, struct err *err) CHECKED;
// Records what OVN says; RC_OK also when there is no such port. A change leaves as a message by the
// outbox.
enum rc port_db_set_status(struct db *db, const char *id, bool up, struct err *err) CHECKED;
// Rows {id, active} of the ports that OVN has an opinion about.
enum rc port_db_list_statuses(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
// Who holds this id now; ret_device_id NULL when nobody, else the caller frees.
enum rc port_db_find_device(struct db *db, const char *id, char **ret_device_id,
                            struct err *err) CHECKED;

struct port_owner {
    char project_id[65], network_id[40], device_id[256];
};
// Locks the port. RC_NOT_FOUND PortNotFound: missing, or neither the port nor its network is
// project_id's (NULL: an administrator).
enum rc port_db_lock(struct db *db, const char *id, const char *project_id,
                     struct port_owner *ret_owner, struct err *err) CHECKED;
// Takes the port's addresses in one subnet away.
enum rc port_db_release(struct db *db, const char *id, const char *subnet_id,
                        struct err *err) CHECKED;
// The port belongs to another host now, where it is not up yet; nothing when it is there already.
enum rc port_db_move(struct db *db, const char *id, const char *host, struct err *err) CHECKED;
