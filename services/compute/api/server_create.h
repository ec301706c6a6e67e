// SPDX-License-Identifier: Apache-2.0
// POST /servers in three steps: what the body says (server_body.c), what other services say
// (server_check.c), one transaction (server_create_db.c).
#pragma once
#include "services/compute/api/api.h"
#include "services/compute/api/server_check.h"

#define SERVER_MAX_PORTS 16
#define SERVER_MAX_COUNT 100

struct server_body { // what the client gave; borrowed from the body
    const char *name, *image_id, *key_name, *user_data, *zone, *admin_pass, *access_ipv4,
        *access_ipv6;
    const char *disk_config, *description, *hostname, *host, *hypervisor_hostname;
    json_t *flavor, *image, *networks, *security_groups, *metadata, *tags, *block_devices,
        *block_devices_v2, *personality;
    json_t *certificates, *volume_type;
    int64_t min_count, max_count;
    bool config_drive, return_reservation_id;
    const char *flavor_id; // read from flavor
    const char *forced_host;
    const char *group_id;               // hints
    json_t *same_host, *different_host; // arrays of ids; borrowed or NULL
    struct wanted_port ports[SERVER_MAX_PORTS];
    unsigned n_ports;
    bool is_auto_network;
};
// Checks everything that needs nobody else. Errors name the field.
enum rc server_body_read(struct request *request, struct server_body *ret_body,
                         struct err *err) CHECKED;

struct server_lookup {              // what our own tables know
    char zone_ok, key_ok, group_ok; // booleans
    int64_t vcpus, ram_mib, disk_gib;
    char *key_type, *key_data;
};
enum rc server_lookup_db(struct db *db, const struct server_body *body,
                         const struct auth_context *auth, struct server_lookup *ret_lookup,
                         struct err *err) CHECKED;
void server_lookup_done(struct server_lookup *lookup);

struct server_new { // everything the transaction writes
    const struct auth_context *auth;
    const char *request_id, *group_id, *idempotency_key, *request_hash;
    json_t *common;  // columns that all have in common
    json_t *servers; // [{id, name, hostname, launch_index, ports: [{position, port_id, …}]}…]
    const struct server_lookup *lookup;
    size_t n;       // how many of `servers`
    char *existing; // out: the id an idempotency key had made before; owned
};
// Quota, rows and messages in one transaction. RC_QUOTA names the resource.
enum rc server_create_db(struct db *db, struct server_new *new, struct err *err) CHECKED;
// Every server of the reservation whose first server is `id`: its groups as the reply shows them
// (column item), reservation_id.
enum rc server_created_db(struct db *db, const char *id, db_result **ret_rows,
                          struct err *err) CHECKED;
