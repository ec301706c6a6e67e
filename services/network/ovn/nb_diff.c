// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/nb_diff.h"
#include <string.h>

// A row that a set column names or is to name: one of the replica, or one this transaction inserts.
struct target {
    unsigned table;
    const char *uuid; // of the replica, or the name of the inserted row
    bool is_new;
};

struct mutation {
    struct target row;
    const char *column;
    json_t *insert, *remove;
};

struct nb_diff {
    const struct replica *replica;
    json_t *guards, *body, *deletions;
    GHashTable *inserted;  // "owner#key" → struct target
    GHashTable *mutations; // "uuid column" → struct mutation
    GPtrArray *order;      // the same, in the order of their making
    GHashTable *guarded;   // "uuid" for existence, "uuid content"
    GHashTable *deleted;   // UUIDs of deleted root rows
    unsigned n_names;
};

static void
target_free(struct target *target)
{
    g_free((char *)target->uuid);
    g_free(target);
}

static void
mutation_free(struct mutation *mutation)
{
    g_free((char *)mutation->row.uuid);
    json_decref(mutation->insert);
    json_decref(mutation->remove);
    g_free(mutation);
}

struct nb_diff *
nb_diff_new(const struct replica *replica)
{
    struct nb_diff *diff = g_new0(struct nb_diff, 1);
    diff->replica = replica;
    diff->guards = json_array();
    diff->body = json_array();
    diff->deletions = json_array();
    diff->inserted =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)target_free);
    diff->mutations = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    diff->order = g_ptr_array_new_with_free_func((GDestroyNotify)mutation_free);
    diff->guarded = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    diff->deleted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return diff;
}

void
nb_diff_free(struct nb_diff *diff)
{
    if (!diff) {
        return;
    }
    json_decref(diff->guards);
    json_decref(diff->body);
    json_decref(diff->deletions);
    g_hash_table_unref(diff->inserted);
    g_hash_table_unref(diff->mutations);
    g_ptr_array_unref(diff->order);
    g_hash_table_unref(diff->guarded);
    g_hash_table_unref(diff->deleted);
    g_free(diff);
}

const struct replica *
nb_diff_replica(const struct nb_diff *diff)
{
    return diff->replica;
}

static const struct ovsdb_table *
table_of(unsigned table)
{
    return &nb_schema.tables[table];
}

static json_t *
where_uuid(const struct target *target)
{
    return json_pack("[[s,s,[s,s]]]", "_uuid", "==", target->is_new ? "named-uuid" : "uuid",
                     target->uuid);
}

static void
add_guard(struct nb_diff *diff, unsigned table, json_t *where, json_t *columns, json_t *rows)
{
    json_array_append_new(diff->guards,
                          json_pack("{s:s,s:s,s:i,s:o,s:o,s:s,s:o}", "op", "wait", "table",
                                    table_of(table)->name, "timeout", 0, "where", where, "columns",
                                    columns, "until", "==", "rows", rows));
}

// The row is still what the difference was computed from: its external_ids carry the revision.
static void
guard_content(struct nb_diff *diff, const struct replica_row *row)
{
    if (!g_hash_table_add(diff->guarded, g_strdup_printf("%s content", row->uuid))) {
        return;
    }
    const struct ovsdb_table *table = table_of(row->table);
    unsigned column = ovsdb_column_index(table, "external_ids");
    const struct target target = {row->table, row->uuid, false};
    json_t *ids = ovsdb_value_to_json(&row->values[column], &table->columns[column]);
    add_guard(diff, row->table, where_uuid(&target), json_pack("[s]", "external_ids"),
              json_pack("[{s:o}]", "external_ids", ids));
}

static void
guard_existence(struct nb_diff *diff, const struct target *target)
{
    if (!target->is_new && g_hash_table_add(diff->guarded, g_strdup(target->uuid))) {
        add_guard(diff, target->table, where_uuid(target), json_array(), json_pack("[{}]"));
    }
}

// Nobody else has inserted it meanwhile. Tables with a unique name need no such guard, the
// insertion itself fails.
static void
guard_absence(struct nb_diff *diff, const struct nb_row *row)
{
    json_t *where = json_pack("[[s,s,[s,[[s,s],[s,s]]]]]", "external_ids", "includes", "map",
                              NB_OWNER_KEY, row->owner, NB_KEY_KEY, row->key);
    add_guard(diff, row->table, where, json_array(), json_array());
}

static void
mutate(struct nb_diff *diff, const struct target *row, const char *column, json_t *element,
       bool insert)
{
    g_autofree char *key = g_strdup_printf("%s %s", row->uuid, column);
    struct mutation *mutation = g_hash_table_lookup(diff->mutations, key);
    if (!mutation) {
        mutation = g_new0(struct mutation, 1);
        mutation->row = (struct target){row->table, g_strdup(row->uuid), row->is_new};
        mutation->column = column;
        mutation->insert = json_array();
        mutation->remove = json_array();
        g_hash_table_insert(diff->mutations, g_steal_pointer(&key), mutation);
        g_ptr_array_add(diff->order, mutation);
        guard_existence(diff, row);
    }
    json_array_append_new(insert ? mutation->insert : mutation->remove, element);
}

static json_t *
target_json(const struct target *target)
{
    return json_pack("[s,s]", target->is_new ? "named-uuid" : "uuid", target->uuid);
}

// --- references ---

static bool
resolve(const struct nb_diff *diff, const struct nb_ref *ref, struct target *ret_target)
{
    g_autofree char *handle = g_strdup_printf("%s#%s", ref->owner, ref->key);
    const struct target *inserted = g_hash_table_lookup(diff->inserted, handle);
    if (inserted) {
        *ret_target = *inserted;
        return true;
    }
    const struct replica_row *row = replica_find_key(diff->replica, ref->owner, ref->key);
    if (row) {
        *ret_target = (struct target){row->table, row->uuid, false};
    }
    return row != NULL;
}

static bool
has_reference(const struct nb_diff *diff, const struct nb_object *object, const struct nb_ref *ref)
{
    struct target target;
    return !ref->owner || !strcmp(ref->owner, object->owner) || resolve(diff, ref, &target);
}

bool
nb_diff_has_dependencies(const struct nb_diff *diff, const struct nb_object *object)
{
    for (guint i = 0; i < object->rows->len; i++) {
        const struct nb_row *row = object->rows->pdata[i];
        if (!has_reference(diff, object, &row->dhcpv4_options)) {
            return false;
        }
        for (guint k = 0; k < row->links->len; k++) {
            if (!has_reference(diff, object, row->links->pdata[k])) {
                return false;
            }
        }
    }
    return true;
}

static enum rc
get_reference(const struct nb_diff *diff, const struct nb_row *row, const struct nb_ref *ref,
              struct target *ret_target, struct err *err)
{
    if (!resolve(diff, ref, ret_target)) {
        return fault(err, RC_UNAVAILABLE,
                     "'%s' needs '%s', which is not in the northbound database yet", row->owner,
                     ref->owner);
    }
    return RC_OK;
}

// The set column of `parent` that holds rows of `child`.
static const char *
child_column(unsigned parent, unsigned child)
{
    for (const struct ovsdb_column *c = table_of(parent)->columns; c->name; c++) {
        if (c->ref_table && !strcmp(c->ref_table, table_of(child)->name)) {
            return c->name;
        }
    }
    g_assert_not_reached();
}

// --- rows ---

static const struct replica_row *
find_existing(const struct nb_diff *diff, const struct nb_row *row)
{
    const struct replica_row *found = replica_find_key(diff->replica, row->owner, row->key);
    if (found && found->table == row->table) {
        return found;
    }
    if (!table_of(row->table)->is_name_unique) {
        return NULL;
    }
    const char *name = row->values[ovsdb_column_index(table_of(row->table), "name")].text;
    return replica_find_name(diff->replica, row->table, name);
}

static enum rc
dhcp_json(const struct nb_diff *diff, const struct nb_row *row, const struct replica_row *existing,
          json_t *columns, struct err *err)
{
    if (row->table != NB_LOGICAL_SWITCH_PORT) {
        return RC_OK;
    }
    unsigned column = ovsdb_column_index(table_of(row->table), "dhcpv4_options");
    const char *old = existing ? existing->values[column].text : NULL;
    struct target target = {0};
    enum rc rc = row->dhcpv4_options.owner
                     ? get_reference(diff, row, &row->dhcpv4_options, &target, err)
                     : RC_OK;
    if (rc != RC_OK || !(row->columns & 1u << column) ||
        (!target.is_new && !g_strcmp0(old, target.uuid))) {
        return rc;
    }
    json_object_set_new(columns, "dhcpv4_options",
                        target.uuid ? target_json(&target) : json_pack("[s,[]]", "set"));
    return RC_OK;
}

// The columns that differ from the existing row, or all that are not empty.
static enum rc
columns_json(const struct nb_diff *diff, const struct nb_row *row,
             const struct replica_row *existing, json_t *columns, struct err *err)
{
    static const struct ovsdb_value empty;
    const struct ovsdb_table *table = table_of(row->table);
    for (unsigned i = 0; table->columns[i].name; i++) {
        if (!(row->columns & 1u << i) || !strcmp(table->columns[i].name, "dhcpv4_options")) {
            continue;
        }
        const struct ovsdb_value *old = existing ? &existing->values[i] : &empty;
        if (!ovsdb_value_is_equal(old, &row->values[i])) {
            json_object_set_new(columns, table->columns[i].name,
                                ovsdb_value_to_json(&row->values[i], &table->columns[i]));
        }
    }
    return dhcp_json(diff, row, existing, columns, err);
}

static struct target *
insert_row(struct nb_diff *diff, const struct nb_row *row, json_t *columns)
{
    struct target *target = g_new0(struct target, 1);
    target->table = row->table;
    target->uuid = g_strdup_printf("row%u", diff->n_names++);
    target->is_new = true;
    g_hash_table_insert(diff->inserted, g_strdup_printf("%s#%s", row->owner, row->key), target);
    json_array_append_new(diff->body, json_pack("{s:s,s:s,s:s,s:O}", "op", "insert", "table",
                                                table_of(row->table)->name, "uuid-name",
                                                target->uuid, "row", columns));
    return target;
}

static void
update_row(struct nb_diff *diff, const struct replica_row *row, json_t *columns)
{
    const struct target target = {row->table, row->uuid, false};
    guard_content(diff, row);
    json_array_append_new(diff->body, json_pack("{s:s,s:s,s:o,s:O}", "op", "update", "table",
                                                table_of(row->table)->name, "where",
                                                where_uuid(&target), "row", columns));
}

// Rows of ours that name this one though the plan does not want it.
static bool
unlink_others(struct nb_diff *diff, const struct replica_row *row, GHashTable *wanted)
{
    GHashTable *referrers = replica_referrers(diff->replica, row->uuid);
    GHashTableIter iter;
    gpointer key;
    bool changed = false;
    if (!referrers) {
        return false;
    }
    g_hash_table_iter_init(&iter, referrers);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const struct replica_row *referrer = key;
        if (referrer->owner && !g_hash_table_contains(wanted, referrer->uuid)) {
            const struct target from = {referrer->table, referrer->uuid, false};
            mutate(diff, &from, child_column(referrer->table, row->table),
                   ovsdb_uuid_json(row->uuid), false);
            changed = true;
        }
    }
    return changed;
}

static enum rc
put_links(struct nb_diff *diff, const struct nb_row *row, const struct replica_row *existing,
          const struct target *self, bool *changed, struct err *err)
{
    g_autoptr(GHashTable) wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTable *referrers = existing ? replica_referrers(diff->replica, existing->uuid) : NULL;
    for (guint i = 0; i < row->links->len; i++) {
        struct target to;
        enum rc rc = get_reference(diff, row, row->links->pdata[i], &to, err);
        if (rc != RC_OK) {
            return rc;
        }
        const struct replica_row *there = to.is_new ? NULL : replica_find(diff->replica, to.uuid);
        g_hash_table_add(wanted, g_strdup(to.uuid));
        if (!there || !referrers || !g_hash_table_contains(referrers, there)) {
            mutate(diff, &to, child_column(to.table, row->table), target_json(self), true);
            *changed = true;
        }
    }
    if (existing && unlink_others(diff, existing, wanted)) {
        *changed = true;
    }
    return RC_OK;
}

static enum rc
put_row(struct nb_diff *diff, const struct nb_row *row, GHashTable *kept, bool *changed,
        struct err *err)
{
    const struct replica_row *existing = find_existing(diff, row);
    json_auto_t *columns = json_object();
    enum rc rc = columns_json(diff, row, existing, columns, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (!existing) {
        const struct target *self = insert_row(diff, row, columns);
        *changed = true;
        return put_links(diff, row, NULL, self, changed, err);
    }
    g_hash_table_add(kept, (gpointer)existing);
    if (json_object_size(columns)) {
        update_row(diff, existing, columns);
        *changed = true;
    }
    const struct target self = {existing->table, existing->uuid, false};
    return put_links(diff, row, existing, &self, changed, err);
}

static void
delete_root(struct nb_diff *diff, const struct replica_row *row)
{
    const struct target target = {row->table, row->uuid, false};
    g_hash_table_add(diff->deleted, g_strdup(row->uuid));
    json_array_append_new(diff->deletions,
                          json_pack("{s:s,s:s,s:o}", "op", "delete", "table",
                                    table_of(row->table)->name, "where", where_uuid(&target)));
}

// A row that is not root goes when the last row that names it lets go.
static void
release(struct nb_diff *diff, const struct replica_row *row)
{
    GHashTable *referrers = replica_referrers(diff->replica, row->uuid);
    GHashTableIter iter;
    gpointer key;
    if (!referrers) {
        return;
    }
    g_hash_table_iter_init(&iter, referrers);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const struct replica_row *referrer = key;
        const struct target from = {referrer->table, referrer->uuid, false};
        if (!g_hash_table_contains(diff->deleted, referrer->uuid)) {
            mutate(diff, &from, child_column(referrer->table, row->table),
                   ovsdb_uuid_json(row->uuid), false);
        }
    }
}

// Removes the owner's rows but those kept.
static bool
remove_rows(struct nb_diff *diff, const char *owner, GHashTable *kept)
{
    GHashTable *rows = replica_owner_rows(diff->replica, owner);
    bool changed = false;
    for (int pass = 0; rows && pass < 2; pass++) {
        GHashTableIter iter;
        gpointer key;
        g_hash_table_iter_init(&iter, rows);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
            const struct replica_row *row = key;
            bool is_root = table_of(row->table)->is_root;
            if (is_root != (pass == 0) || (kept && g_hash_table_contains(kept, row))) {
                continue;
            }
            (is_root ? delete_root : release)(diff, row);
            changed = true;
        }
    }
    return changed;
}

bool
nb_diff_remove(struct nb_diff *diff, const char *owner)
{
    return remove_rows(diff, owner, NULL);
}

static int64_t
revision_there(const struct nb_diff *diff, const char *owner)
{
    GHashTable *rows = replica_owner_rows(diff->replica, owner);
    GHashTableIter iter;
    gpointer key;
    int64_t revision = -1;
    if (rows) {
        g_hash_table_iter_init(&iter, rows);
    }
    while (rows && g_hash_table_iter_next(&iter, &key, NULL)) {
        const char *text =
            ovsdb_value_map_get(replica_value(diff->replica, key, "external_ids"), NB_REVISION_KEY);
        int64_t found;
        if (text && parse_int64(text, 0, INT64_MAX, &found)) {
            revision = MAX(revision, found);
        }
    }
    return revision;
}

// Rows of the object's plan and the main row's guard. Inserting the main row needs to be the only
// one who does.
static void
guard_object(struct nb_diff *diff, const struct nb_object *object)
{
    const struct nb_row *main_row = object->rows->len ? object->rows->pdata[0] : NULL;
    const struct replica_row *existing = main_row ? find_existing(diff, main_row) : NULL;
    if (existing) {
        guard_content(diff, existing);
    } else if (main_row && !table_of(main_row->table)->is_name_unique) {
        guard_absence(diff, main_row);
    }
}

enum rc
nb_diff_put(struct nb_diff *diff, const struct nb_object *object, bool force, bool *ret_changed,
            struct err *err)
{
    bool changed = false;
    if (!force && revision_there(diff, object->owner) > object->revision) {
        *ret_changed = false;
        return RC_OK;
    }
    // Parents come before their children in a plan, but for a port's own DHCP options.
    g_autoptr(GHashTable) kept = g_hash_table_new(NULL, NULL);
    for (guint pass = 0; pass < 2; pass++) {
        for (guint i = 0; i < object->rows->len; i++) {
            const struct nb_row *row = object->rows->pdata[i];
            if ((row->table == NB_DHCP_OPTIONS) != (pass == 0)) {
                continue;
            }
            enum rc rc = put_row(diff, row, kept, &changed, err);
            if (rc != RC_OK) {
                return rc;
            }
        }
    }
    changed = remove_rows(diff, object->owner, kept) || changed;
    if (changed) {
        guard_object(diff, object);
    }
    *ret_changed = changed;
    return RC_OK;
}

// --- the transaction ---

bool
nb_diff_is_empty(const struct nb_diff *diff)
{
    return !json_array_size(diff->body) && !json_array_size(diff->deletions) && !diff->order->len;
}

static json_t *
mutation_json(const struct mutation *mutation)
{
    json_t *mutations = json_array();
    if (json_array_size(mutation->remove)) {
        json_array_append_new(mutations, json_pack("[s,s,[s,O]]", mutation->column, "delete", "set",
                                                   mutation->remove));
    }
    if (json_array_size(mutation->insert)) {
        json_array_append_new(mutations, json_pack("[s,s,[s,O]]", mutation->column, "insert", "set",
                                                   mutation->insert));
    }
    return json_pack("{s:s,s:s,s:o,s:o}", "op", "mutate", "table",
                     table_of(mutation->row.table)->name, "where", where_uuid(&mutation->row),
                     "mutations", mutations);
}

json_t *
nb_diff_operations(const struct nb_diff *diff)
{
    json_t *operations = json_pack("[s]", nb_schema.database);
    json_array_extend(operations, diff->guards);
    json_array_extend(operations, diff->body);
    for (guint i = 0; i < diff->order->len; i++) {
        json_array_append_new(operations, mutation_json(diff->order->pdata[i]));
    }
    json_array_extend(operations, diff->deletions); // last: a mutation must still find its row
    return operations;
}

static enum rc
check_result(const json_t *operation, const json_t *result, struct err *err)
{
    const char *op = json_string_value(json_object_get(operation, "op"));
    const char *table = json_string_value(json_object_get(operation, "table"));
    const char *error = json_string_value(json_object_get(result, "error"));
    if (error) {
        const char *details = json_string_value(json_object_get(result, "details"));
        bool is_race = !strcmp(error, "timed out") || !strcmp(error, "constraint violation") ||
                       !strcmp(error, "referential integrity violation");
        return fault(err, is_race ? RC_CONFLICT : RC_INTERNAL,
                     "OVSDB refused %s in '%s': %.64s: %.200s", op ? op : "commit",
                     table ? table : "-", error, details ? details : "-");
    }
    bool counts = op && (!strcmp(op, "mutate") || !strcmp(op, "update"));
    if (counts && json_integer_value(json_object_get(result, "count")) != 1) {
        return fault(err, RC_CONFLICT, "OVSDB's %s in '%s' found no row", op, table);
    }
    return RC_OK;
}

enum rc
nb_diff_check(const json_t *operations, const json_t *results, struct err *err)
{
    size_t n_operations = json_array_size(operations) - 1; // the first is the database's name
    size_t n_results = json_array_size(results);
    // After a failed operation the rest is null; a failed commit has one result more.
    for (size_t i = 0; i < n_results; i++) {
        enum rc rc =
            check_result(json_array_get(operations, i + 1), json_array_get(results, i), err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    if (n_results < n_operations) {
        return fault(err, RC_BAD_GATEWAY, "OVSDB answered %zu of %zu operations", n_results,
                     n_operations);
    }
    return RC_OK;
}
