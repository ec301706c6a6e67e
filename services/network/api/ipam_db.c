// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/ipam_db.h"

#include <string.h>

struct subnet {
    char id[40];
    struct prefix cidr;
    bool is_automatic; // hosts make their own address from their MAC
    bool fits;         // its service types allow this device owner
};
struct allocation {
    struct db *db;
    const struct ipam_port *port;
    struct subnet *subnets;
    size_t n_subnets;
    int position;
};

static bool
is_router_port(const struct ipam_port *port)
{
    return g_str_has_prefix(port->device_owner, "network:router_") ||
           g_str_has_prefix(port->device_owner, "network:ha_router");
}

// The rows are locked, so that two transactions never pick the same free address.
static enum rc
load_subnets(struct allocation *a, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run(a->db,
               "SELECT id, cidr::text AS cidr, "
               "coalesce(ipv6_address_mode IN ('slaac', 'dhcpv6-stateless'), false) AS automatic, "
               "(jsonb_array_length(service_types) = 0 OR service_types ? $2) AS fits "
               "FROM subnet WHERE network_id = $1 ORDER BY (service_types ? $2) DESC, created_at, "
               "id FOR UPDATE",
               DB_ARGS(db_s(a->port->network_id), db_s(a->port->device_owner)), &rows, err);
    if (rc != RC_OK) {
        return rc;
    }
    a->n_subnets = (size_t)db_n_rows(rows);
    a->subnets = g_new0(struct subnet, a->n_subnets + 1);
    for (size_t i = 0; i < a->n_subnets; i++) {
        struct subnet *subnet = &a->subnets[i];
        g_strlcpy(subnet->id, db_text(rows, (int)i, "id"), sizeof subnet->id);
        if (!prefix_parse(db_text(rows, (int)i, "cidr"), &subnet->cidr)) {
            return fault(err, RC_INTERNAL, "subnet '%s' has a malformed cidr", subnet->id);
        }
        subnet->is_automatic = db_bool(rows, (int)i, "automatic");
        subnet->fits = db_bool(rows, (int)i, "fits");
    }
    return RC_OK;
}

static enum rc
insert_ip(struct allocation *a, const char *subnet_id, const char *ip, struct err *err)
{
    g_autoptr(db_result) done = NULL;
    enum rc rc = db_run(a->db,
                        "INSERT INTO fixed_ip (port_id, subnet_id, network_id, ip, position) "
                        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                        DB_ARGS(db_s(a->port->id), db_s(subnet_id), db_s(a->port->network_id),
                                db_s(ip), db_i(a->position++)),
                        &done, err);
    if (rc == RC_OK && db_n_affected(done) == 0) {
        return fault_typed(err, RC_CONFLICT, "IpAddressAlreadyAllocated",
                           "IP address %s already allocated in subnet %s", ip, subnet_id);
    }
    return rc;
}

static enum rc
insert_automatic(struct allocation *a, const struct subnet *subnet, struct err *err)
{
    char ip[ADDRESS_SIZE];
    struct address address = address_from_mac(&subnet->cidr, a->port->mac);
    address_format(&address, ip);
    return insert_ip(a, subnet->id, ip, err);
}

// ret_found false: the subnet has no free address.
static enum rc
insert_free(struct allocation *a, const struct subnet *subnet, bool *ret_found, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(a->db, "SELECT host(subnet_free_ip($1)) AS ip",
                            DB_ARGS(db_s(subnet->id)), &row, err);
    if (rc != RC_OK) {
        return rc;
    }
    const char *ip = db_text(row, 0, "ip");
    *ret_found = ip;
    return ip ? insert_ip(a, subnet->id, ip, err) : RC_OK;
}

static enum rc
no_address(const struct allocation *a, struct err *err)
{
    return fault_typed(err, RC_CONFLICT, "IpAddressGenerationFailure",
                       "No more IP addresses available on network %s.", a->port->network_id);
}

// One address of this version from the first subnet that has one.
static enum rc
allocate_version(struct allocation *a, int version, struct err *err)
{
    bool was_asked = false;
    for (size_t i = 0; i < a->n_subnets; i++) {
        const struct subnet *subnet = &a->subnets[i];
        if (subnet->cidr.address.version != version || subnet->is_automatic || !subnet->fits) {
            continue;
        }
        bool found = false;
        enum rc rc = insert_free(a, subnet, &found, err);
        if (rc != RC_OK || found) {
            return rc;
        }
        was_asked = true;
    }
    return was_asked ? no_address(a, err) : RC_OK;
}

static enum rc
allocate_any(struct allocation *a, struct err *err)
{
    bool fits = a->n_subnets == 0;
    for (size_t i = 0; i < a->n_subnets; i++) {
        fits = fits || a->subnets[i].fits;
    }
    if (!fits) {
        return fault_typed(err, RC_CONFLICT, "IpAddressGenerationFailureNoMatchingSubnet",
                           "No valid service subnet for the given device owner, network %s.",
                           a->port->network_id);
    }
    enum rc rc = allocate_version(a, 4, err);
    if (rc == RC_OK) {
        rc = allocate_version(a, 6, err);
    }
    for (size_t i = 0; rc == RC_OK && i < a->n_subnets && !is_router_port(a->port); i++) {
        if (a->subnets[i].is_automatic && a->subnets[i].fits) {
            rc = insert_automatic(a, &a->subnets[i], err);
        }
    }
    return rc;
}

static const struct subnet *
find_subnet(const struct allocation *a, const char *id, const struct address *address)
{
    for (size_t i = 0; i < a->n_subnets; i++) {
        if (id ? strcasecmp(a->subnets[i].id, id) == 0
               : prefix_contains(&a->subnets[i].cidr, address)) {
            return &a->subnets[i];
        }
    }
    return NULL;
}

static enum rc
check_wanted(const struct allocation *a, const struct subnet *subnet, const struct address *address,
             const char *ip, struct err *err)
{
    bool is_anycast =
        address->version == 6 && is_router_port(a->port) && prefix_contains(&subnet->cidr, address);
    if (!prefix_has_host(&subnet->cidr, address) && !is_anycast) {
        return fault_typed(err, RC_INVALID, "InvalidIpForSubnet",
                           "IP address %s is not a valid IP for the specified subnet.", ip);
    }
    if (subnet->is_automatic && !is_router_port(a->port)) {
        struct address own = address_from_mac(&subnet->cidr, a->port->mac);
        if (address_compare(&own, address) != 0) {
            return fault_typed(err, RC_INVALID, "AllocationOnAutoAddressSubnet",
                               "IPv6 address %s cannot be directly assigned to a port on subnet %s "
                               "as the subnet is "
                               "configured for automatic addresses",
                               ip, subnet->id);
        }
    }
    return RC_OK;
}

static enum rc
allocate_wanted(struct allocation *a, json_t *item, struct err *err)
{
    const char *subnet_id = json_string_value(json_object_get(item, "subnet_id"));
    const char *ip = json_string_value(json_object_get(item, "ip_address"));
    struct address address = {0};
    if ((!subnet_id && !ip) || (ip && !address_parse(ip, &address))) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for fixed_ips. Reason: '%s' is not a valid IP address.",
                           ip ? ip : "");
    }
    const struct subnet *subnet = find_subnet(a, subnet_id, &address);
    if (!subnet && subnet_id) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: Failed to create port on network %s, because fixed_ips "
            "included invalid subnet %s.",
            a->port->network_id, subnet_id);
    }
    if (!subnet) {
        return fault_typed(
            err, RC_INVALID, "InvalidIpForNetwork",
            "IP address %s is not a valid IP for any of the subnets on the specified network.", ip);
    }
    if (ip) {
        char text[ADDRESS_SIZE];
        address_format(&address, text);
        enum rc rc = check_wanted(a, subnet, &address, text, err);
        return rc == RC_OK ? insert_ip(a, subnet->id, text, err) : rc;
    }
    if (subnet->is_automatic && !is_router_port(a->port)) {
        return insert_automatic(a, subnet, err);
    }
    bool found = false;
    enum rc rc = insert_free(a, subnet, &found, err);
    return rc == RC_OK && !found ? no_address(a, err) : rc;
}

// Explicit addresses first, so that a free one never takes what is asked for by name.
static enum rc
allocate_list(struct allocation *a, json_t *fixed_ips, struct err *err)
{
    enum rc rc = RC_OK;
    size_t i;
    json_t *item;
    for (int is_named = 1; rc == RC_OK && is_named >= 0; is_named--) {
        json_array_foreach(fixed_ips, i, item)
        {
            bool has_name = json_is_string(json_object_get(item, "ip_address"));
            if (rc == RC_OK && has_name == (is_named == 1)) {
                rc = allocate_wanted(a, item, err);
            }
        }
    }
    return rc;
}

enum rc
ipam_allocate(struct db *db, const struct ipam_port *port, json_t *fixed_ips, struct err *err)
{
    struct allocation a = {.db = db, .port = port};
    enum rc rc = load_subnets(&a, err);
    if (rc == RC_OK) {
        rc = fixed_ips ? allocate_list(&a, fixed_ips, err) : allocate_any(&a, err);
    }
    g_free(a.subnets);
    return rc;
}

// Takes the item that this address satisfies out of the wanted list.
static bool
take_match(json_t *wanted, const char *subnet_id, const char *ip)
{
    struct address have, want;
    size_t i;
    json_t *item;
    json_array_foreach(wanted, i, item)
    {
        const char *want_subnet = json_string_value(json_object_get(item, "subnet_id"));
        const char *want_ip = json_string_value(json_object_get(item, "ip_address"));
        bool subnet_fits = !want_subnet || strcasecmp(want_subnet, subnet_id) == 0;
        bool ip_fits = want_ip ? address_parse(want_ip, &want) && address_parse(ip, &have) &&
                                     address_compare(&want, &have) == 0
                               : want_subnet != NULL;
        if (subnet_fits && ip_fits) {
            json_array_remove(wanted, i);
            return true;
        }
    }
    return false;
}

static enum rc
release_others(struct allocation *a, json_t *wanted, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(a->db,
                        "SELECT subnet_id, host(ip) AS ip, position FROM fixed_ip WHERE port_id = "
                        "$1 ORDER BY position",
                        DB_ARGS(db_s(a->port->id)), &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        const char *subnet_id = db_text(rows, i, "subnet_id"), *ip = db_text(rows, i, "ip");
        struct address unused = {0};
        const struct subnet *subnet = find_subnet(a, subnet_id, &unused);
        a->position = MAX(a->position, (int)db_int(rows, i, "position") + 1);
        bool stays =
            take_match(wanted, subnet_id, ip) ||
            (subnet && subnet->is_automatic && !is_router_port(a->port) && json_array_size(wanted));
        if (!stays) {
            rc = db_run(a->db, "DELETE FROM fixed_ip WHERE subnet_id = $1 AND ip = $2",
                        DB_ARGS(db_s(subnet_id), db_s(ip)), NULL, err);
        }
    }
    return rc;
}

enum rc
ipam_change(struct db *db, const struct ipam_port *port, json_t *fixed_ips, struct err *err)
{
    struct allocation a = {.db = db, .port = port};
    json_auto_t *wanted = json_copy(fixed_ips);
    enum rc rc = load_subnets(&a, err);
    if (rc == RC_OK) {
        rc = release_others(&a, wanted, err);
    }
    if (rc == RC_OK) {
        rc = allocate_list(&a, wanted, err);
    }
    g_free(a.subnets);
    return rc;
}
