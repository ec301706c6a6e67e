// SPDX-License-Identifier: Apache-2.0
// An EC2 key pair of a user on a project.
#pragma once
#include "services/identity/identity.h"

struct ec2_key {
    json_t *blob; // owned; the texts below are its, or the row's
    const char *user_id, *project_id, *access, *secret;
};
// Row i of credential_db_find_ec2 or credential_db_list_ec2.
enum rc ec2_key_open(struct secret_ring *ring, const db_result *rows, int i,
                     struct ec2_key *ret_key, struct err *err) CHECKED;
