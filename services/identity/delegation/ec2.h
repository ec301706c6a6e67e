// SPDX-License-Identifier: Apache-2.0
// EC2 key pairs of users on projects.
#pragma once
#include "services/identity/identity.h"

// What a new key's row is called and each key is found by, as in Keystone: the SHA-256 of the
// access key in hex. Owned by the caller.
char *ec2_key_id(const char *access);

struct ec2_key {
    json_t *blob; // owned; the texts below are its, or the row's
    const char *user_id, *project_id, *access, *secret;
};
// Row i of credential_db_find_ec2 or credential_db_list_ec2.
enum rc ec2_key_open(struct secret_ring *ring, const db_result *rows, int i,
                     struct ec2_key *ret_key, struct err *err) CHECKED;
