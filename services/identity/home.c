// SPDX-License-Identifier: Apache-2.0
// The JSON Home document (draft-nottingham-json-home): what there is, by relation. A row is shown
// when this program serves its path.
#include "services/identity/home.h"
#include "common/base/util.h"
#include <string.h>

#define DOCS "https://docs.openstack.org/api/openstack-identity/3/"

struct home_row {
    const char *extension; // "OS-TRUST"; NULL: the API itself
    const char *relation, *path;
    bool is_experimental;
};
// clang-format off
static const struct home_row rows[] = {
    {NULL, "users", "/users"},
    {NULL, "user", "/users/{user_id}"},
    {NULL, "groups", "/groups"},
    {NULL, "group", "/groups/{group_id}"},
    {NULL, "projects", "/projects"},
    {NULL, "project", "/projects/{project_id}"},
    {NULL, "domains", "/domains"},
    {NULL, "domain", "/domains/{domain_id}"},
    {NULL, "roles", "/roles"},
    {NULL, "role", "/roles/{role_id}"},
    {NULL, "regions", "/regions"},
    {NULL, "region", "/regions/{region_id}"},
    {NULL, "services", "/services"},
    {NULL, "service", "/services/{service_id}"},
    {NULL, "endpoints", "/endpoints"},
    {NULL, "endpoint", "/endpoints/{endpoint_id}"},
    {NULL, "policies", "/policies"},
    {NULL, "policy", "/policies/{policy_id}"},
    {NULL, "credentials", "/credentials"},
    {NULL, "credential", "/credentials/{credential_id}"},
    {NULL, "registered_limits", "/registered_limits", true},
    {NULL, "registered_limit", "/registered_limits/{registered_limit_id}", true},
    {NULL, "limits", "/limits", true},
    {NULL, "limit", "/limits/{limit_id}", true},
    {"OS-TRUST", "trusts", "/OS-TRUST/trusts"},
    {"OS-TRUST", "trust", "/OS-TRUST/trusts/{trust_id}"},
    {"OS-FEDERATION", "identity_providers", "/OS-FEDERATION/identity_providers"},
    {"OS-FEDERATION", "identity_provider", "/OS-FEDERATION/identity_providers/{idp_id}"},
    {"OS-FEDERATION", "identity_provider_protocols", "/OS-FEDERATION/identity_providers/{idp_id}/protocols"},
    {"OS-FEDERATION", "identity_provider_protocol", "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"},
    {"OS-FEDERATION", "identity_provider_protocol_auth", "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth"},
    {"OS-FEDERATION", "mappings", "/OS-FEDERATION/mappings"},
    {"OS-FEDERATION", "mapping", "/OS-FEDERATION/mappings/{mapping_id}"},
    {"OS-FEDERATION", "service_providers", "/OS-FEDERATION/service_providers"},
    {"OS-FEDERATION", "service_provider", "/OS-FEDERATION/service_providers/{service_provider_id}"},
    {"OS-FEDERATION", "projects", "/OS-FEDERATION/projects"},
    {"OS-FEDERATION", "domains", "/OS-FEDERATION/domains"},
    {"OS-FEDERATION", "websso", "/auth/OS-FEDERATION/websso/{protocol_id}"},
    {"OS-FEDERATION", "identity_providers_websso", "/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso"},
    {"OS-OAUTH1", "consumers", "/OS-OAUTH1/consumers"},
    {"OS-OAUTH1", "consumer", "/OS-OAUTH1/consumers/{consumer_id}"},
    {"OS-EP-FILTER", "endpoint_groups", "/OS-EP-FILTER/endpoint_groups"},
    {"OS-EP-FILTER", "endpoint_group", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"},
    {NULL, "auth_projects", "/auth/projects"},
    {NULL, "auth_domains", "/auth/domains"},
    {NULL, "auth_system", "/auth/system"},
    {NULL, "auth_catalog", "/auth/catalog"},
    {"OS-PKI", "revocations", "/auth/tokens/OS-PKI/revoked"},
    {NULL, "auth_tokens", "/auth/tokens"},
    {NULL, "domain_config", "/domains/{domain_id}/config"},
    {NULL, "domain_config_group", "/domains/{domain_id}/config/{group}"},
    {NULL, "domain_config_option", "/domains/{domain_id}/config/{group}/{option}"},
    {NULL, "domain_config_default", "/domains/config/default"},
    {NULL, "domain_config_default_group", "/domains/config/{group}/default"},
    {NULL, "domain_config_default_option", "/domains/config/{group}/{option}/default"},
    {NULL, "domain_user_roles", "/domains/{domain_id}/users/{user_id}/roles"},
    {NULL, "domain_user_role", "/domains/{domain_id}/users/{user_id}/roles/{role_id}"},
    {NULL, "domain_group_roles", "/domains/{domain_id}/groups/{group_id}/roles"},
    {NULL, "domain_group_role", "/domains/{domain_id}/groups/{group_id}/roles/{role_id}"},
    {"OS-EC2", "ec2tokens", "/ec2tokens"},
    {"OS-ENDPOINT-POLICY", "endpoint_policy", "/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy"},
    {NULL, "group_users", "/groups/{group_id}/users"},
    {NULL, "group_user", "/groups/{group_id}/users/{user_id}"},
    {NULL, "limit_model", "/limits/model", true},
    {"OS-EP-FILTER", "endpoint_projects", "/OS-EP-FILTER/endpoints/{endpoint_id}/projects"},
    {"OS-EP-FILTER", "project_endpoint", "/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}"},
    {"OS-EP-FILTER", "project_endpoints", "/OS-EP-FILTER/projects/{project_id}/endpoints"},
    {"OS-EP-FILTER", "project_endpoint_groups", "/OS-EP-FILTER/projects/{project_id}/endpoint_groups"},
    {"OS-EP-FILTER", "endpoints_in_endpoint_group", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints"},
    {"OS-EP-FILTER", "projects_associated_with_endpoint_group", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects"},
    {"OS-EP-FILTER", "endpoint_group_to_project_association", "/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}"},
    {"OS-INHERIT", "domain_group_role_inherited_to_projects", "/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects"},
    {"OS-INHERIT", "domain_group_roles_inherited_to_projects", "/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects"},
    {"OS-INHERIT", "domain_user_role_inherited_to_projects", "/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects"},
    {"OS-INHERIT", "domain_user_roles_inherited_to_projects", "/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects"},
    {"OS-INHERIT", "project_user_role_inherited_to_projects", "/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects"},
    {"OS-INHERIT", "project_group_role_inherited_to_projects", "/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects"},
    {"OS-OAUTH1", "request_tokens", "/OS-OAUTH1/request_token"},
    {"OS-OAUTH1", "access_tokens", "/OS-OAUTH1/access_token"},
    {"OS-OAUTH1", "authorize_request_token", "/OS-OAUTH1/authorize/{request_token_id}"},
    {"OS-OAUTH2", "token", "/OS-OAUTH2/token"},
    {"OS-REVOKE", "events", "/OS-REVOKE/events"},
    {"OS-SIMPLE-CERT", "ca_certificate", "/OS-SIMPLE-CERT/ca"},
    {"OS-SIMPLE-CERT", "certificates", "/OS-SIMPLE-CERT/certificates"},
    {"OS-ENDPOINT-POLICY", "policy_endpoints", "/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints"},
    {"OS-ENDPOINT-POLICY", "endpoint_policy_association", "/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"},
    {"OS-ENDPOINT-POLICY", "service_policy_association", "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}"},
    {"OS-ENDPOINT-POLICY", "region_and_service_policy_association", "/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}"},
    {NULL, "project_tags", "/projects/{project_id}/tags"},
    {NULL, "project_tags", "/projects/{project_id}/tags/{value}"},
    {NULL, "project_user_role", "/projects/{project_id}/users/{user_id}/roles/{role_id}"},
    {NULL, "project_user_roles", "/projects/{project_id}/users/{user_id}/roles"},
    {NULL, "project_group_role", "/projects/{project_id}/groups/{group_id}/roles/{role_id}"},
    {NULL, "project_group_roles", "/projects/{project_id}/groups/{group_id}/roles"},
    {NULL, "role_assignments", "/role_assignments"},
    {NULL, "role_inferences", "/role_inferences"},
    {NULL, "implied_roles", "/roles/{prior_role_id}/implies"},
    {NULL, "implied_role", "/roles/{prior_role_id}/implies/{implied_role_id}"},
    {"s3tokens", "s3tokens", "/s3tokens"},
    {NULL, "system_user_roles", "/system/users/{user_id}/roles"},
    {NULL, "system_user_role", "/system/users/{user_id}/roles/{role_id}"},
    {NULL, "system_group_roles", "/system/groups/{group_id}/roles"},
    {NULL, "system_group_role", "/system/groups/{group_id}/roles/{role_id}"},
    {"OS-TRUST", "trust_roles", "/OS-TRUST/trusts/{trust_id}/roles"},
    {"OS-TRUST", "trust_role", "/OS-TRUST/trusts/{trust_id}/roles/{role_id}"},
    {NULL, "user_change_password", "/users/{user_id}/password"},
    {NULL, "user_groups", "/users/{user_id}/groups"},
    {NULL, "user_projects", "/users/{user_id}/projects"},
    {"OS-EC2", "user_credentials", "/users/{user_id}/credentials/OS-EC2"},
    {"OS-EC2", "user_credential", "/users/{user_id}/credentials/OS-EC2/{credential_id}"},
    {"OS-OAUTH1", "user_access_tokens", "/users/{user_id}/OS-OAUTH1/access_tokens"},
    {"OS-OAUTH1", "user_access_token", "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}"},
    {"OS-OAUTH1", "user_access_token_roles", "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles"},
    {"OS-OAUTH1", "user_access_token_role", "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}"},
    {NULL, "application_credentials", "/users/{user_id}/application_credentials"},
    {NULL, "application_credential", "/users/{user_id}/application_credentials/{application_credential_id}"},
    {NULL, "access_rules", "/users/{user_id}/access_rules"},
    {NULL, "access_rule", "/users/{user_id}/access_rules/{access_rule_id}"},
};
// Parameters whose relation is not that of their own name.
static const struct {
    const char *name, *relation;
} parameters[] = {
    {"prior_role_id", "param/role_id"}, {"implied_role_id", "param/role_id"}, {"value", "param/tag_value"}, {"group", "param/config_group"},
    {"option", "param/config_option"}, {"trust_id", "ext/OS-TRUST/1.0/param/trust_id"}, {"consumer_id", "ext/OS-OAUTH1/1.0/param/consumer_id"},
    {"request_token_id", "ext/OS-OAUTH1/1.0/param/request_token_id"}, {"access_token_id", "ext/OS-OAUTH1/1.0/param/access_token_id"},
    {"idp_id", "ext/OS-FEDERATION/1.0/param/idp_id"},
    {"protocol_id", "ext/OS-FEDERATION/1.0/param/protocol_id"},
    {"mapping_id", "ext/OS-FEDERATION/1.0/param/mapping_id"},
    {"service_provider_id", "ext/OS-FEDERATION/1.0/param/service_provider_id"},
    {"endpoint_group_id", "ext/OS-EP-FILTER/1.0/param/endpoint_group_id"},
};
// clang-format on

static json_t *
parameter_relation(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(parameters); i++) {
        if (!strcmp(parameters[i].name, name)) {
            return json_sprintf(DOCS "%s", parameters[i].relation);
        }
    }
    return json_sprintf(DOCS "param/%s", name);
}

static json_t *
variables_of(const char *path)
{
    json_t *variables = json_object();
    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{')) {
        g_autofree char *name = g_strndup(open + 1, strcspn(open + 1, "}"));
        json_object_set_new(variables, name, parameter_relation(name));
    }
    return variables;
}

static void
add_row(json_t *resources, const struct home_row *row)
{
    g_autofree char *path = g_strconcat("/v3", row->path, NULL);
    g_autofree char *relation =
        row->extension ? g_strdup_printf(DOCS "ext/%s/1.0/rel/%s", row->extension, row->relation)
                       : g_strdup_printf(DOCS "rel/%s", row->relation);
    json_t *resource = strchr(path, '{') ? json_pack("{s:s, s:o}", "href-template", path,
                                                     "href-vars", variables_of(path))
                                         : json_pack("{s:s}", "href", path);
    if (row->is_experimental) {
        json_object_set_new(resource, "hints", json_pack("{s:s}", "status", "experimental"));
    }
    json_object_set_new(resources, relation, resource);
}

json_t *
home_document(const struct request *request)
{
    json_t *resources = json_object();
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/v3", rows[i].path, NULL);
        if (request_serves(request, path)) {
            add_row(resources, &rows[i]);
        }
    }
    return json_pack("{s:o}", "resources", resources);
}

// The weight that an Accept header gives a type: of the most specific range that covers it.
static double
weight_of(const char *accept, const char *type)
{
    double weights[3] = {-1, -1, -1}; // the type itself, application/*, */*
    g_auto(GStrv) ranges = g_strsplit(accept, ",", 32);
    for (char **range = ranges; *range; range++) {
        g_auto(GStrv) parts = g_strsplit(*range, ";", 8);
        const char *name = parts[0] ? g_strstrip(parts[0]) : "";
        double weight = 1;
        for (char **part = parts; *part; part++) {
            const char *text = g_strstrip(*part);
            weight = g_str_has_prefix(text, "q=") ? g_ascii_strtod(text + 2, NULL) : weight;
        }
        int rank = !g_ascii_strcasecmp(name, type)              ? 0
                   : !g_ascii_strcasecmp(name, "application/*") ? 1
                   : !strcmp(name, "*/*")                       ? 2
                                                                : -1;
        if (rank >= 0) {
            weights[rank] = weight;
        }
    }
    return weights[0] >= 0 ? weights[0] : weights[1] >= 0 ? weights[1] : MAX(weights[2], 0);
}

bool
home_is_wanted(const struct request *request)
{
    const char *accept = request_header(request, "Accept");
    return accept && strlen(accept) < 4096 &&
           weight_of(accept, "application/json-home") > weight_of(accept, "application/json");
}
