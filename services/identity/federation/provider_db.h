// SPDX-License-Identifier: Apache-2.0
// Rows that come with identity providers: their domains and protocols.
#pragma once
#include "services/identity/identity.h"

// A domain for the users of a new provider.
enum rc provider_db_make_domain(struct db *db, const char *domain_id, const char *provider_id,
                                struct err *err) CHECKED;

// One protocol of a provider as its row is; remote_id_attribute NULL: none.
struct protocol_row {
    const char *provider_id, *id, *mapping_id, *remote_id_attribute;
    bool has_attribute; // update: the attribute is given, NULL too
};
// JSON texts as the API shows them: the items of a list, {"id", …} of one. The caller frees.
// RC_NOT_FOUND names the protocol.
enum rc protocol_db_list(struct db *db, const char *provider_id, const char *base_url,
                         char **ret_text, struct err *err) CHECKED;
enum rc protocol_db_show(struct db *db, const char *provider_id, const char *id,
                         const char *base_url, char **ret_text, struct err *err) CHECKED;
// RC_INVALID: no such mapping; RC_NOT_FOUND: no such provider; RC_CONFLICT: the protocol is there.
enum rc protocol_db_create(struct db *db, const struct protocol_row *row, struct err *err) CHECKED;
// NULL: as it is. RC_INVALID: no such mapping; RC_NOT_FOUND: no such protocol.
enum rc protocol_db_update(struct db *db, const struct protocol_row *row, struct err *err) CHECKED;
enum rc protocol_db_delete(struct db *db, const char *provider_id, const char *id,
                           struct err *err) CHECKED;
