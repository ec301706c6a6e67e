// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/nb_plan.h"
#include <string.h>

static const char *const kind_names[N_NB_KINDS] = {
    [NB_NETWORK] = "network",
    [NB_SUBNET] = "subnet",
    [NB_PORT] = "port",
    [NB_ROUTER] = "router",
    [NB_FLOATINGIP] = "floatingip",
    [NB_SECURITY_GROUP] = "security_group",
};

const char *
nb_kind_name(enum nb_kind kind)
{
    return kind_names[kind];
}

char *
nb_owner(enum nb_kind kind, const char *id)
{
    return g_strdup_printf("%s/%s", kind_names[kind], id);
}

static void
ref_free(struct nb_ref *ref)
{
    g_free(ref->owner);
    g_free(ref->key);
    g_free(ref);
}

static void
row_free(struct nb_row *row)
{
    for (unsigned i = 0; i < OVSDB_MAX_COLUMNS; i++) {
        ovsdb_value_done(&row->values[i]);
    }
    g_free(row->dhcpv4_options.owner);
    g_free(row->dhcpv4_options.key);
    g_ptr_array_unref(row->links);
    g_free(row->key);
    g_free(row);
}

void
nb_object_free(struct nb_object *object)
{
    if (object) {
        g_ptr_array_unref(object->rows);
        g_free(object->owner);
        g_free(object);
    }
}

struct nb_object *
nb_object_new(const char *owner, int64_t revision)
{
    struct nb_object *object = g_new0(struct nb_object, 1);
    object->owner = g_strdup(owner);
    object->revision = revision;
    object->rows = g_ptr_array_new_with_free_func((GDestroyNotify)row_free);
    return object;
}

struct nb_row *
nb_row_add(struct nb_object *object, enum nb_table table, const char *key)
{
    struct nb_row *row = g_new0(struct nb_row, 1);
    row->table = table;
    row->owner = object->owner;
    row->key = g_strdup(key);
    row->links = g_ptr_array_new_with_free_func((GDestroyNotify)ref_free);
    nb_row_map(row, "external_ids", NB_OWNER_KEY, object->owner);
    nb_row_map(row, "external_ids", NB_KEY_KEY, key);
    if (!object->rows->len) {
        g_autofree char *revision = g_strdup_printf("%" G_GINT64_FORMAT, object->revision);
        nb_row_map(row, "external_ids", NB_REVISION_KEY, revision);
    }
    g_ptr_array_add(object->rows, row);
    return row;
}

static struct ovsdb_value *
own(struct nb_row *row, const char *column)
{
    unsigned index = ovsdb_column_index(&nb_schema.tables[row->table], column);
    row->columns |= 1u << index;
    return &row->values[index];
}

void
nb_row_text(struct nb_row *row, const char *column, const char *text)
{
    struct ovsdb_value *value = own(row, column);
    g_free(value->text);
    value->text = g_strdup(text);
}

void
nb_row_int(struct nb_row *row, const char *column, int64_t number)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);
    nb_row_text(row, column, text);
}

void
nb_row_item(struct nb_row *row, const char *column, const char *item)
{
    ovsdb_value_add(own(row, column), item, NULL);
}

void
nb_row_map(struct nb_row *row, const char *column, const char *key, const char *text)
{
    ovsdb_value_add(own(row, column), key, text ? text : "");
}

void
nb_row_empty(struct nb_row *row, const char *column)
{
    own(row, column);
}

void
nb_row_link(struct nb_row *row, const char *owner, const char *key)
{
    struct nb_ref *ref = g_new0(struct nb_ref, 1);
    ref->owner = g_strdup(owner);
    ref->key = g_strdup(key);
    g_ptr_array_add(row->links, ref);
}
