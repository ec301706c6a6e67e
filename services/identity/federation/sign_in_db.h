// SPDX-License-Identifier: Apache-2.0
// What a federated sign-in reads and leaves.
#pragma once
#include "services/identity/token/auth.h"

// One row: enabled, domain_enabled, domain_id, remote_ids, ttl (minutes), remote_id_attribute,
// rules, schema_version. RC_NOT_FOUND: no such provider, protocol or mapping.
enum rc sign_in_db_load(struct db *db, const struct login *login, int64_t default_ttl,
                        db_result **ret_row, struct err *err) CHECKED;

// Somebody who is no user here but by this.
struct shadow {
    const char *provider_id, *protocol_id, *unique_id, *derived_id;
    const char *domain_id, *name, *email; // email NULL: none said
    const char *domain_name;              // instead of domain_id
    const char *home_id;                  // domain of projects that name none: the provider's
    json_t *groups, *projects;            // of mapping_apply
    int64_t ttl_min, token_s;
};
#define SHADOW_GROUPS_MAX 128
#define UNIQUE_ID_MAX 2048 // bytes: it is part of an index's key
// In a transaction. Makes or renews the user, the memberships and the projects. ret_user_id,
// ret_group_ids (JSON array) are the caller's. RC_UNAUTHORIZED: a group, domain or role is not
// there; err says which kind.
enum rc sign_in_db_shadow(struct db *db, const struct shadow *shadow, char **ret_user_id,
                          json_t **ret_group_ids, struct err *err) CHECKED;
// By whom a user is known from now on. ret_wrong: NULL, or {"provider", "protocol", "has_provider",
// "has_protocol"} of the first that cannot be; new reference.
struct known_by {
    const char *user_id;
    json_t *federated; // as users show it
    bool anywhere;     // providers of other domains too
};
enum rc sign_in_db_set_user(struct db *db, const struct known_by *known, json_t **ret_wrong,
                            struct err *err) CHECKED;
// At most max memberships that are over.
enum rc sign_in_db_expire(struct db *db, int64_t max, struct err *err) CHECKED;

// The provider that has this protocol and is named by the assertion ({"attribute": [value]}): by
// the attribute that the protocol says, else by this one. RC_NOT_FOUND. The caller frees.
enum rc sign_in_db_provider(struct db *db, const char *protocol_id, json_t *assertion,
                            const char *attribute, char **ret_provider_id, struct err *err) CHECKED;

// As auth_db_project_scope and its like, with the roles of these groups too.
enum rc sign_in_db_scope(struct db *db, const char *user_id, const char *const *group_ids,
                         enum scope_kind scope, const struct named *target, db_result **ret_row,
                         struct err *err) CHECKED;
// As auth_db_projects and auth_db_domains; is_domain: which.
enum rc sign_in_db_reach(struct db *db, const struct auth_context *auth, bool is_domain,
                         const char *base_url, char **ret_text, struct err *err) CHECKED;
