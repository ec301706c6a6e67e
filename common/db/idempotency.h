// SPDX-License-Identifier: Apache-2.0
// The same POST with the same Idempotency-Key makes one thing. The key is claimed in the creating
// transaction.
#pragma once
#include "common/db/db.h"

// key NULL or "": nothing to do, RC_OK, *ret_existing NULL. Inside db_tx. Claims (project, key) for
// resource_id; when it was claimed before with the same request_hash, *ret_existing is that
// resource's id (caller frees) and the caller answers with it; with another hash: RC_CONFLICT.
enum rc idempotency_claim(struct db *db, const char *project_id, const char *key,
                          const char *request_hash, const char *resource_id, char **ret_existing,
                          struct err *err) CHECKED;
