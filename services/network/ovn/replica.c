// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/replica.h"
#include <assert.h>
#include <string.h>

#define MAX_ROWS (4 * 1000 * 1000)

struct replica {
    const struct ovsdb_schema *schema;
    replica_fn on_change;
    void *context;
    uint64_t serial;
    GHashTable *rows;      // uuid → row, owned
    GHashTable *names;     // "table/name" → row
    GHashTable *keys;      // "owner#key" → row
    GHashTable *owners;    // owner → set of rows
    GHashTable *referrers; // uuid → set of rows
    GHashTable *touched;   // owner → serial of its last change, NULL: not tracked
};

static void
row_free(struct replica_row *row)
{
    for (unsigned i = 0; i < OVSDB_MAX_COLUMNS; i++) {
        ovsdb_value_done(&row->values[i]);
    }
    g_free(row);
}

struct replica *
replica_new(const struct ovsdb_schema *schema, replica_fn on_change, void *context)
{
    struct replica *replica = g_new0(struct replica, 1);
    replica->schema = schema;
    replica->on_change = on_change;
    replica->context = context;
    replica->rows = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)row_free);
    replica->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    replica->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GDestroyNotify unref = (GDestroyNotify)g_hash_table_unref;
    replica->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref);
    replica->referrers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref);
    return replica;
}

void
replica_free(struct replica *replica)
{
    if (!replica) {
        return;
    }
    g_hash_table_unref(replica->names);
    g_hash_table_unref(replica->keys);
    g_hash_table_unref(replica->owners);
    g_hash_table_unref(replica->referrers);
    g_hash_table_unref(replica->rows);
    g_clear_pointer(&replica->touched, g_hash_table_unref);
    g_free(replica);
}

void
replica_clear(struct replica *replica)
{
    replica->serial++;
    g_hash_table_remove_all(replica->names);
    g_hash_table_remove_all(replica->keys);
    g_hash_table_remove_all(replica->owners);
    g_hash_table_remove_all(replica->referrers);
    g_hash_table_remove_all(replica->rows);
}

json_t *
replica_monitor_requests(const struct ovsdb_schema *schema)
{
    json_t *requests = json_object();
    for (size_t t = 0; t < schema->n_tables; t++) {
        json_t *columns = json_array();
        for (const struct ovsdb_column *c = schema->tables[t].columns; c->name; c++) {
            json_array_append_new(columns, json_string(c->name));
        }
        json_object_set_new(requests, schema->tables[t].name,
                            json_pack("[{s:o}]", "columns", columns));
    }
    return requests;
}

// --- indices ---

static void
index_add(GHashTable *index, const char *key, struct replica_row *row)
{
    GHashTable *set = g_hash_table_lookup(index, key);
    if (!set) {
        set = g_hash_table_new(NULL, NULL);
        g_hash_table_insert(index, g_strdup(key), set);
    }
    g_hash_table_add(set, row);
}

static void
index_remove(GHashTable *index, const char *key, struct replica_row *row)
{
    GHashTable *set = g_hash_table_lookup(index, key);
    if (set && g_hash_table_remove(set, row) && !g_hash_table_size(set)) {
        g_hash_table_remove(index, key);
    }
}

static const char *
row_name(const struct replica *replica, const struct replica_row *row)
{
    unsigned column;
    bool named = ovsdb_column_find(&replica->schema->tables[row->table], "name", &column);
    return named ? row->values[column].text : NULL;
}

static char *
name_index_key(unsigned table, const char *name)
{
    return g_strdup_printf("%u/%s", table, name);
}

static void
remove_if_same(GHashTable *index, const char *key, const struct replica_row *row)
{
    if (g_hash_table_lookup(index, key) == row) {
        g_hash_table_remove(index, key);
    }
}

static void
touch(struct replica *replica, const char *owner)
{
    if (replica->touched && owner) {
        uint64_t *serial = g_new(uint64_t, 1);
        *serial = replica->serial;
        g_hash_table_replace(replica->touched, g_strdup(owner), serial);
    }
}

// Takes the row out of the indices of its texts (not of its references), while its values are still
// the old ones.
static void
unindex(struct replica *replica, struct replica_row *row)
{
    const char *name = row_name(replica, row);
    if (name) {
        g_autofree char *key = name_index_key(row->table, name);
        remove_if_same(replica->names, key, row);
    }
    if (row->owner) {
        g_autofree char *key = g_strdup_printf("%s#%s", row->owner, row->key);
        remove_if_same(replica->keys, key, row);
        index_remove(replica->owners, row->owner, row);
    }
    row->owner = row->key = NULL;
}

static void
index_owner(struct replica *replica, struct replica_row *row)
{
    const struct ovsdb_schema *schema = replica->schema;
    unsigned column;
    if (!schema->owner_key ||
        !ovsdb_column_find(&schema->tables[row->table], "external_ids", &column)) {
        return;
    }
    row->owner = ovsdb_value_map_get(&row->values[column], schema->owner_key);
    row->key = ovsdb_value_map_get(&row->values[column], schema->key_key);
    if (!row->owner || !row->key) {
        row->owner = row->key = NULL;
        return;
    }
    g_hash_table_replace(replica->keys, g_strdup_printf("%s#%s", row->owner, row->key), row);
    index_add(replica->owners, row->owner, row);
}

static void
index_row(struct replica *replica, struct replica_row *row)
{
    row->serial = replica->serial;
    const char *name = row_name(replica, row);
    if (name) {
        g_hash_table_replace(replica->names, name_index_key(row->table, name), row);
    }
    index_owner(replica, row);
}

// --- decoding ---

// <atom> to text; NULL when it is not of the type. The buffer holds numbers.
static const char *
atom_text(const json_t *json, enum ovsdb_type type, char buffer[24])
{
    switch (type) {
    case OVSDB_STRING:
        return json_string_value(json);
    case OVSDB_BOOLEAN:
        return json_is_boolean(json) ? (json_is_true(json) ? "true" : "false") : NULL;
    case OVSDB_INTEGER:
        if (!json_is_integer(json)) {
            return NULL;
        }
        g_snprintf(buffer, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        return buffer;
    case OVSDB_UUID: {
        const char *tag = json_string_value(json_array_get(json, 0));
        const char *uuid = json_string_value(json_array_get(json, 1));
        bool good =
            tag && !strcmp(tag, "uuid") && uuid && strlen(uuid) == UUID_LEN && uuid_is_valid(uuid);
        return good ? uuid : NULL;
    }
    }
    return NULL;
}

// ["set", […]] or ["map", […]]; NULL when it is neither of that tag.
static const json_t *
tagged(const json_t *json, const char *tag)
{
    const char *found =
        json_array_size(json) == 2 ? json_string_value(json_array_get(json, 0)) : NULL;
    const json_t *items = json_array_get(json, 1);
    return found && !strcmp(found, tag) && json_is_array(items) ? items : NULL;
}

struct column_at {
    struct replica *replica;
    struct replica_row *row;
    const struct ovsdb_column *column;
    struct ovsdb_value *value;
};

// One element of a set: in a difference an element that is there goes, one that is not comes. A
// value is a difference from nothing.
static bool
toggle_set_item(const struct column_at *at, const json_t *json)
{
    char buffer[24];
    const char *text = atom_text(json, at->column->type, buffer);
    if (!text) {
        return false;
    }
    bool there = at->value->items && g_hash_table_contains(at->value->items, text);
    if (there) {
        g_hash_table_remove(at->value->items, text);
    } else {
        ovsdb_value_add(at->value, text, NULL);
    }
    if (at->column->type == OVSDB_UUID) {
        (there ? index_remove : index_add)(at->replica->referrers, text, at->row);
    }
    return true;
}

static bool
update_set(const struct column_at *at, const json_t *json)
{
    const json_t *items = tagged(json, "set");
    if (!items) {
        return toggle_set_item(at, json);
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        if (!toggle_set_item(at, json_array_get(items, i))) {
            return false;
        }
    }
    return true;
}

static bool
update_map(const struct column_at *at, const json_t *json)
{
    const json_t *items = tagged(json, "map");
    for (size_t i = 0; items && i < json_array_size(items); i++) {
        const json_t *pair = json_array_get(items, i);
        const char *key = json_string_value(json_array_get(pair, 0));
        const char *text = json_string_value(json_array_get(pair, 1));
        if (!key || !text) {
            return false;
        }
        const char *old = ovsdb_value_map_get(at->value, key);
        if (old && !strcmp(old, text)) {
            g_hash_table_remove(at->value->items, key);
        } else {
            ovsdb_value_add(at->value, key, text);
        }
    }
    return items != NULL;
}

static bool
update_atom(const struct column_at *at, const json_t *json)
{
    const json_t *items = at->column->shape == OVSDB_OPTIONAL ? tagged(json, "set") : NULL;
    if (items && !json_array_size(items)) {
        g_clear_pointer(&at->value->text, g_free);
        return true;
    }
    char buffer[24];
    const char *text = atom_text(items ? json_array_get(items, 0) : json, at->column->type, buffer);
    if (text) {
        g_free(at->value->text);
        at->value->text = g_strdup(text);
    }
    return text != NULL;
}

static enum rc
update_columns(struct replica *replica, struct replica_row *row, const json_t *json,
               struct err *err)
{
    const struct ovsdb_table *table = &replica->schema->tables[row->table];
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)json, name, value)
    {
        unsigned i;
        if (!ovsdb_column_find(table, name, &i)) {
            return fault(err, RC_BAD_GATEWAY, "table '%s' has no monitored column '%.64s'",
                         table->name, name);
        }
        const struct ovsdb_column *column = &table->columns[i];
        const struct column_at at = {replica, row, column, &row->values[i]};
        bool good = column->shape == OVSDB_MAP   ? update_map(&at, value)
                    : column->shape == OVSDB_SET ? update_set(&at, value)
                                                 : update_atom(&at, value);
        if (!good) {
            return fault(err, RC_BAD_GATEWAY, "malformed value in column '%s' of table '%s'", name,
                         table->name);
        }
    }
    return RC_OK;
}

static void
set_defaults(const struct replica *replica, struct replica_row *row)
{
    static const char *const defaults[] = {
        [OVSDB_STRING] = "",
        [OVSDB_INTEGER] = "0",
        [OVSDB_BOOLEAN] = "false",
        [OVSDB_UUID] = "00000000-0000-0000-0000-000000000000",
    };
    const struct ovsdb_column *columns = replica->schema->tables[row->table].columns;
    for (unsigned i = 0; columns[i].name; i++) {
        if (columns[i].shape == OVSDB_ONE) {
            row->values[i].text = g_strdup(defaults[columns[i].type]);
        }
    }
}

static void
drop_references(struct replica *replica, struct replica_row *row)
{
    const struct ovsdb_column *columns = replica->schema->tables[row->table].columns;
    for (unsigned i = 0; columns[i].name; i++) {
        if (columns[i].shape != OVSDB_SET || columns[i].type != OVSDB_UUID ||
            !row->values[i].items) {
            continue;
        }
        GHashTableIter iter;
        gpointer uuid;
        g_hash_table_iter_init(&iter, row->values[i].items);
        while (g_hash_table_iter_next(&iter, &uuid, NULL)) {
            index_remove(replica->referrers, uuid, row);
        }
    }
}

static void
notify(const struct replica *replica, const struct replica_row *row, enum replica_change change)
{
    if (replica->on_change) {
        replica->on_change(replica->context, row, change);
    }
}

static enum rc
insert_row(struct replica *replica, unsigned table, const char *uuid, const json_t *json,
           struct err *err)
{
    if (g_hash_table_contains(replica->rows, uuid) ||
        g_hash_table_size(replica->rows) >= MAX_ROWS) {
        return fault(err, RC_BAD_GATEWAY, "unexpected row '%s'", uuid);
    }
    struct replica_row *row = g_new0(struct replica_row, 1);
    row->table = table;
    g_strlcpy(row->uuid, uuid, sizeof row->uuid);
    set_defaults(replica, row);
    g_hash_table_insert(replica->rows, row->uuid, row);
    enum rc rc = update_columns(replica, row, json, err);
    if (rc == RC_OK) {
        index_row(replica, row);
        touch(replica, row->owner);
        notify(replica, row, REPLICA_INSERTED);
    }
    return rc;
}

static enum rc
change_row(struct replica *replica, struct replica_row *row, const json_t *json, struct err *err)
{
    // What northd reports and what other objects link is no change of the object.
    bool is_touched = json_object_get(json, "external_ids");
    if (is_touched) {
        touch(replica, row->owner);
    }
    unindex(replica, row);
    enum rc rc = update_columns(replica, row, json, err);
    if (rc == RC_OK) {
        index_row(replica, row);
        if (is_touched) {
            touch(replica, row->owner);
        }
        notify(replica, row, REPLICA_CHANGED);
    }
    return rc;
}

static void
delete_row(struct replica *replica, struct replica_row *row)
{
    notify(replica, row, REPLICA_DELETED);
    touch(replica, row->owner);
    unindex(replica, row);
    drop_references(replica, row);
    g_hash_table_remove(replica->rows, row->uuid);
}

static enum rc
update_row(struct replica *replica, unsigned table, const char *uuid, const json_t *update,
           struct err *err)
{
    if (strlen(uuid) != UUID_LEN || !uuid_is_valid(uuid) || json_object_size(update) != 1) {
        return fault(err, RC_BAD_GATEWAY, "malformed update of row '%.64s'", uuid);
    }
    const json_t *fresh = json_object_get(update, "initial");
    fresh = fresh ? fresh : json_object_get(update, "insert");
    if (json_is_object(fresh)) {
        return insert_row(replica, table, uuid, fresh, err);
    }
    struct replica_row *row = g_hash_table_lookup(replica->rows, uuid);
    if (!row || row->table != table) {
        return fault(err, RC_BAD_GATEWAY, "update of row '%s', which is not there", uuid);
    }
    const json_t *modify = json_object_get(update, "modify");
    if (json_is_object(modify)) {
        return change_row(replica, row, modify, err);
    }
    if (json_object_get(update, "delete")) {
        delete_row(replica, row);
        return RC_OK;
    }
    return fault(err, RC_BAD_GATEWAY, "malformed update of row '%s'", uuid);
}

static enum rc
update_table(struct replica *replica, const char *name, const json_t *rows, struct err *err)
{
    const struct ovsdb_schema *schema = replica->schema;
    unsigned t = 0;
    while (t < schema->n_tables && strcmp(schema->tables[t].name, name)) {
        t++;
    }
    if (t == schema->n_tables || !json_is_object(rows)) {
        return fault(err, RC_BAD_GATEWAY, "malformed update of table '%.64s'", name);
    }
    enum rc rc = RC_OK;
    const char *uuid;
    json_t *update;
    json_object_foreach((json_t *)rows, uuid, update)
    {
        rc = rc == RC_OK ? update_row(replica, t, uuid, update, err) : rc;
    }
    return rc;
}

enum rc
replica_update(struct replica *replica, const json_t *updates, struct err *err)
{
    if (!json_is_object(updates)) {
        return fault(err, RC_BAD_GATEWAY, "updates are not an object");
    }
    replica->serial++;
    enum rc rc = RC_OK;
    const char *name;
    json_t *rows;
    json_object_foreach((json_t *)updates, name, rows)
    {
        rc = rc == RC_OK ? update_table(replica, name, rows, err) : rc;
    }
    return rc;
}

// --- looking up ---

const struct ovsdb_schema *
replica_schema(const struct replica *replica)
{
    return replica->schema;
}

uint64_t
replica_serial(const struct replica *replica)
{
    return replica->serial;
}

const struct replica_row *
replica_find(const struct replica *replica, const char *uuid)
{
    return g_hash_table_lookup(replica->rows, uuid);
}

const struct replica_row *
replica_find_name(const struct replica *replica, unsigned table, const char *name)
{
    g_autofree char *key = name_index_key(table, name);
    return g_hash_table_lookup(replica->names, key);
}

const struct replica_row *
replica_find_key(const struct replica *replica, const char *owner, const char *key)
{
    g_autofree char *handle = g_strdup_printf("%s#%s", owner, key);
    return g_hash_table_lookup(replica->keys, handle);
}

GHashTable *
replica_owner_rows(const struct replica *replica, const char *owner)
{
    return g_hash_table_lookup(replica->owners, owner);
}

GHashTable *
replica_referrers(const struct replica *replica, const char *uuid)
{
    return g_hash_table_lookup(replica->referrers, uuid);
}

GHashTable *
replica_owners(const struct replica *replica)
{
    return replica->owners;
}

GHashTable *
replica_rows(const struct replica *replica)
{
    return replica->rows;
}

const struct ovsdb_value *
replica_value(const struct replica *replica, const struct replica_row *row, const char *column)
{
    return &row->values[ovsdb_column_index(&replica->schema->tables[row->table], column)];
}

void
replica_track_owners(struct replica *replica, bool on)
{
    g_clear_pointer(&replica->touched, g_hash_table_unref);
    if (on) {
        replica->touched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    }
}

bool
replica_owner_changed_since(const struct replica *replica, const char *owner, uint64_t serial)
{
    const uint64_t *last = replica->touched ? g_hash_table_lookup(replica->touched, owner) : NULL;
    return last && *last > serial;
}
