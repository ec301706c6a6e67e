// SPDX-License-Identifier: Apache-2.0
// The auth method "mapped": who signs in by an identity provider. Its word comes as a JSON Web
// Token (Authorization: Bearer) that is verified here, or in the headers of a proxy that the
// operator trusts with it; a mapping says who that is here, and in which groups.
#pragma once
#include "services/identity/token/auth_place.h"

// What a token shows of it.
struct federated {
    char *provider_id, *protocol_id;
    char **group_ids; // NULL-terminated; NULL: the user is one of our own
};
void federated_free(struct federated *federated); // NULL is fine
// Claim "fed" of a token or receipt; NULL: there is none. The caller frees.
struct federated *federated_from_claim(json_t *claim);

struct federation; // the settings, and providers' keys
struct federation *federation_new(const struct conf *conf);
// One round of ending memberships whose time is over.
#define FEDERATION_INTERVAL_MS 5000
void federation_expire(void *identity);

// RC_UNAUTHORIZED whatever is wrong with it (why is in the log); RC_UNAVAILABLE: the provider's
// keys cannot be had. person->row is the user then, and person->federated is set.
enum rc method_check_mapped(const struct request *request, struct db *db, const struct login *login,
                            struct person *person, struct err *err) CHECKED;
// The token's provider, protocol and groups: of this sign-in, or of the token it is made from.
void federation_fill(const struct person *person, struct auth_context *token);
// place->row of somebody with such groups, roles by them included; nothing for others. RC_OK with
// place->row NULL: no such place, as for who has no groups.
enum rc federation_place(struct db *db, const struct person *person, enum scope_kind scope,
                         const struct named *target, struct place *place, struct err *err) CHECKED;

// The assertion of a proxy that the operator trusts, new reference; NULL: the request is not from
// such a one, or it says nothing. RC_UNAUTHORIZED: it contradicts itself.
enum rc federation_assertion(const struct request *request, json_t **ret_assertion,
                             struct err *err) CHECKED;
const char *federation_remote_id_attribute(const struct request *request); // the setting
