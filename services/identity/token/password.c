// SPDX-License-Identifier: Apache-2.0
// bcrypt ($2b$, cost 12) by libcrypt, as Keystone's default scheme; its hashes can be taken over.
#include "common/base/util.h"
#include "services/identity/identity.h"
#include "services/identity/token/hasher.h"
#include <crypt.h>
#include <string.h>

#define COST 12
#define MAX_BYTES 72 // what bcrypt reads

// A hash of this cost that no password has: what unknown users are compared with.
static const char nobodys_hash[] = "$2b$12$LQv3c1yqBWVHxkd0LHAkCOYz6TtxMQJqhN8/X4bZ0a1n0y6y6y6ya";

enum rc
password_check(const char *password, struct err *err)
{
    if (!password || !password[0]) {
        return fault(err, RC_INVALID, "invalid input for field 'password': it is empty");
    }
    if (strlen(password) > MAX_BYTES) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'password': it is longer than %d bytes", MAX_BYTES);
    }
    return RC_OK;
}

enum rc
password_hash(const char *password, char **ret_hash, struct err *err)
{
    enum rc rc = password_check(password, err);
    if (rc) {
        return rc;
    }
    char random[16], salt[CRYPT_GENSALT_OUTPUT_SIZE];
    random_bytes(random, sizeof random);
    g_autofree char *hash = crypt_gensalt_rn("$2b$", COST, random, sizeof random, salt, sizeof salt)
                                ? hasher_run(password, salt)
                                : NULL;
    if (!hash || hash[0] == '*') {
        return fault(err, RC_INTERNAL, "cannot hash a password");
    }
    *ret_hash = g_steal_pointer(&hash);
    return RC_OK;
}

bool
password_matches(const char *password, const char *hash)
{
    bool is_known = hash && password && password[0] && strlen(password) <= MAX_BYTES;
    g_autofree char *got = hasher_run(is_known ? password : "x", is_known ? hash : nobodys_hash);
    return is_known && got && got[0] != '*' && equal_constant_time(got, hash);
}
