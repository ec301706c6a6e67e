// SPDX-License-Identifier: Apache-2.0
// Rows of domain_config.
#pragma once
#include "services/identity/identity.h"

// ret_config: new reference, an empty object when there is none. RC_NOT_FOUND: no such domain,
// which stays locked in a transaction.
enum rc domain_config_db_get(struct db *db, const char *domain_id, json_t **ret_config,
                             struct err *err) CHECKED;
// An empty object: no row.
enum rc domain_config_db_set(struct db *db, const char *domain_id, json_t *config,
                             struct err *err) CHECKED;
