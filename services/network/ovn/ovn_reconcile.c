// SPDX-License-Identifier: Apache-2.0
// Making the whole northbound database as desired. Objects that anybody changes while this runs are
// left alone: what was read of them, there or in PostgreSQL, may be old.
#include "common/log/log.h"
#include "services/network/ovn/ovn_internal.h"
#include "services/network/ovn/ovn_metrics.h"
#include <string.h>

#define BATCH 100
#define BATCH_TIMEOUT_MS 60000

struct ovn_desired {
    struct ovn *ovn;
    GHashTable *objects[N_NB_KINDS]; // owner → struct nb_object; NULL: it cannot be planned
};

// An object whose dependencies are of the kinds before it.
static const enum nb_kind order[] = {NB_NETWORK, NB_SUBNET, NB_SECURITY_GROUP,
                                     NB_PORT,    NB_ROUTER, NB_FLOATINGIP};

static void
desired_init(struct ovn_desired *desired, struct ovn *ovn)
{
    desired->ovn = ovn;
    for (int kind = 0; kind < N_NB_KINDS; kind++) {
        desired->objects[kind] =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)nb_object_free);
    }
}

static void
desired_done(struct ovn_desired *desired)
{
    for (int kind = 0; kind < N_NB_KINDS; kind++) {
        g_hash_table_unref(desired->objects[kind]);
    }
}

static bool
desired_has(const struct ovn_desired *desired, const char *owner)
{
    bool found = !strcmp(owner, NB_DROP_OWNER);
    for (int kind = 0; !found && kind < N_NB_KINDS; kind++) {
        found = g_hash_table_contains(desired->objects[kind], owner);
    }
    return found;
}

// The last word on an object holds: a transaction that is run again yields everything again.
// What cannot be expressed stays as it is in OVN and does not keep the others from being repaired.
static enum rc
add(struct ovn_desired *desired, enum nb_kind kind, const char *id, enum rc planned,
    struct nb_object *object, struct err *err)
{
    if (planned == RC_INVALID) {
        log_warn("object cannot be expressed in OVN", kv("kind", nb_kind_name(kind)), kv("id", id),
                 kv("error", err ? err->message : NULL));
    } else if (planned != RC_OK) {
        return planned;
    }
    g_hash_table_replace(desired->objects[kind], nb_owner(kind, id), object);
    return RC_OK;
}

enum rc
ovn_desired_network(struct ovn_desired *desired, const struct nb_network *network, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_network(network, &object, err);
    return add(desired, NB_NETWORK, network->id, rc, object, err);
}

enum rc
ovn_desired_subnet(struct ovn_desired *desired, const struct nb_subnet *subnet, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_subnet(subnet, &object, err);
    return add(desired, NB_SUBNET, subnet->id, rc, object, err);
}

enum rc
ovn_desired_security_group(struct ovn_desired *desired, const struct nb_security_group *group,
                           struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_security_group(group, &object, err);
    return add(desired, NB_SECURITY_GROUP, group->id, rc, object, err);
}

enum rc
ovn_desired_port(struct ovn_desired *desired, const struct nb_port *port, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = ovn_make_port(desired->ovn, port, &object, err);
    return add(desired, NB_PORT, port->id, rc, object, err);
}

enum rc
ovn_desired_router(struct ovn_desired *desired, const struct nb_router *router, struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = ovn_make_router(desired->ovn, router, &object, err);
    return add(desired, NB_ROUTER, router->id, rc, object, err);
}

enum rc
ovn_desired_floatingip(struct ovn_desired *desired, const struct nb_floatingip *floatingip,
                       struct err *err)
{
    struct nb_object *object = NULL;
    enum rc rc = nb_plan_floatingip(floatingip, &object, err);
    return add(desired, NB_FLOATINGIP, floatingip->id, rc, object, err);
}

struct repair {
    struct ovn *ovn;
    uint64_t serial; // the replica's before anything was read
    gpointer *items; // struct nb_object, or owners to remove
    size_t n_items;
    size_t n_changed, n_skipped; // of the last attempt
};

static enum rc
fill_objects(void *context, struct nb_diff *diff, struct err *err)
{
    struct repair *repair = context;
    const struct replica *replica = nb_diff_replica(diff);
    repair->n_changed = repair->n_skipped = 0;
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < repair->n_items; i++) {
        const struct nb_object *object = repair->items[i];
        bool changed = false;
        if (replica_owner_changed_since(replica, object->owner, repair->serial) ||
            !nb_diff_has_dependencies(diff, object)) {
            repair->n_skipped++;
            continue;
        }
        rc = nb_diff_put(diff, object, true, &changed, err);
        repair->n_changed += changed;
    }
    return rc;
}

static enum rc
fill_removals(void *context, struct nb_diff *diff, struct err *err)
{
    struct repair *repair = context;
    const struct replica *replica = nb_diff_replica(diff);
    repair->n_changed = repair->n_skipped = 0;
    for (size_t i = 0; i < repair->n_items; i++) {
        if (replica_owner_changed_since(replica, repair->items[i], repair->serial)) {
            repair->n_skipped++;
        } else {
            repair->n_changed += nb_diff_remove(diff, repair->items[i]);
        }
    }
    return RC_OK;
}

// One transaction; when the database refuses it, one for each item, so that a single bad one costs
// only itself.
static enum rc
repair_batch(struct repair *repair, ovn_fill_fn fill, size_t *n_changed, size_t *n_skipped,
             struct err *err)
{
    int64_t deadline_ms = monotonic_ms() + BATCH_TIMEOUT_MS;
    enum rc rc = ovn_commit(repair->ovn, fill, repair, deadline_ms, err);
    if (rc == RC_OK) {
        *n_changed += repair->n_changed;
        *n_skipped += repair->n_skipped;
        return RC_OK;
    }
    if (!ovn_is_ready(repair->ovn)) {
        return rc;
    }
    if (repair->n_items == 1) {
        log_warn("northbound object not repaired", kv("error", err->message));
        *n_skipped += 1;
        return RC_OK;
    }
    rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < repair->n_items; i++) {
        struct repair one = {repair->ovn, repair->serial, &repair->items[i], 1};
        rc = repair_batch(&one, fill, n_changed, n_skipped, err);
    }
    return rc;
}

static enum rc
repair_all(struct ovn *ovn, uint64_t serial, GPtrArray *items, ovn_fill_fn fill, size_t *n_changed,
           size_t *n_skipped, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < items->len; i += BATCH) {
        struct repair repair = {ovn, serial, items->pdata + i, MIN((size_t)BATCH, items->len - i)};
        rc = repair_batch(&repair, fill, n_changed, n_skipped, err);
    }
    return rc;
}

static GPtrArray *
copy_owners(const struct replica *replica)
{
    GPtrArray *owners = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer owner;
    g_hash_table_iter_init(&iter, replica_owners(replica));
    while (g_hash_table_iter_next(&iter, &owner, NULL)) {
        g_ptr_array_add(owners, g_strdup(owner));
    }
    return owners;
}

static void
keep_undesired(GPtrArray *owners, const struct ovn_desired *desired)
{
    for (guint i = owners->len; i-- > 0;) {
        if (desired_has(desired, owners->pdata[i])) {
            g_ptr_array_remove_index_fast(owners, i);
        }
    }
}

// The objects of one kind that could be planned, borrowed.
static GPtrArray *
planned_objects(GHashTable *objects)
{
    GPtrArray *planned = g_ptr_array_new();
    GHashTableIter iter;
    gpointer object;
    g_hash_table_iter_init(&iter, objects);
    while (g_hash_table_iter_next(&iter, NULL, &object)) {
        if (object) {
            g_ptr_array_add(planned, object);
        }
    }
    return planned;
}

static enum rc
repair_desired(struct ovn *ovn, uint64_t serial, const struct ovn_desired *desired,
               struct ovn_reconcile_counts *counts, struct err *err)
{
    g_autoptr(GPtrArray) drop = g_ptr_array_new();
    g_ptr_array_add(drop, ovn->drop_group);
    enum rc rc =
        repair_all(ovn, serial, drop, fill_objects, &counts->n_repaired, &counts->n_skipped, err);
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(order); i++) {
        g_autoptr(GPtrArray) objects = planned_objects(desired->objects[order[i]]);
        size_t n = g_hash_table_size(desired->objects[order[i]]);
        counts->n_desired += n;
        counts->n_skipped += n - objects->len;
        rc = repair_all(ovn, serial, objects, fill_objects, &counts->n_repaired, &counts->n_skipped,
                        err);
    }
    return rc;
}

static enum rc
reconcile(struct ovn *ovn, ovn_each_fn each, void *context, struct ovn_reconcile_counts *counts,
          struct err *err)
{
    struct replica *replica = ovsdb_lock(ovn->nb);
    replica_track_owners(replica, true);
    uint64_t serial = replica_serial(replica);
    g_autoptr(GPtrArray) owners = copy_owners(replica);
    ovsdb_unlock(ovn->nb);
    struct ovn_desired desired;
    desired_init(&desired, ovn);
    enum rc rc = each(context, &desired, err);
    rc = rc == RC_OK ? repair_desired(ovn, serial, &desired, counts, err) : rc;
    if (rc == RC_OK) {
        keep_undesired(owners, &desired);
        rc = repair_all(ovn, serial, owners, fill_removals, &counts->n_removed, &counts->n_skipped,
                        err);
    }
    desired_done(&desired);
    replica_track_owners(ovsdb_lock(ovn->nb), false);
    ovsdb_unlock(ovn->nb);
    return rc;
}

enum rc
ovn_reconcile(struct ovn *ovn, ovn_each_fn each, void *context,
              struct ovn_reconcile_counts *ret_counts, struct err *err)
{
    struct err own = {0};
    err = err ? err : &own;
    struct ovn_reconcile_counts counts = {0};
    int64_t deadline_ms = ovn_deadline(ovn);
    g_mutex_lock(&ovn->reconciling);
    enum rc rc = ovn_wait_chassis(ovn, deadline_ms, err);
    if (rc == RC_OK && !ovsdb_wait_ready(ovn->nb, deadline_ms)) {
        rc = fault(err, RC_UNAVAILABLE, "the northbound database is not connected");
    }
    rc = rc == RC_OK ? reconcile(ovn, each, context, &counts, err) : rc;
    g_mutex_unlock(&ovn->reconciling);
    ovn_metric_add(OVN_REPAIRED, (int64_t)counts.n_repaired);
    ovn_metric_add(OVN_REMOVED, (int64_t)counts.n_removed);
    if (rc == RC_OK) {
        *ret_counts = counts;
    }
    return rc;
}
