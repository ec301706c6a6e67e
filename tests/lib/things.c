// SPDX-License-Identifier: Apache-2.0
// A program made of common/ alone, with one resource and rows of every kind, for
// tests/service/test_common_*.py.
#include "common/resource/resource.h"
#include "common/service/service.h"

#include <string.h>

static const char *const colours[] = {"red", "green", NULL};
static const struct attribute thing_attributes[] = {
    // clang-format off
    {"name",            ATTR_TEXT, ATTR_RW | ATTR_FS, .default_json = "\"\""},
    {"router:external", ATTR_BOOL, ATTR_RW | ATTR_FS, .column = "external", .default_json = "false"},
    {"size",            ATTR_INT,  ATTR_RW | ATTR_FS | ATTR_NULLABLE, .min = 1, .max = 100},
    {"colour",          ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_NULLABLE, .values = colours},
    {"secret",          ATTR_TEXT, ATTR_RW | ATTR_HIDDEN},
    {"owner_id",        ATTR_UUID, ATTR_CREATE | ATTR_REQUIRED | ATTR_FS},
    {"tags",            ATTR_ARRAY, ATTR_RW, .max = 3, .default_json = "[]"},
    {0},
    // clang-format on
};

static const struct resource thing = {
    .singular = "thing",
    .plural = "things",
    .path = "/v1/things",
    .table = "thing",
    .not_found_type = "ThingNotFound",
    .not_found_format = "Thing %s could not be found.",
    .style = RESOURCE_PUT | RESOURCE_PAGE_LINKS | RESOURCE_BULK | RESOURCE_TENANT |
             RESOURCE_REVISION | RESOURCE_COMPARISONS,
    .attributes = thing_attributes,
};

struct echo {
    const char *name;
    int64_t count;
    bool flag;
};
static const struct field echo_fields[] = {
    FIELD(struct echo, name, "name", FIELD_TEXT, FIELD_REQUIRED, 1, 10),
    FIELD(struct echo, count, "count", FIELD_INT, FIELD_LAX, 0, 9),
    FIELD(struct echo, flag, "flag", FIELD_BOOL, 0),
};
static const struct body_spec echo_body = {"echo", echo_fields, G_N_ELEMENTS(echo_fields),
                                           sizeof(struct echo), BODY_REFUSE_UNKNOWN};

static enum rc
echo(struct request *request, struct reply *reply, struct err *err)
{
    const struct echo *body = request_body(request);
    reply->json = json_pack("{s:s, s:I, s:b}", "name", body->name, "count", (json_int_t)body->count,
                            "flag", body->flag);
    return RC_OK;
}

static enum rc
sleep_a_while(struct request *request, struct reply *reply, struct err *err)
{
    g_usleep(200000);
    reply->json = json_pack("{s:s}", "slept", "well");
    return RC_OK;
}

// A stream that takes at most 100,000 bytes a time, every other time nothing, and is resumed by
// another thread.
struct count {
    struct request *request;
    size_t size;
    unsigned n_calls;
};

static gpointer
resume_later(gpointer request)
{
    g_usleep(1000);
    http_stream_resume(request);
    return NULL;
}

static enum rc
count_begin(struct request *request, void **ret_state, struct err *err)
{
    if (request_query(request, "refuse")) {
        return fault(err, RC_CONFLICT, "refused before the body");
    }
    struct count *count = g_new0(struct count, 1);
    count->request = request;
    *ret_state = count;
    return RC_OK;
}

static enum rc
count_chunk(void *state, const void *data, size_t size, size_t *ret_taken, struct err *err)
{
    struct count *count = state;
    if (count->n_calls++ % 2) {
        g_thread_unref(g_thread_new("resume", resume_later, count->request));
        *ret_taken = 0;
        return RC_OK;
    }
    *ret_taken = MIN(size, 100000);
    count->size += *ret_taken;
    return RC_OK;
}

static enum rc
count_end(void *state, struct request *request, struct reply *reply, struct err *err)
{
    struct count *count = state;
    reply->json = json_pack("{s:I}", "size", (json_int_t)count->size);
    g_free(count);
    return RC_OK;
}

static const struct stream_ops count_stream = {count_begin, count_chunk, count_end, g_free};

#define THING(method_, path_, handle_, status_)                                                 \
    {                                                                                           \
        .method = method_, .path = path_, .handle = handle_, .status = status_, .data = &thing, \
        .flags = ROUTE_PUBLIC, .summary = "things"                                              \
    }
static const struct route rows[] = {
    THING("GET", "/v1/things", resource_list, 200),
    THING("POST", "/v1/things", resource_create, 201),
    THING("GET", "/v1/things/{id}", resource_show, 200),
    THING("PUT", "/v1/things/{id}", resource_update, 200),
    THING("DELETE", "/v1/things/{id}", resource_delete, 204),
    {.method = "POST",
     .path = "/echo",
     .handle = echo,
     .body = &echo_body,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "decoded body"},
    {.method = "GET",
     .path = "/slow",
     .handle = sleep_a_while,
     .flags = ROUTE_PUBLIC | ROUTE_SLOW,
     .summary = "slow row"},
    {.method = "PUT",
     .path = "/count",
     .stream = &count_stream,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "streamed body"},
    {0},
};
static const struct route *const tables[] = {rows, NULL};

static const struct migration migrations[] = {
    {1, "0001_thing",
     "CREATE TABLE thing (id uuid PRIMARY KEY, project_id text NOT NULL, name text NOT NULL, "
     "external bool NOT NULL, size int, colour text,"
     " secret text, owner_id uuid NOT NULL, tags jsonb, revision_number bigint NOT NULL DEFAULT 1,"
     " created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT "
     "now())"},
    {0},
};

int
main(int argc, char **argv)
{
    static const struct service_def def = {.name = "things",
                                           .parts = SERVICE_DB | SERVICE_HTTP,
                                           .default_port = 7777,
                                           .routes = tables,
                                           .migrations = migrations};
    return service_main(&def, argc, argv);
}
