// SPDX-License-Identifier: Apache-2.0
#include "services/image/access.h"

#include <string.h>

#define MEMBER "role:member and project_id:%(project_id)s"
#define READER "role:reader and project_id:%(project_id)s"
#define SEEN_BY                                                                                \
    "(project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or " \
    "'public':%(visibility)s or 'shared':%(visibility)s)"

#define SPACE_READER \
    "role:admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))"

// clang-format off
const struct policy_rule image_policies[] = {
    {"context_is_admin", "role:admin", "who counts as an administrator"},
    {"add_image", "role:admin or (" MEMBER " and project_id:%(owner)s)", "create an image"},
    {"delete_image", "role:admin or (" MEMBER ")", "delete an image"},
    {"get_image", "role:admin or (role:reader and " SEEN_BY ")", "show an image"},
    {"get_images", "role:admin or (" READER ")", "list images"},
    {"modify_image", "role:admin or (" MEMBER ")", "change an image, its tags and properties"},
    {"publicize_image", "role:admin", "make an image public"},
    {"communitize_image", "role:admin or (" MEMBER ")", "make an image a community image"},
    {"download_image", "role:admin or (role:member and " SEEN_BY ")", "download an image's data"},
    {"upload_image", "role:admin or (" MEMBER ")", "upload an image's data"},
    {"copy_image", "role:admin", "copy an image to more stores"},
    {"stores_info_detail", "role:admin", "list stores with their properties"},
    {"get_image_location", "role:admin or (" READER ")", "know which stores an image is in"},
    {"delete_image_location", "role:admin", "remove an image's data from a store"},
    {"service_api", "role:service or role:admin", "who counts as a service"},
    {"fetch_image_location", "rule:service_api", "know the URLs of an image's data"},
    {"add_image_location", "rule:service_api or (" MEMBER " and project_id:%(owner)s)", "make the data at a URL an image's"},
    {"set_image_location", "role:admin or (" MEMBER ")", "change the locations of an image"},
    {"cache_image", "role:admin", "cache an image"},
    {"cache_list", "role:admin", "list cached images"},
    {"cache_delete", "role:admin", "remove images from the cache"},
    {"cache_clean", "role:admin", "clean the cache up"},
    {"cache_prune", "role:admin", "shrink the cache to its size"},
    {"add_member", "role:admin or (" MEMBER ")", "share an image with a project"},
    {"delete_member", "role:admin or (" MEMBER ")", "end the sharing of an image"},
    {"get_member", "role:admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)", "show a member of an image"},
    {"get_members", "role:admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)", "list the members of an image"},
    {"modify_member", "role:admin or (role:member and project_id:%(member_id)s)", "accept or reject a shared image"},
    {"deactivate", "role:admin or (" MEMBER ")", "stop downloads of an image"},
    {"reactivate", "role:admin or (" MEMBER ")", "allow downloads of an image again"},
    {"tasks_api_access", "role:admin", "use the tasks API"},
    {"forget_project", "role:service or role:admin", "end all sharing with a closed project"},
    {"make_ticket", "role:service or role:admin", "make a download ticket for another service's host"},
    {"metadef_admin", "role:admin", "who defines metadata"},
    {"get_metadef_namespace", SPACE_READER, "show a namespace of metadata definitions"},
    {"get_metadef_object", SPACE_READER, "show an object"},
    {"get_metadef_objects", SPACE_READER, "list objects"},
    {"list_metadef_resource_types", SPACE_READER, "list resource types"},
    {"get_metadef_resource_type", SPACE_READER, "list a namespace's resource types"},
    {"get_metadef_property", SPACE_READER, "show a property"},
    {"get_metadef_properties", SPACE_READER, "list properties"},
    {"get_metadef_tag", SPACE_READER, "show a tag"},
    {"get_metadef_tags", SPACE_READER, "list tags"},
    {"get_metadef_namespaces", "role:admin or (role:reader and project_id:%(project_id)s)", "list namespaces of metadata definitions"},
    {"modify_metadef_namespace", "rule:metadef_admin", "change a namespace"},
    {"add_metadef_namespace", "rule:metadef_admin", "create a namespace"},
    {"delete_metadef_namespace", "rule:metadef_admin", "delete a namespace or all of a kind in it"},
    {"modify_metadef_object", "rule:metadef_admin", "change an object"},
    {"add_metadef_object", "rule:metadef_admin", "create an object"},
    {"delete_metadef_object", "rule:metadef_admin", "delete an object"},
    {"add_metadef_resource_type_association", "rule:metadef_admin", "associate a resource type"},
    {"remove_metadef_resource_type_association", "rule:metadef_admin", "end an association"},
    {"modify_metadef_property", "rule:metadef_admin", "change a property"},
    {"add_metadef_property", "rule:metadef_admin", "create a property"},
    {"remove_metadef_property", "rule:metadef_admin", "delete a property"},
    {"modify_metadef_tag", "rule:metadef_admin", "rename a tag"},
    {"add_metadef_tag", "rule:metadef_admin", "create a tag"},
    {"add_metadef_tags", "rule:metadef_admin", "replace or add tags"},
    {"delete_metadef_tag", "rule:metadef_admin", "delete a tag"},
    {"delete_metadef_tags", "rule:metadef_admin", "delete all tags"},
    {0},
};
// clang-format on

struct viewer
viewer_of(const struct request *request)
{
    const struct auth_context *auth = request_auth(request);
    // Images are of projects: as in Glance, a token of the system is nobody's administrator here.
    return (struct viewer){.project_id = auth ? auth->project_id : "",
                           .is_admin = auth && auth->is_admin && !auth->is_system};
}

enum rc
image_allow(const struct request *request, const char *rule, const image_row *image,
            const char *member_id, struct err *err)
{
    if (request_auth(request)->is_system) {
        return fault(err, RC_NOT_FOUND, "No image found with ID %s", image->id);
    }
    if (!member_id && image->is_member) {
        member_id = request_project(request);
    }
    json_auto_t *target =
        json_pack("{s:s, s:s, s:s, s:s?}", "project_id", image->owner, "owner", image->owner,
                  "visibility", image->visibility, "member_id", member_id);
    return request_allow(request, rule, target, err);
}

enum rc
image_allow_new(const struct request *request, const char *rule, const char *owner,
                const char *visibility, struct err *err)
{
    json_auto_t *target =
        json_pack("{s:s, s:s, s:s}", "project_id", owner, "owner", owner, "visibility", visibility);
    return request_allow(request, rule, target, err);
}

enum rc
image_load(const struct request *request, struct db *db, const char *rule, image_row **ret_row,
           struct err *err)
{
    struct viewer viewer = viewer_of(request);
    g_autoptr(image_row) row = NULL;
    enum rc rc = image_db_find(db, &viewer, request_param(request, "image_id"), false, &row, err);
    if (rc == RC_OK && rule) {
        rc = image_allow(request, rule, row, NULL, err);
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

enum rc
image_open(const struct request *request, const char *rule, struct db **ret_db, image_row **ret_row,
           struct err *err)
{
    enum rc rc = request_db(request, ret_db, err);
    return rc == RC_OK ? image_load(request, *ret_db, rule, ret_row, err) : rc;
}

// Who accepts JSON gets JSON, others the little page that Glance's clients take apart.
void
image_error_body(const struct request *request, const struct err *err, struct reply *reply)
{
    const char *accept = request_header(request, "Accept");
    const char *title = http_status_title(reply->status);
    g_autofree char *message = g_utf8_make_valid(err->message, -1);
    if (accept && strstr(accept, "application/json")) {
        g_autofree char *code = g_strdup_printf("%d %s", reply->status, title);
        reply->json =
            json_pack("{s:s, s:s, s:s}", "message", message, "code", code, "title", title);
        return;
    }
    g_autofree char *escaped = g_markup_escape_text(message, -1);
    reply->text = g_strdup_printf(
        "<html>\n <head>\n  <title>%d %s</title>\n </head>\n <body>\n  <h1>%d %s</h1>\n"
        "  %s<br /><br />\n\n\n </body>\n</html>",
        reply->status, title, reply->status, title, escaped);
    reply->content_type = "text/html; charset=UTF-8";
}
