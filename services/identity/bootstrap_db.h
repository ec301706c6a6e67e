// SPDX-License-Identifier: Apache-2.0
// Rows that a new cloud needs. Every function leaves alone what is there, and returns its id in
// ret_id.
#pragma once
#include "common/base/util.h"
#include "services/identity/identity.h"

enum rc bootstrap_db_domain(struct db *db, const char *id, const char *name,
                            struct err *err) CHECKED;
enum rc bootstrap_db_project(struct db *db, const char *domain_id, const char *name,
                             const char *description, char ret_id[HEX_ID_SIZE],
                             struct err *err) CHECKED;
// hash NULL: only look. RC_NOT_FOUND then.
enum rc bootstrap_db_user(struct db *db, const char *domain_id, const char *name, const char *hash,
                          char ret_id[HEX_ID_SIZE], struct err *err) CHECKED;
enum rc bootstrap_db_role(struct db *db, const char *name, char ret_id[HEX_ID_SIZE],
                          struct err *err) CHECKED;
enum rc bootstrap_db_imply(struct db *db, const char *prior, const char *implied,
                           struct err *err) CHECKED; // by name
enum rc bootstrap_db_grant(struct db *db, const char *user_id, const char *project_id,
                           const char *role, struct err *err) CHECKED; // role by name
enum rc bootstrap_db_service(struct db *db, const char *type, const char *name,
                             char ret_id[HEX_ID_SIZE], struct err *err) CHECKED;
// The URL is corrected when it is another.
enum rc bootstrap_db_endpoint(struct db *db, const char *service_id, const char *region,
                              const char *interface, const char *url, struct err *err) CHECKED;
