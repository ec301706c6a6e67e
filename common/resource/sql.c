// SPDX-License-Identifier: Apache-2.0
#include "common/resource/internal.h"

#include "common/base/util.h"

#include <string.h>

const struct resource *
resource_of(const struct request *request)
{
    return request_route(request)->data;
}

const char *
resource_id_type(const struct resource *resource)
{
    return resource->style & RESOURCE_HEX_ID ? "text" : "uuid";
}

bool
resource_id_is_valid(const struct resource *resource, const char *id)
{
    return resource->style & RESOURCE_HEX_ID ? text_is_clean(id, 255) : uuid_is_valid(id);
}

const struct attribute *
resource_attribute(const struct resource *resource, const char *name)
{
    for (const struct attribute *attribute = resource->attributes; attribute->name; attribute++) {
        if (strcmp(attribute->name, name) == 0) {
            return attribute;
        }
    }
    return NULL;
}

const char *
attribute_column(const struct attribute *attribute)
{
    return attribute->column ? attribute->column : attribute->name;
}

bool
requester_sees_all(const struct request *request)
{
    const struct auth_context *auth = request_auth(request);
    return auth && (auth->is_admin || auth->is_service);
}

bool
requester_reads_all(const struct request *request, const struct resource *resource)
{
    const struct auth_context *auth = request_auth(request);
    return requester_sees_all(request) || ((resource->style & RESOURCE_LINKS) && auth &&
                                           auth->is_system && auth_has_role(auth, "reader"));
}

enum rc
resource_allow_list(const struct request *request, const char *policy, struct err *err)
{
    const struct auth_context *auth = request_auth(request);
    json_auto_t *target = auth && auth->domain_id[0]
                              ? json_pack("{s:{s:s}}", "target", "domain_id", auth->domain_id)
                              : NULL;
    return request_allow(request, policy, target, err);
}

enum rc
resource_not_found(const struct resource *resource, const char *id, struct err *err)
{
    const char *type = resource->not_found_type ? resource->not_found_type : "";
    // The format is the resource's own constant with one %s: it is split, not interpreted.
    const char *format =
        resource->not_found_format ? resource->not_found_format : "Could not find the resource %s.";
    const char *hole = strstr(format, "%s");
    return fault_typed(err, RC_NOT_FOUND, type, "%.*s%.100s%s", (int)(hole - format), format, id,
                       hole + 2);
}

// What every resource of the style has beside its own attributes.
static const struct {
    unsigned style;
    const char *name, *expression;
} implied[] = {
    {RESOURCE_TENANT, "project_id", "r.project_id"},
    {RESOURCE_TENANT, "tenant_id", "r.project_id"},
    {RESOURCE_REVISION, "created_at", "to_char(r.created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"},
    {RESOURCE_REVISION, "updated_at", "to_char(r.updated_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"},
    {RESOURCE_REVISION, "revision_number", "r.revision_number"},
};

static bool
is_wanted(const GPtrArray *fields, const char *name)
{
    for (unsigned i = 0; fields && i < fields->len; i++) {
        if (strcmp(fields->pdata[i], name) == 0) {
            return true;
        }
    }
    return !fields || fields->len == 0;
}

static void
append_column(GString *sql, const char *expression, const char *name)
{
    g_string_append_printf(sql, "%s%s AS \"%s\"", sql->str[sql->len - 1] == '(' ? "SELECT " : ", ",
                           expression, name);
}

static void
append_attribute(GString *sql, const struct attribute *attribute)
{
    g_autofree char *expression = NULL;
    if (attribute->select) {
        expression = g_strdup_printf("(%s)", attribute->select);
    } else if (attribute->type == ATTR_TIME) {
        expression = g_strdup_printf("to_char(r.%s, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
                                     attribute_column(attribute));
    } else {
        expression = g_strdup_printf("r.%s", attribute_column(attribute));
    }
    append_column(sql, expression, attribute->name);
}

void
sql_append_columns(GString *sql, const struct resource *resource, bool admin,
                   const GPtrArray *fields, int link_param)
{
    g_string_append_c(sql, '(');
    if (!resource_attribute(resource, "id") && is_wanted(fields, "id")) {
        append_column(sql, "r.id", "id");
    }
    for (const struct attribute *attribute = resource->attributes; attribute->name; attribute++) {
        bool shown = !(attribute->flags & ATTR_HIDDEN) &&
                     (admin || !(attribute->flags & ATTR_ADMIN_SEE)) &&
                     !((attribute->flags & ATTR_VIRTUAL) && !attribute->select);
        if (shown && is_wanted(fields, attribute->name)) {
            append_attribute(sql, attribute);
        }
    }
    for (size_t i = 0; i < N_ELEMENTS(implied); i++) {
        if ((resource->style & implied[i].style) && is_wanted(fields, implied[i].name) &&
            !resource_attribute(resource, implied[i].name)) {
            append_column(sql, implied[i].expression, implied[i].name);
        }
    }
    if (link_param > 0) {
        const char *more = resource->sublink;
        g_autofree char *sublink =
            more ? g_strdup_printf(", '%s', $%d::text || '/' || r.id || '/%s'", more, link_param,
                                   more)
                 : NULL;
        g_autofree char *links =
            g_strdup_printf("json_build_object('self', $%d::text || '/' || r.id%s)", link_param,
                            sublink ? sublink : "");
        append_column(sql, links, "links");
    }
    g_string_append(sql, sql->str[sql->len - 1] == '(' ? "SELECT) v" : ") v");
}

const char *
sql_item(const struct resource *resource)
{
    return resource->style & RESOURCE_KEEP_UNKNOWN
               ? "CASE WHEN r.extra = '{}'::jsonb THEN row_to_json(v)::text ELSE "
                 "(coalesce(r.extra, '{}'::jsonb) || to_jsonb(v))::text END"
               : "row_to_json(v)::text";
}

void
sql_append_visible(GString *sql, const struct resource *resource, bool admin)
{
    // The first term gives the three parameters a type where the condition does not mention them;
    // it folds to true.
    g_string_append(sql,
                    " WHERE ($1::text IS NULL OR $2::text IS NULL OR $3::text IS NULL OR true)");
    if (!admin && resource->visible) {
        g_string_append_printf(sql, " AND (%s)", resource->visible);
    }
}

char *
sql_text_array(const GPtrArray *values)
{
    GString *text = g_string_new("{");
    for (unsigned i = 0; i < values->len; i++) {
        g_string_append(text, i ? ",\"" : "\"");
        for (const char *at = values->pdata[i]; *at; at++) {
            if (*at == '"' || *at == '\\') {
                g_string_append_c(text, '\\');
            }
            g_string_append_c(text, *at);
        }
        g_string_append_c(text, '"');
    }
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

char *
sql_like_pattern(const char *before, const char *value, const char *after)
{
    GString *pattern = g_string_new(before);
    for (const char *at = value; *at; at++) {
        if (strchr("\\%_", *at)) {
            g_string_append_c(pattern, '\\');
        }
        g_string_append_c(pattern, *at);
    }
    g_string_append(pattern, after);
    return g_string_free(pattern, FALSE);
}
