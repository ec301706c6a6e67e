// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/ovn.h"
#include "common/log/log.h"
#include "services/network/ovn/nb_dhcp.h"
#include "services/network/ovn/ovn_internal.h"
#include "services/network/ovn/ovn_metrics.h"
#include <string.h>

#define DEFAULT_TIMEOUT_MS 5000
#define MAX_ATTEMPTS 10
#define CATCH_UP_MS 100

static void
on_nb_change(void *context, const struct replica_row *row, enum replica_change change)
{
    ovn_events_nb_change(((struct ovn *)context)->events, row, change);
}

static void
on_nb_state(void *context, bool is_ready, const struct replica *replica)
{
    ovn_events_nb_state(((struct ovn *)context)->events, is_ready, replica);
    ovn_metric_add(OVN_CONNECTED, is_ready ? 1 : -1);
    log_info("northbound database", kv("state", is_ready ? "connected" : "lost"));
}

static bool
is_same_chassis(const struct chassis_list *a, const struct chassis_list *b)
{
    return g_strv_equal((const char *const *)a->gateways, (const char *const *)b->gateways) &&
           g_strv_equal((const char *const *)a->hosts, (const char *const *)b->hosts);
}

static void
read_chassis(struct ovn *ovn, const struct replica *replica)
{
    struct chassis_list *fresh = chassis_list_read(replica);
    g_mutex_lock(&ovn->lock);
    bool is_first = !ovn->chassis;
    if (!is_first && (!fresh->gateways[0] || is_same_chassis(ovn->chassis, fresh))) {
        chassis_list_free(fresh);
    } else {
        chassis_list_free(ovn->chassis);
        ovn->chassis = fresh;
        g_cond_broadcast(&ovn->chassis_changed);
        ovn_events_resync(ovn->events, is_first ? "chassis read" : "chassis changed");
    }
    g_mutex_unlock(&ovn->lock);
}

static void
on_sb_state(void *context, bool is_ready, const struct replica *replica)
{
    if (is_ready) {
        read_chassis(context, replica);
    }
    log_info("southbound database", kv("state", is_ready ? "connected" : "lost"));
}

// Reading all of them again keeps this simple: they change only when hosts come and go.
static void
on_sb_update(void *context, const struct replica *replica)
{
    read_chassis(context, replica);
}

static char **
split_names(const char *text)
{
    if (!text || !*text) {
        return NULL;
    }
    char **names = g_strsplit(text, ",", 256);
    for (char **name = names; *name; name++) {
        g_strstrip(*name);
    }
    return names;
}

enum rc
ovn_new(const struct ovn_options *options, struct ovn **ret_ovn, struct err *err)
{
    struct ovn *ovn = g_new0(struct ovn, 1);
    ovn->options = *options;
    ovn->options.timeout_ms = options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    ovn->configured_gateways = split_names(options->gateway_chassis);
    ovn->drop_group = nb_plan_drop_group();
    ovn->events = ovn_events_new(options);
    g_mutex_init(&ovn->lock);
    g_cond_init(&ovn->chassis_changed);
    g_mutex_init(&ovn->reconciling);
    const struct ovsdb_options nb = {options->nb_remote, &nb_schema, ovn, .on_change = on_nb_change,
                                     .on_state = on_nb_state};
    const struct ovsdb_options sb = {options->sb_remote, &sb_schema, ovn, .on_update = on_sb_update,
                                     .on_state = on_sb_state};
    enum rc rc = ovsdb_new(&nb, &ovn->nb, err);
    if (rc == RC_OK && options->sb_remote && *options->sb_remote) {
        rc = ovsdb_new(&sb, &ovn->sb, err);
    }
    if (rc != RC_OK) {
        ovn_free(ovn);
        return rc;
    }
    *ret_ovn = ovn;
    ovn_events_start(ovn->events); // the callbacks may use *ret_ovn
    return RC_OK;
}

void
ovn_free(struct ovn *ovn)
{
    if (!ovn) {
        return;
    }
    // Callbacks may be using the connections, so their thread ends first; the connections then talk
    // to nobody.
    ovn_events_stop(ovn->events);
    ovsdb_free(ovn->sb);
    ovsdb_free(ovn->nb);
    ovn_events_free(ovn->events);
    nb_object_free(ovn->drop_group);
    chassis_list_free(ovn->chassis);
    g_strfreev(ovn->configured_gateways);
    g_mutex_clear(&ovn->lock);
    g_cond_clear(&ovn->chassis_changed);
    g_mutex_clear(&ovn->reconciling);
    g_free(ovn);
}

bool
ovn_is_ready(struct ovn *ovn)
{
    return ovsdb_is_ready(ovn->nb);
}

bool
ovn_wait_ready(struct ovn *ovn, int timeout_ms)
{
    int64_t deadline_ms = monotonic_ms() + timeout_ms;
    return ovsdb_wait_ready(ovn->nb, deadline_ms) &&
           ovn_wait_chassis(ovn, deadline_ms, NULL) == RC_OK;
}

int64_t
ovn_deadline(const struct ovn *ovn)
{
    return monotonic_ms() + ovn->options.timeout_ms;
}

// --- transactions ---

static enum rc
try_commit(struct ovn *ovn, ovn_fill_fn fill, void *context, int64_t deadline_ms,
           uint64_t *ret_serial, struct err *err)
{
    // An empty replica must not be taken for an empty database.
    struct replica *replica = ovsdb_lock_ready(ovn->nb);
    *ret_serial = 0;
    if (!replica) {
        return fault(err, RC_UNAVAILABLE, "the northbound database is not connected");
    }
    g_autoptr(nb_diff) diff = nb_diff_new(replica);
    *ret_serial = replica_serial(replica);
    enum rc rc = fill(context, diff, err);
    bool is_empty = nb_diff_is_empty(diff);
    json_auto_t *operations = rc == RC_OK && !is_empty ? nb_diff_operations(diff) : NULL;
    ovsdb_unlock(ovn->nb);
    if (!operations) {
        return rc;
    }
    json_auto_t *results = NULL;
    rc = ovsdb_transact(ovn->nb, operations, deadline_ms, &results, err);
    rc = rc == RC_OK ? nb_diff_check(operations, results, err) : rc;
    ovn_metric_add(rc == RC_OK ? OVN_COMMITTED : rc == RC_CONFLICT ? OVN_RACED : OVN_FAILED, 1);
    return rc;
}

enum rc
ovn_commit(struct ovn *ovn, ovn_fill_fn fill, void *context, int64_t deadline_ms, struct err *err)
{
    enum rc rc = RC_CONFLICT;
    for (int attempt = 0; rc == RC_CONFLICT && attempt < MAX_ATTEMPTS; attempt++) {
        uint64_t serial;
        if (!ovsdb_wait_ready(ovn->nb, deadline_ms)) {
            return fault(err, RC_UNAVAILABLE, "the northbound database is not connected");
        }
        rc = try_commit(ovn, fill, context, deadline_ms, &serial, err);
        if (rc == RC_CONFLICT) {
            ovsdb_wait_change(ovn->nb, serial, MIN(deadline_ms, monotonic_ms() + CATCH_UP_MS));
        }
    }
    // The caller has no conflict to decide on: the database keeps changing under us, or refuses.
    return rc == RC_CONFLICT ? fault(err, RC_UNAVAILABLE, "%s", err->message) : rc;
}

struct put {
    struct nb_object *drop_group; // NULL: not needed
    struct nb_object **objects;
    size_t n_objects;
};

static enum rc
fill_put(void *context, struct nb_diff *diff, struct err *err)
{
    const struct put *put = context;
    bool changed;
    enum rc rc = put->drop_group ? nb_diff_put(diff, put->drop_group, false, &changed, err) : RC_OK;
    for (size_t i = 0; rc == RC_OK && i < put->n_objects; i++) {
        rc = nb_diff_put(diff, put->objects[i], false, &changed, err);
    }
    return rc;
}

static enum rc
put_object(struct ovn *ovn, enum rc planned, struct nb_object *object, struct err *err)
{
    g_autoptr(nb_object) owned = object;
    struct put put = {NULL, &owned, 1};
    struct err ignored;
    return planned == RC_OK
               ? ovn_commit(ovn, fill_put, &put, ovn_deadline(ovn), err ? err : &ignored)
               : planned;
}

enum rc
ovn_apply_network(struct ovn *ovn, const struct nb_network *network, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_network(network, &object, err);
    return put_object(ovn, rc, object, err);
}

enum rc
ovn_apply_subnet(struct ovn *ovn, const struct nb_subnet *subnet, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_subnet(subnet, &object, err);
    return put_object(ovn, rc, object, err);
}

enum rc
ovn_apply_security_group(struct ovn *ovn, const struct nb_security_group *group, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_security_group(group, &object, err);
    return put_object(ovn, rc, object, err);
}

enum rc
ovn_apply_router(struct ovn *ovn, const struct nb_router *router, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = router->gateway ? ovn_wait_chassis(ovn, ovn_deadline(ovn), err) : RC_OK;
    rc = rc == RC_OK ? ovn_make_router(ovn, router, &object, err) : rc;
    return put_object(ovn, rc, object, err);
}

enum rc
ovn_apply_floatingip(struct ovn *ovn, const struct nb_floatingip *floatingip, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_floatingip(floatingip, &object, err);
    return put_object(ovn, rc, object, err);
}

enum rc
ovn_apply_ports(struct ovn *ovn, const struct nb_port *ports, size_t n_ports, struct err *err)
{
    g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func((GDestroyNotify)nb_object_free);
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < n_ports; i++) {
        struct nb_object *object = NULL;
        rc = ovn_make_port(ovn, &ports[i], &object, err);
        if (rc == RC_OK) {
            g_ptr_array_add(objects, object);
        }
    }
    struct put put = {ovn->drop_group, (struct nb_object **)objects->pdata, objects->len};
    struct err ignored;
    return rc == RC_OK ? ovn_commit(ovn, fill_put, &put, ovn_deadline(ovn), err ? err : &ignored)
                       : rc;
}

enum rc
ovn_apply_port(struct ovn *ovn, const struct nb_port *port, struct err *err)
{
    return ovn_apply_ports(ovn, port, 1, err);
}

static enum rc
fill_remove(void *context, struct nb_diff *diff, struct err *err)
{
    nb_diff_remove(diff, context);
    return RC_OK;
}

enum rc
ovn_delete(struct ovn *ovn, enum nb_kind kind, const char *id, struct err *err)
{
    g_autofree char *owner = nb_owner(kind, id);
    struct err ignored;
    return ovn_commit(ovn, fill_remove, owner, ovn_deadline(ovn), err ? err : &ignored);
}

bool
ovn_find_port_status(struct ovn *ovn, const char *port_id, bool *ret_up)
{
    g_autofree char *owner = nb_owner(NB_PORT, port_id);
    struct replica *replica = ovsdb_lock(ovn->nb);
    const struct replica_row *row = replica_find_key(replica, owner, "port");
    if (row) {
        *ret_up = !g_strcmp0(replica_value(replica, row, "up")->text, "true");
    }
    ovsdb_unlock(ovn->nb);
    return row != NULL;
}

// --- chassis ---

enum rc
ovn_wait_chassis(struct ovn *ovn, int64_t deadline_ms, struct err *err)
{
    g_mutex_lock(&ovn->lock);
    while (ovn->sb && !ovn->chassis &&
           g_cond_wait_until(&ovn->chassis_changed, &ovn->lock, deadline_ms * 1000)) {
    }
    bool is_known = !ovn->sb || ovn->chassis;
    g_mutex_unlock(&ovn->lock);
    return is_known ? RC_OK
                    : fault(err, RC_UNAVAILABLE, "the southbound database is not connected");
}

enum rc
ovn_make_router(struct ovn *ovn, const struct nb_router *router, struct nb_object **ret_object,
                struct err *err)
{
    g_mutex_lock(&ovn->lock);
    g_auto(GStrv) gateways = chassis_list_gateways(ovn->chassis, ovn->configured_gateways);
    g_mutex_unlock(&ovn->lock);
    const struct nb_chassis chassis = {(const char *const *)gateways, g_strv_length(gateways)};
    return nb_plan_router(router, &chassis, ret_object, err);
}

// A port with options of its own has the rest of them from its subnet's row.
static enum rc
add_dhcp_options(struct ovn *ovn, const struct nb_port *port, struct nb_object *object,
                 struct err *err)
{
    const struct nb_row *row = object->rows->len ? object->rows->pdata[0] : NULL;
    if (!port->n_dhcp_options || port->dhcp_subnet || !row || !row->dhcpv4_options.owner) {
        return RC_OK;
    }
    const struct replica *replica = ovsdb_lock(ovn->nb);
    const struct nb_ref *ref = &row->dhcpv4_options;
    const struct replica_row *subnet = replica_find_key(replica, ref->owner, ref->key);
    enum rc rc = subnet ? nb_dhcp_of_port(object, port, subnet, err) : RC_OK;
    ovsdb_unlock(ovn->nb);
    return rc;
}

enum rc
ovn_make_port(struct ovn *ovn, const struct nb_port *port, struct nb_object **ret_object,
              struct err *err)
{
    struct nb_port known = *port;
    g_mutex_lock(&ovn->lock);
    const char *const *hosts = ovn->chassis ? (const char *const *)ovn->chassis->hosts : NULL;
    if (!hosts || !known.host || !g_strv_contains(hosts, known.host)) {
        known.host = NULL;
    }
    if (!hosts || !known.migrating_to || !g_strv_contains(hosts, known.migrating_to)) {
        known.migrating_to = NULL;
    }
    g_mutex_unlock(&ovn->lock);
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_port(&known, &object, err);
    rc = rc == RC_OK ? add_dhcp_options(ovn, &known, object, err) : rc;
    if (rc == RC_OK) {
        *ret_object = g_steal_pointer(&object);
    }
    nb_object_free(object);
    return rc;
}
