// SPDX-License-Identifier: Apache-2.0
// Rows of proof.
#pragma once
#include "services/identity/account/proof.h"

enum rc proof_db_add(struct db *db, const char *kind, const struct proof_ask *ask,
                     const char *token_hash, int64_t life_s, struct err *err) CHECKED;
// One row: id, email, user_id, subject_id, detail, is_used, is_late. RC_NOT_FOUND.
enum rc proof_db_find(struct db *db, const char *kind, const char *token_hash, bool lock,
                      db_result **ret_row, struct err *err) CHECKED;
enum rc proof_db_use(struct db *db, int64_t id, struct err *err) CHECKED;
enum rc proof_db_end(struct db *db, const char *kind, const char *email, const char *user_id,
                     const char *subject_id, struct err *err) CHECKED;
// ret_locale: the caller frees; NULL when no sign-up waits.
enum rc proof_db_renew_sign_up(struct db *db, const char *email, const char *token_hash,
                               int64_t life_s, char **ret_locale, struct err *err) CHECKED;
enum rc proof_db_prune(struct db *db, struct err *err) CHECKED;
