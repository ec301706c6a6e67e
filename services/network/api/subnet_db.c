// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/subnet_db.h"

#include "common/base/util.h"
#include "services/network/api/port_db.h"
#include "services/network/api/work.h"

enum rc
subnet_db_check_overlap(struct db *db, const char *network_id, const char *cidr, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run(db, "SELECT id FROM subnet WHERE network_id = $1 AND cidr::inet && $2::inet LIMIT 1",
               DB_ARGS(db_s(network_id), db_s(cidr)), &rows, err);
    if (rc == RC_OK && db_n_rows(rows)) {
        return fault_typed(err, RC_INVALID, "InvalidInput",
                           "Invalid input for operation: Requested subnet with cidr: %s for "
                           "network: %s overlaps with "
                           "another subnet.",
                           cidr, network_id);
    }
    return rc;
}

enum rc
subnet_db_write_pools(struct db *db, const char *id, const struct subnet_plan *plan,
                      struct err *err)
{
    enum rc rc = db_run(db, "DELETE FROM allocation_pool WHERE subnet_id = $1", DB_ARGS(db_s(id)),
                        NULL, err);
    for (size_t i = 0; rc == RC_OK && i < plan->n_pools; i++) {
        char first[ADDRESS_SIZE], last[ADDRESS_SIZE];
        address_format(&plan->pools[i].first, first);
        address_format(&plan->pools[i].last, last);
        rc = db_run(db, "INSERT INTO allocation_pool (subnet_id, first, last) VALUES ($1, $2, $3)",
                    DB_ARGS(db_s(id), db_s(first), db_s(last)), NULL, err);
    }
    return rc;
}

enum rc
subnet_db_read_pools(struct db *db, const char *id, struct subnet_plan *plan, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(
        db,
        "SELECT host(first) AS first, host(last) AS last FROM allocation_pool WHERE subnet_id = $1 "
        "ORDER BY first",
        DB_ARGS(db_s(id)), &rows, err);
    plan->n_pools = 0;
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows) && i < SUBNET_MAX_POOLS; i++) {
        struct address_range *range = &plan->pools[plan->n_pools++];
        if (!address_parse(db_text(rows, i, "first"), &range->first) ||
            !address_parse(db_text(rows, i, "last"), &range->last)) {
            return fault(err, RC_INTERNAL, "subnet '%s' has a malformed pool", id);
        }
    }
    return rc;
}

enum rc
subnet_db_lock(struct db *db, const char *id, struct err *err)
{
    return db_run(db, "SELECT 1 FROM subnet WHERE id = $1 FOR UPDATE", DB_ARGS(db_s(id)), NULL,
                  err);
}

enum rc
subnet_db_find_ip(struct db *db, const char *id, const char *ip, char ret_port_id[40],
                  struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, "SELECT port_id FROM fixed_ip WHERE subnet_id = $1 AND ip = $2",
                        DB_ARGS(db_s(id), db_s(ip)), &rows, err);
    if (rc == RC_OK) {
        g_strlcpy(ret_port_id, db_n_rows(rows) ? db_text(rows, 0, "port_id") : "", 40);
    }
    return rc;
}

enum rc
subnet_db_empty(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(
        db,
        "SELECT p.id FROM fixed_ip f JOIN port p ON p.id = f.port_id JOIN subnet s ON s.id = "
        "f.subnet_id "
        "WHERE f.subnet_id = $1 AND p.device_owner NOT IN ('network:distributed', 'network:dhcp') "
        "AND (p.device_owner LIKE 'network:router%' OR s.ipv6_address_mode IS NULL "
        "OR s.ipv6_address_mode NOT IN ('slaac', 'dhcpv6-stateless')) LIMIT 1",
        DB_ARGS(db_s(id)), &rows, err);
    if (rc == RC_OK && db_n_rows(rows)) {
        return fault_typed(err, RC_CONFLICT, "SubnetInUse",
                           "Unable to complete operation on subnet %s: One or more ports have an "
                           "IP allocation from "
                           "this subnet.",
                           id);
    }
    if (rc == RC_OK) {
        rc = work_add_each(
            db, NB_PORT,
            "SELECT DISTINCT port_id AS id FROM fixed_ip WHERE subnet_id = $1 ORDER BY id", id,
            err);
    }
    return rc == RC_OK ? db_run(db, "DELETE FROM fixed_ip WHERE subnet_id = $1", DB_ARGS(db_s(id)),
                                NULL, err)
                       : rc;
}

// ---- the metadata port

static enum rc
make_metadata_port(struct db *db, const char *network_id, const char *port_id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, "SELECT 1 FROM port WHERE id = $1", DB_ARGS(db_s(port_id)), &rows, err);
    if (rc != RC_OK || db_n_rows(rows)) {
        return rc;
    }
    g_autofree char *device = g_strdup_printf("ovnmeta-%s", network_id);
    json_auto_t *no_ips = json_array();
    const struct port_new port = {.id = port_id,
                                  .project_id = "",
                                  .network_id = network_id,
                                  .device_id = device,
                                  .device_owner = "network:distributed",
                                  .status = "DOWN",
                                  .fixed_ips = no_ips};
    return port_db_insert(db, &port, err);
}

static enum rc
give_addresses(struct db *db, const char *network_id, const char *port_id, const db_result *missing,
               struct err *err)
{
    json_auto_t *wanted = json_array();
    for (int i = 0; i < db_n_rows(missing); i++) {
        json_array_append_new(wanted, json_pack("{s:s}", "subnet_id", db_text(missing, i, "id")));
    }
    const struct ipam_port port = {port_id, network_id, "", "network:distributed"};
    enum rc rc = ipam_allocate(db, &port, wanted, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(missing); i++) {
        rc = work_add(db, NB_SUBNET, db_text(missing, i, "id"), err);
    }
    return rc == RC_OK ? work_add(db, NB_PORT, port_id, err) : rc;
}

static enum rc
take_addresses(struct db *db, const char *port_id, bool *ret_is_left, struct err *err)
{
    g_autoptr(db_result) left = NULL;
    g_autoptr(db_result) gone = NULL;
    enum rc rc =
        db_run(db,
               "DELETE FROM fixed_ip f USING subnet s WHERE f.port_id = $1 AND s.id = f.subnet_id "
               "AND NOT (s.enable_dhcp AND s.ip_version = 4) RETURNING f.subnet_id",
               DB_ARGS(db_s(port_id)), &gone, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(gone); i++) {
        rc = work_add(db, NB_SUBNET, db_text(gone, i, "subnet_id"), err);
    }
    if (rc == RC_OK && db_n_rows(gone)) {
        rc = work_add(db, NB_PORT, port_id, err);
    }
    if (rc == RC_OK) {
        rc = db_run(db, "SELECT 1 FROM fixed_ip WHERE port_id = $1 LIMIT 1", DB_ARGS(db_s(port_id)),
                    &left, err);
    }
    if (rc == RC_OK) {
        *ret_is_left = db_n_rows(left) > 0;
    }
    return rc;
}

enum rc
subnet_db_sync_metadata(struct db *db, const char *network_id, struct err *err)
{
    char port_id[UUID_SIZE];
    uuid_derive(network_id, "metadata", port_id);
    bool is_left = false;
    enum rc rc = take_addresses(db, port_id, &is_left, err);
    g_autoptr(db_result) missing = NULL;
    if (rc == RC_OK) {
        rc = db_run(
            db,
            "SELECT s.id FROM subnet s WHERE s.network_id = $1 AND s.enable_dhcp AND s.ip_version "
            "= 4 AND "
            "NOT EXISTS (SELECT 1 FROM fixed_ip f WHERE f.subnet_id = s.id AND f.port_id = $2) "
            "AND subnet_free_ip(s.id) IS NOT NULL ORDER BY s.id",
            DB_ARGS(db_s(network_id), db_s(port_id)), &missing, err);
    }
    if (rc == RC_OK && db_n_rows(missing)) {
        rc = make_metadata_port(db, network_id, port_id, err);
        return rc == RC_OK ? give_addresses(db, network_id, port_id, missing, err) : rc;
    }
    if (rc == RC_OK && !is_left) {
        g_autoptr(db_result) gone = NULL;
        rc = db_run(db, "DELETE FROM port WHERE id = $1 RETURNING id", DB_ARGS(db_s(port_id)),
                    &gone, err);
        if (rc == RC_OK && db_n_rows(gone)) {
            rc = work_add(db, NB_PORT, port_id, err);
        }
    }
    return rc;
}
