// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/api.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/util.h"

bool
request_is_admin(const struct request *request)
{
    const struct auth_context *auth = request_auth(request);
    return auth && (auth->is_admin || auth->is_service);
}

enum rc
query_int(struct request *request, const char *name, int64_t min, int64_t max, int64_t *ret_value,
          struct err *err)
{
    const char *text = request_query(request, name);
    if (text && !parse_int64(text, min, max, ret_value)) {
        return fault(err, RC_INVALID, "Invalid input for query parameters %s. Value: %.100s.", name,
                     text);
    }
    return RC_OK;
}

enum rc
page_from_request(struct request *request, struct page *ret_page, struct err *err)
{
    *ret_page = (struct page){.limit = MAX_LIMIT, .marker = request_query(request, "marker")};
    ret_page->is_limited = request_query(request, "limit") != NULL;
    enum rc rc = query_int(request, "limit", 0, INT32_MAX, &ret_page->limit, err);
    ret_page->limit = MIN(ret_page->limit, MAX_LIMIT);
    return rc;
}

// The same query with another marker, for the next page's link.
static void
append_next_url(struct request *request, GString *out, const char *last)
{
    g_autofree char *query = request_page_query(request, last);
    g_string_append_printf(out, "%s%s%s", request_base_url(request), request_url(request), query);
}

static void
reply_column(struct request *request, struct reply *reply, const char *name,
             const struct page *page, const db_result *rows, const char *column)
{
    GString *out = g_string_new(NULL);
    int64_t n = db_int(rows, 0, "n");
    g_string_append_printf(out, "{\"%s\":%s", name, db_text(rows, 0, column));
    if (n > 0 && n == page->limit) {
        g_autoptr(GString) url = g_string_new(NULL);
        append_next_url(request, url, db_text(rows, 0, "last"));
        json_auto_t *href = json_string(url->str);
        char *quoted = json_dumps(href, JSON_ENCODE_ANY);
        g_string_append_printf(out, ",\"%s_links\":[{\"rel\":\"next\",\"href\":%s}]", name, quoted);
        free(quoted);
    }
    g_string_append_c(out, '}');
    reply->text_size = out->len;
    reply->text = g_string_free(out, FALSE);
}

void
page_reply(struct request *request, struct reply *reply, const char *name, const struct page *page,
           const db_result *rows)
{
    reply_column(request, reply, name, page, rows, "items");
}

void
page_reply_first(struct request *request, struct reply *reply, const char *name,
                 const struct page *page, const db_result *rows)
{
    reply_column(request, reply, name, page, rows, "first");
}

void
item_reply(struct reply *reply, const char *envelope, const db_result *rows)
{
    const char *item = db_text(rows, 0, "item");
    reply->text = envelope ? g_strdup_printf("{\"%s\":%s}", envelope, item) : g_strdup(item);
}

enum rc
refuse_unknown_keys(json_t *object, const char *const *allowed, struct err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        const char *const *name = allowed;
        while (*name && strcmp(*name, key) != 0) {
            name++;
        }
        if (!*name) {
            return fault(err, RC_INVALID,
                         "Additional properties are not allowed ('%.100s' was unexpected)", key);
        }
    }
    return RC_OK;
}
