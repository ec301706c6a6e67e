// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/ovn_internal.h"
#include <string.h>

void
chassis_list_free(struct chassis_list *list)
{
    if (list) {
        g_strfreev(list->gateways);
        g_strfreev(list->hosts);
        g_free(list);
    }
}

static bool
has_gateway_option(const char *options)
{
    g_auto(GStrv) words = g_strsplit(options ? options : "", ",", 32);
    for (char **word = words; *word; word++) {
        if (!strcmp(g_strstrip(*word), "enable-chassis-as-gw")) {
            return true;
        }
    }
    return false;
}

// ovn-controller copies the setting to other_config, older ones to external_ids.
static bool
is_gateway(const struct replica *replica, const struct replica_row *row)
{
    return has_gateway_option(ovsdb_value_map_get(replica_value(replica, row, "other_config"),
                                                  "ovn-cms-options")) ||
           has_gateway_option(
               ovsdb_value_map_get(replica_value(replica, row, "external_ids"), "ovn-cms-options"));
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **
sorted(GPtrArray *names)
{
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

struct chassis_list *
chassis_list_read(const struct replica *replica)
{
    struct chassis_list *list = g_new0(struct chassis_list, 1);
    GPtrArray *all = g_ptr_array_new(), *gateways = g_ptr_array_new(), *hosts = g_ptr_array_new();
    GHashTableIter iter;
    gpointer row;
    g_hash_table_iter_init(&iter, replica_rows(replica));
    while (g_hash_table_iter_next(&iter, NULL, &row)) {
        const char *name = replica_value(replica, row, "name")->text;
        g_ptr_array_add(hosts, g_strdup(name));
        g_ptr_array_add(hosts, g_strdup(replica_value(replica, row, "hostname")->text));
        g_ptr_array_add(is_gateway(replica, row) ? gateways : all, g_strdup(name));
    }
    list->hosts = sorted(hosts);
    char **others = sorted(all);
    if (gateways->len) {
        g_strfreev(others);
        list->gateways = sorted(gateways);
    } else {
        g_ptr_array_unref(gateways);
        list->gateways = others;
    }
    return list;
}

char **
chassis_list_gateways(const struct chassis_list *list, char **configured)
{
    static char *none[] = {NULL};
    return g_strdupv(configured ? configured : list ? list->gateways : none);
}
