// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "services/identity/identity.h"

// One writer of limits at a time, until the transaction ends.
enum rc limit_db_lock(struct db *db, struct err *err) CHECKED;

// What a new or changed row refers to; any may be NULL.
struct limit_refs {
    const char *service_id, *region_id, *project_id, *domain_id, *resource_name;
};
// One row: has_service, has_region, is_project, is_domain (of project_id), has_domain,
// is_registered.
enum rc limit_db_find_refs(struct db *db, const struct limit_refs *refs, db_result **ret_row,
                           struct err *err) CHECKED;
// RC_FORBIDDEN when the limit's row breaks the model.
enum rc limit_db_check_model(struct db *db, const char *limit_id, struct err *err) CHECKED;
// RC_FORBIDDEN: the project's or domain's limit that is in force, now that another row of it went,
// breaks the model.
enum rc limit_db_check_rest(struct db *db, const struct limit_refs *refs, struct err *err) CHECKED;
// RC_FORBIDDEN: with the default, or without the domain's limit, that this transaction changed a
// project's limit is above what bounds it. Flat and tree: never.
enum rc limit_db_check_resource(struct db *db, const char *service_id, const char *resource_name,
                                struct err *err) CHECKED;
// RC_FORBIDDEN: some limit breaks the model.
enum rc limit_db_check_all(struct db *db, struct err *err) CHECKED;
enum rc limit_db_is_referenced(struct db *db, const char *registered_limit_id, bool *ret_is,
                               struct err *err) CHECKED;

// quota_set_limits in steps; each one statement for all of them.
enum rc limit_db_check_names(struct db *db, const char *limits_json, struct err *err) CHECKED;
enum rc limit_db_store(struct db *db, const char *limits_json, struct err *err) CHECKED;
enum rc limit_db_check_models(struct db *db, const char *limits_json, struct err *err) CHECKED;
// limit_db_check_resource of the defaults among them.
enum rc limit_db_check_defaults(struct db *db, const char *limits_json, struct err *err) CHECKED;
enum rc limit_db_events(struct db *db, const char *limits_json, json_t **ret_events,
                        struct err *err) CHECKED;

// Forgets that limits were taken back from projects that are gone for a day and more: what a reader
// that never heard it still has is about nothing.
enum rc limit_db_collect(struct db *db, struct err *err) CHECKED;

// names: JSON array of {service, name, alias, default_limit, description}.
enum rc limit_db_register(struct db *db, const char *names_json, struct err *err) CHECKED;
// Limits that an older version had only as events become rows.
enum rc limit_db_adopt(struct db *db, const char *names_json, struct err *err) CHECKED;
// Publishes everything anew when model or region changed. RC_FORBIDDEN: a limit that is there
// breaks the model.
enum rc limit_db_use(struct db *db, const char *model, const char *region_id,
                     struct err *err) CHECKED;
enum rc limit_db_model(struct db *db, char **ret_model, struct err *err) CHECKED;
// RC_CONFLICT names a project deeper than `depth` below its domain.
enum rc limit_db_check_depth(struct db *db, int depth, struct err *err) CHECKED;
