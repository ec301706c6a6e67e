// SPDX-License-Identifier: Apache-2.0
// Query strings of lists: whatever is asked becomes a statement or an error that says what is
// wrong. The database is never reached: its address is nobody's.
#include "common/http/internal.h"
#include "common/resource/resource.h"
#include "services/identity/identity.h"
#include "services/image/api.h"
#include "services/image/image.h"
#include "tests/fuzz/member.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// "a=b&c=d" with percent escapes, as the HTTP server would hand it over.
static GPtrArray *
pairs_of(char *text)
{
    GPtrArray *pairs = g_ptr_array_new();
    for (char *save = NULL, *part = strtok_r(text, "&", &save); part;
         part = strtok_r(NULL, "&", &save)) {
        char *value = strchr(part, '=');
        if (value) {
            *value++ = 0;
            MHD_http_unescape(value);
        }
        MHD_http_unescape(part);
        g_ptr_array_add(pairs, part);
        g_ptr_array_add(pairs, value ? value : (char *)"");
    }
    return pairs;
}

static void
ask(const struct route *route, const struct http_server *server, const char *text)
{
    g_autofree char *copy = g_strdup(text);
    struct request request = {.server = (struct http_server *)server,
                              .route = route,
                              .method = "GET",
                              .url = (char *)route->path,
                              .base_url = (char *)"http://here",
                              .query = pairs_of(copy),
                              .auth = (struct auth_context *)fuzz_member(),
                              .texts = g_ptr_array_new_with_free_func(g_free)};
    struct err err = {0};
    reply_init(&request.reply);
    enum rc rc = route->handle(&request, &request.reply, &err);
    g_assert(rc != RC_OK && rc != RC_INTERNAL && err.message[0]);
    reply_clear(&request.reply);
    g_ptr_array_unref(request.query);
    g_ptr_array_unref(request.texts);
}

static const struct route *
find_list(const struct route *routes, const char *path)
{
    while (routes->method && (strcmp(routes->path, path) || strcmp(routes->method, "GET"))) {
        routes++;
    }
    g_assert(routes->method);
    return routes;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_server server;
    if (!server.config.db) {
        static const struct policy_rule rules[] = {{"identity:list_projects", "", NULL},
                                                   {"identity:list_users", "", NULL},
                                                   {"get_images", "", NULL},
                                                   {0}};
        struct err err = {0};
        enum rc rc = policy_new(rules, NULL, &server.config.policy, &err);
        g_assert(rc == RC_OK);
        server.config.db = db_pool_new("host=/nonexistent dbname=none", "none");
    }
    g_autofree char *text = g_strndup((const char *)data, size);
    ask(find_list(tenancy_routes, "/v3/projects"), &server, text);
    ask(find_list(user_routes, "/v3/users"), &server, text);
    static const struct route images = {
        .method = "GET", .path = "/v2/images", .handle = images_list};
    ask(&images, &server, text);
    return 0;
}
