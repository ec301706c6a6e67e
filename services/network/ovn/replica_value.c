// SPDX-License-Identifier: Apache-2.0
// Values of OVSDB columns as text, and their JSON notation (RFC 7047 §5.1).
#include "services/network/ovn/replica.h"
#include <stdlib.h>
#include <string.h>

void
ovsdb_value_done(struct ovsdb_value *value)
{
    g_clear_pointer(&value->text, g_free);
    g_clear_pointer(&value->items, g_hash_table_unref);
}

void
ovsdb_value_add(struct ovsdb_value *value, const char *item, const char *map_value)
{
    if (!value->items) {
        value->items = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    }
    // A set's value is unused: GLib frees key and value apart, so they must not be the same
    // pointer.
    g_hash_table_replace(value->items, g_strdup(item), g_strdup(map_value));
}

static unsigned
n_items(const struct ovsdb_value *value)
{
    return value->items ? g_hash_table_size(value->items) : 0;
}

bool
ovsdb_value_is_equal(const struct ovsdb_value *a, const struct ovsdb_value *b)
{
    if (g_strcmp0(a->text, b->text) || n_items(a) != n_items(b)) {
        return false;
    }
    if (!n_items(a)) {
        return true;
    }
    GHashTableIter iter;
    gpointer item, text;
    g_hash_table_iter_init(&iter, a->items);
    while (g_hash_table_iter_next(&iter, &item, &text)) {
        gpointer other_item, other;
        if (!g_hash_table_lookup_extended(b->items, item, &other_item, &other) ||
            g_strcmp0(text, other)) {
            return false;
        }
    }
    return true;
}

const char *
ovsdb_value_map_get(const struct ovsdb_value *value, const char *key)
{
    return value->items ? g_hash_table_lookup(value->items, key) : NULL;
}

json_t *
ovsdb_uuid_json(const char *uuid)
{
    return json_pack("[s,s]", "uuid", uuid);
}

static json_t *
atom_to_json(const char *text, enum ovsdb_type type)
{
    switch (type) {
    case OVSDB_INTEGER:
        return json_integer(strtoll(text, NULL, 10));
    case OVSDB_BOOLEAN:
        return json_boolean(!strcmp(text, "true"));
    case OVSDB_UUID:
        return ovsdb_uuid_json(text);
    case OVSDB_STRING:
        break;
    }
    return json_string(text);
}

static json_t *
items_to_json(GHashTable *items, const struct ovsdb_column *column)
{
    json_t *array = json_array();
    g_autoptr(GList) keys = items ? g_hash_table_get_keys(items) : NULL;
    keys = g_list_sort(keys, (GCompareFunc)strcmp);
    for (const GList *at = keys; at; at = at->next) {
        if (column->shape == OVSDB_MAP) {
            const char *text = g_hash_table_lookup(items, at->data);
            json_array_append_new(array, json_pack("[s,s]", at->data, text ? text : ""));
        } else {
            json_array_append_new(array, atom_to_json(at->data, column->type));
        }
    }
    return array;
}

json_t *
ovsdb_value_to_json(const struct ovsdb_value *value, const struct ovsdb_column *column)
{
    if (column->shape == OVSDB_MAP) {
        return json_pack("[s,o]", "map", items_to_json(value->items, column));
    }
    if (column->shape == OVSDB_SET) {
        return json_pack("[s,o]", "set", items_to_json(value->items, column));
    }
    if (!value->text) {
        return json_pack("[s,[]]", "set");
    }
    return atom_to_json(value->text, column->type);
}

bool
ovsdb_column_find(const struct ovsdb_table *table, const char *name, unsigned *ret_index)
{
    for (unsigned i = 0; i < OVSDB_MAX_COLUMNS && table->columns[i].name; i++) {
        if (!strcmp(table->columns[i].name, name)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

unsigned
ovsdb_column_index(const struct ovsdb_table *table, const char *name)
{
    unsigned index = 0;
    bool found = ovsdb_column_find(table, name, &index);
    g_assert(found);
    return index;
}
