// SPDX-License-Identifier: Apache-2.0
// Rows of implied_role. Texts are JSON; the callers free them.
#pragma once
#include "services/identity/identity.h"

// RC_NOT_FOUND: no such role. RC_INVALID: a circle.
enum rc role_db_imply(struct db *db, const char *prior_id, const char *implied_id,
                      struct err *err) CHECKED;
enum rc role_db_unimply(struct db *db, const char *prior_id, const char *implied_id,
                        struct err *err) CHECKED;
enum rc role_db_inference(struct db *db, const char *prior_id, const char *implied_id,
                          const char *base_url, char **ret_text, struct err *err) CHECKED;
enum rc role_db_inferences_of(struct db *db, const char *prior_id, const char *base_url,
                              char **ret_text, struct err *err) CHECKED;
enum rc role_db_inferences(struct db *db, const char *base_url, char **ret_text,
                           struct err *err) CHECKED;
