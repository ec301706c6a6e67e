// SPDX-License-Identifier: Apache-2.0
#include "services/image/page.h"

#include <string.h>

char *
page_link(const struct request *request, const char *path, const char *marker)
{
    g_autoptr(GString) link = g_string_new(path);
    const char *name, *value;
    char separator = '?';
    for (unsigned i = 0; request_query_at(request, i, &name, &value); i++) {
        if (strcmp(name, "marker")) {
            g_autofree char *escaped_name = g_uri_escape_string(name, NULL, FALSE);
            g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
            g_string_append_printf(link, "%c%s=%s", separator, escaped_name, escaped);
            separator = '&';
        }
    }
    if (marker) {
        g_autofree char *escaped = g_uri_escape_string(marker, NULL, FALSE);
        g_string_append_printf(link, "%cmarker=%s", separator, escaped);
    }
    return g_string_free(g_steal_pointer(&link), FALSE);
}

static void
append_member(GString *members, const char *name, const char *link)
{
    json_auto_t *value = json_string(link);
    g_autofree char *text = json_dumps(value, JSON_ENCODE_ANY);
    g_string_append_printf(members, "%s\"%s\": %s", members->len ? ", " : "", name, text);
}

char *
page_links(const struct request *request, const char *path, const char *marker)
{
    g_autoptr(GString) members = g_string_new(NULL);
    g_autofree char *first = page_link(request, path, NULL);
    append_member(members, "first", first);
    if (marker) {
        g_autofree char *next = page_link(request, path, marker);
        append_member(members, "next", next);
    }
    return g_string_free(g_steal_pointer(&members), FALSE);
}
