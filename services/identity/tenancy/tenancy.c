// SPDX-License-Identifier: Apache-2.0
// Domains and projects. Disabling or deleting one ends every token in it.
#include "services/identity/identity_resource.h"
#include "services/identity/tenancy/hierarchy.h"
#include "services/identity/tenancy/member_db.h"
#include "services/identity/tenancy/options.h"
#include "services/identity/tenancy/target.h"
#include <string.h>

// A tag: Keystone's rules, and no tag twice.
static enum rc
check_tags(json_t *tags, struct err *err)
{
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        if (!tag || !tag[0] || g_utf8_strlen(tag, -1) > 255 || strpbrk(tag, "/,")) {
            return fault(err, RC_INVALID,
                         "invalid input for field 'tags': a tag has 1 to 255 characters, no comma "
                         "and no slash");
        }
        for (size_t j = 0; j < i; j++) {
            if (!strcmp(tag, json_string_value(json_array_get(tags, j)))) {
                return fault(err, RC_INVALID,
                             "invalid input for field 'tags': '%.255s' is there twice", tag);
            }
        }
    }
    return RC_OK;
}

// ---- domains

static enum rc
revoke_domain(struct resource_op *op, struct err *err)
{
    return feed_revoke(op->db, &(struct revocation){.domain_id = op->id}, err);
}

// The id may be chosen, so that two clouds agree on a domain.
static enum rc
before_domain_create(struct resource_op *op, struct err *err)
{
    const char *id = json_string_value(json_object_get(op->input, "explicit_domain_id"));
    if (id) {
        if (strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32) {
            return fault(err, RC_INVALID,
                         "invalid input for field 'explicit_domain_id': it is not 32 hex digits");
        }
        g_strlcpy(op->id, id, sizeof op->id);
    }
    enum rc rc = check_tags(json_object_get(op->values, "tags"), err);
    rc = rc ? rc : identity_strip_name(op, err);
    return rc ? rc : options_check(op, tenancy_options, err);
}

static enum rc
before_domain_update(struct resource_op *op, struct err *err)
{
    enum rc rc = options_check_update(op, err);
    rc = rc ? rc : options_check(op, tenancy_options, err);
    rc = rc ? rc : check_tags(json_object_get(op->values, "tags"), err);
    rc = rc ? rc : identity_strip_name(op, err);
    return rc == RC_OK && is_being_disabled(op) ? revoke_domain(op, err) : rc;
}

static enum rc
before_domain_delete(struct resource_op *op, struct err *err)
{
    enum rc rc = options_check_delete(op, err);
    if (rc) {
        return rc;
    }
    if (json_is_true(json_object_get(op->old, "enabled"))) {
        return fault(err, RC_FORBIDDEN,
                     "Cannot delete a domain that is enabled, please disable it first.");
    }
    return revoke_domain(op, err);
}

static const struct attribute domain_attributes[] = {
    {"name", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_REQUIRED, .min = 1, .max = 64},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535,
     .default_json = "\"\""},
    {"enabled", ATTR_BOOL, ATTR_RW | ATTR_FS, .default_json = "true"},
    {"explicit_domain_id", ATTR_TEXT, ATTR_CREATE | ATTR_VIRTUAL | ATTR_HIDDEN, .max = 64},
    {"tags", ATTR_ARRAY, ATTR_RW, .max = 80, .default_json = "[]"},
    {"options", ATTR_OBJECT, ATTR_RW, .default_json = "{}"},
    {0},
};
static const struct resource domain = {
    .singular = "domain",
    .plural = "domains",
    .path = "/v3/domains",
    .table = "domain",
    .not_found_format = "Could not find domain: %s.",
    .style = KEYSTONE_STYLE | RESOURCE_MISSING_FIRST_WRITES,
    .list_scope = "$3::text = '' OR r.id = $3",
    .policy_list = "identity:list_domains",
    .policy_get = "identity:get_domain",
    .policy_create = "identity:create_domain",
    .policy_update = "identity:update_domain",
    .policy_delete = "identity:delete_domain",
    .default_sort = "name",
    .attributes = domain_attributes,
    .before_create = before_domain_create,
    .before_update = before_domain_update,
    .before_delete = before_domain_delete,
};

// ---- projects

static enum rc
before_project_create(struct resource_op *op, struct err *err)
{
    enum rc rc = check_tags(json_object_get(op->values, "tags"), err);
    rc = rc ? rc : options_check(op, tenancy_options, err);
    rc = rc ? rc : identity_strip_name(op, err);
    if (rc) {
        return rc;
    }
    if (!json_is_true(json_object_get(op->values, "is_domain"))) {
        return hierarchy_place(op, err);
    }
    if (json_is_string(json_object_get(op->values, "domain_id")) ||
        json_is_string(json_object_get(op->values, "parent_id"))) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'is_domain': a project that acts as a domain has no "
                     "domain and no parent");
    }
    return RC_OK;
}

static enum rc
revoke_project(struct resource_op *op, struct err *err)
{
    bool is_domain = json_is_true(json_object_get(op->old, "is_domain"));
    return feed_revoke(op->db,
                       is_domain ? &(struct revocation){.domain_id = op->id}
                                 : &(struct revocation){.project_id = op->id},
                       err);
}

// Where a project stands never changes; what it is may be said again.
static enum rc
check_stays(struct resource_op *op, struct err *err)
{
    bool is_domain = json_is_true(json_object_get(op->old, "is_domain"));
    json_t *given = json_object_get(op->values, "is_domain");
    if (given && json_is_true(given) != is_domain) {
        return fault(err, RC_INVALID, "Update of `is_domain` is not allowed.");
    }
    json_object_del(op->values, "is_domain");
    enum rc rc = identity_keeps(op, "parent_id", RC_FORBIDDEN, err);
    return rc ? rc : identity_keeps(op, "domain_id", RC_INVALID, err);
}

static enum rc
before_project_update(struct resource_op *op, struct err *err)
{
    enum rc rc = options_check_update(op, err);
    rc = rc ? rc : options_check(op, tenancy_options, err);
    rc = rc ? rc : check_tags(json_object_get(op->values, "tags"), err);
    rc = rc ? rc : identity_strip_name(op, err);
    rc = rc ? rc : check_stays(op, err);
    rc = rc ? rc : hierarchy_check_update(op, err);
    return rc == RC_OK && is_being_disabled(op) ? revoke_project(op, err) : rc;
}

static enum rc
before_project_delete(struct resource_op *op, struct err *err)
{
    if (json_is_true(json_object_get(op->old, "is_domain"))) {
        return before_domain_delete(op, err);
    }
    bool has_children = false;
    enum rc rc = options_check_delete(op, err);
    rc = rc ? rc : member_db_has_children(op->db, op->id, &has_children, err);
    if (rc == RC_OK && has_children) {
        rc = fault(err, RC_FORBIDDEN,
                   "Cannot delete project %s since it is not a leaf in the hierarchy.", op->id);
    }
    rc = rc ? rc : member_db_leave_home(op->db, op->id, err);
    return rc ? rc : revoke_project(op, err);
}

#define TAGS_OF(parameter) "string_to_array((" parameter ")[1], ',')"
static const struct attribute project_attributes[] = {
    {"name", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_REQUIRED, .min = 1, .max = 64},
    {"domain_id", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_NULLABLE, .max = 64},
    {"parent_id", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_NULLABLE, .max = 64},
    {"is_domain", ATTR_BOOL, ATTR_RW | ATTR_FILTER, .default_json = "false",
     .unless_filtered = "NOT r.is_domain"},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535,
     .default_json = "\"\""},
    {"enabled", ATTR_BOOL, ATTR_RW | ATTR_FS, .default_json = "true"},
    {"tags", ATTR_ARRAY, ATTR_RW | ATTR_FILTER, .max = 80, .default_json = "[]",
     .filter = "r.tags ?& " TAGS_OF("%s")},
    {"tags-any", ATTR_TEXT, ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER,
     .filter = "r.tags ?| " TAGS_OF("%s")},
    {"not-tags", ATTR_TEXT, ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER,
     .filter = "NOT r.tags ?& " TAGS_OF("%s")},
    {"not-tags-any", ATTR_TEXT, ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER,
     .filter = "NOT r.tags ?| " TAGS_OF("%s")},
    {"options", ATTR_OBJECT, ATTR_RW, .default_json = "{}"},
    {0},
};
static const struct resource project = {
    .singular = "project",
    .plural = "projects",
    .path = "/v3/projects",
    .table = "tenancy",
    .not_found_format = "Could not find project: %s.",
    .style = KEYSTONE_STYLE,
    .list_scope = "$3::text = '' OR r.domain_id = $3",
    .policy_list = "identity:list_projects",
    .policy_get = "identity:get_project",
    .policy_create = "identity:create_project",
    .policy_update = "identity:update_project",
    .policy_delete = "identity:delete_project",
    .default_sort = "name",
    .attributes = project_attributes,
    .before_create = before_project_create,
    .before_update = before_project_update,
    .before_delete = before_project_delete,
};

// ---- those in which a user has a role

static const struct resource assigned_project = {
    .singular = "project",
    .plural = "projects",
    .path = "/v3/projects",
    .table = "tenancy",
    .style = KEYSTONE_STYLE,
    .default_sort = "name",
    .attributes = project_attributes,
};

static enum rc
list_of_user(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    const char *id = request_param(request, "id");
    const struct resource_whole whole = {
        "r.id IN (SELECT a.target_id FROM effective_assignment a JOIN role_closed c ON "
        "c.prior_role_id = a.role_id JOIN role g ON g.id = c.role_id AND g.domain_id IS NULL "
        "WHERE a.user_id = %s)", // a domain's own role alone is none
        id};
    enum rc rc =
        target_allow(request, "identity:list_user_projects", &(struct target){.user_id = id}, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : member_db_exists(db, "user", id, err);
    return rc ? rc : resource_list_within(request, &assigned_project, &whole, reply, err);
}

// ---- tags of one project

struct tagging {
    struct request *request;
    const char *rule;
    json_t *tags; // the new list; NULL: one tag is added or dropped
    bool drop;
};

static enum rc
tag_tx(struct db *db, void *argument, struct err *err)
{
    const struct tagging *tagging = argument;
    const char *id = request_param(tagging->request, "id");
    enum rc rc = member_db_may_change(db, id, err);
    if (rc) {
        return rc;
    }
    if (tagging->tags) {
        return member_db_set_tags(db, id, tagging->tags, err);
    }
    return member_db_change_tag(db, id, request_param(tagging->request, "tag"), !tagging->drop,
                                err);
}

static enum rc
write_tags(struct tagging *tagging, struct err *err)
{
    struct db *db = NULL;
    const struct target target = {.project_id = request_param(tagging->request, "id")};
    enum rc rc = target_allow(tagging->request, tagging->rule, &target, err);
    rc = rc ? rc : check_tags(tagging->tags, err);
    rc = rc ? rc : request_db(tagging->request, &db, err);
    return rc ? rc : db_tx(db, tag_tx, tagging, err);
}

static enum rc
read_tags(struct request *request, const char *rule, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    json_t *tags = NULL;
    const char *id = request_param(request, "id");
    enum rc rc = target_allow(request, rule, &(struct target){.project_id = id}, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : member_db_tags(db, id, &tags, err);
    if (rc == RC_OK) {
        g_autofree char *url = g_strconcat(request_base_url(request), request_url(request), NULL);
        reply->json = json_pack("{s:o, s:{s:s, s:n, s:n}}", "tags", tags, "links", "self", url,
                                "previous", "next");
    }
    return rc;
}

static enum rc
list_tags(struct request *request, struct reply *reply, struct err *err)
{
    return read_tags(request, "identity:list_project_tags", reply, err);
}

static enum rc
show_tag(struct request *request, struct reply *reply, struct err *err)
{
    enum rc rc = read_tags(request, "identity:get_project_tag", reply, err);
    const char *wanted = request_param(request, "tag");
    json_auto_t *root = g_steal_pointer(&reply->json);
    json_t *tags = json_object_get(root, "tags");
    for (size_t i = 0; rc == RC_OK && i < json_array_size(tags); i++) {
        if (!strcmp(json_string_value(json_array_get(tags, i)), wanted)) {
            return RC_OK;
        }
    }
    return rc ? rc : fault(err, RC_NOT_FOUND, "Could not find project tag: %.100s.", wanted);
}

static enum rc
set_tags(struct request *request, struct reply *reply, struct err *err)
{
    struct tagging tagging = {request, "identity:update_project_tags",
                              json_object_get(request_json(request), "tags"), false};
    if (!json_is_array(tagging.tags) || json_array_size(tagging.tags) > 80) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'tags': it is not a list of at most 80 tags");
    }
    enum rc rc = write_tags(&tagging, err);
    return rc ? rc : read_tags(request, tagging.rule, reply, err);
}

static enum rc
clear_tags(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *none = json_array();
    struct tagging tagging = {request, "identity:delete_project_tags", none, false};
    return write_tags(&tagging, err);
}

static enum rc
add_tag(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *one = json_pack("[s]", request_param(request, "tag"));
    enum rc rc = check_tags(one, err);
    struct tagging tagging = {request, "identity:create_project_tag", NULL, false};
    reply_header_format(reply, "Location", "%s%s", request_base_url(request), request_url(request));
    return rc ? rc : write_tags(&tagging, err);
}

static enum rc
drop_tag(struct request *request, struct reply *reply, struct err *err)
{
    struct tagging tagging = {request, "identity:delete_project_tag", NULL, true};
    return write_tags(&tagging, err);
}

#define TAGS "/v3/projects/{id}/tags"
const struct route tenancy_routes[] = {
    IDENTITY_ROUTES(domain, "/v3/domains", "{tenancy}", 0),
    SHOWN_ROUTES(project, "/v3/projects", "{tenancy}", 0, resource_create, hierarchy_show,
                 identity_update, identity_delete),
    {.method = "GET",
     .path = "/v3/users/{id}/projects",
     .handle = list_of_user,
     .status = 200,
     .data = &assigned_project,
     .describe = resource_describe,
     .summary = "list the projects in which a user has a role"},
    {.method = "GET",
     .path = TAGS,
     .handle = list_tags,
     .status = 200,
     .summary = "list a project's tags"},
    {.method = "PUT",
     .path = TAGS,
     .handle = set_tags,
     .status = 200,
     .summary = "replace a project's tags"},
    {.method = "DELETE",
     .path = TAGS,
     .handle = clear_tags,
     .status = 204,
     .summary = "remove a project's tags"},
    {.method = "GET",
     .path = TAGS "/{tag}",
     .handle = show_tag,
     .status = 204,
     .summary = "check a tag"},
    {.method = "PUT",
     .path = TAGS "/{tag}",
     .handle = add_tag,
     .flags = ROUTE_ANY_BODY,
     .status = 201,
     .summary = "add a tag"},
    {.method = "DELETE",
     .path = TAGS "/{tag}",
     .handle = drop_tag,
     .status = 204,
     .summary = "remove a tag"},
    {0},
};
