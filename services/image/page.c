// SPDX-License-Identifier: Apache-2.0
#include "services/image/page.h"

static void
append_member(GString *members, const char *name, const char *path, const char *query)
{
    g_autofree char *link = g_strconcat(path, query, NULL);
    json_auto_t *value = json_string(link);
    g_autofree char *text = json_dumps(value, JSON_ENCODE_ANY);
    g_string_append_printf(members, "%s\"%s\": %s", members->len ? ", " : "", name, text);
}

char *
page_links(const struct request *request, const char *path, const char *marker)
{
    g_autoptr(GString) members = g_string_new(NULL);
    g_autofree char *first = request_page_query(request, NULL);
    append_member(members, "first", path, first);
    if (marker) {
        g_autofree char *next = request_page_query(request, marker);
        append_member(members, "next", path, next);
    }
    return g_string_free(g_steal_pointer(&members), FALSE);
}
