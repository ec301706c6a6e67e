// SPDX-License-Identifier: Apache-2.0
// bcrypt ($2b$) by libcrypt, as Keystone's default scheme; its hashes can be taken over.
#include "common/base/util.h"
#include "services/identity/identity.h"
#include "services/identity/token/hasher.h"
#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 72 // what bcrypt reads

static int the_rounds = PASSWORD_ROUNDS; // one per process, as the hasher's threads are

// The base-2 logarithm of a hash's work; of what is no bcrypt hash: the present one.
static int
rounds_of(const char *hash)
{
    bool is_bcrypt = g_str_has_prefix(hash, "$2") && strlen(hash) > 6;
    return is_bcrypt ? atoi(hash + 4) : the_rounds;
}

void
password_set_rounds(int rounds)
{
    the_rounds = rounds;
}

bool
password_is_outdated(const char *hash)
{
    return rounds_of(hash) != the_rounds;
}

// As much work as a hash of so many rounds: what unknown users' passwords are compared with.
static void
work_for_nothing(int rounds)
{
    char setting[32];
    g_snprintf(setting, sizeof setting, "$2b$%02d$LQv3c1yqBWVHxkd0LHAkCO", rounds);
    g_free(hasher_run("x", setting));
}

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
    g_autofree char *hash = crypt_gensalt_rn("$2b$", (unsigned long)the_rounds, random,
                                             sizeof random, salt, sizeof salt)
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
    if (!is_known) {
        work_for_nothing(the_rounds);
        return false;
    }
    g_autofree char *got = hasher_run(password, hash);
    // A hash of less work takes as long as the others: 2^n + 2^n + 2^(n+1) + … = 2^rounds.
    for (int rounds = rounds_of(hash); rounds < the_rounds; rounds++) {
        work_for_nothing(rounds);
    }
    return got && got[0] != '*' && equal_constant_time(got, hash);
}
