// SPDX-License-Identifier: Apache-2.0
// Which tokens were made by something that a user delegated.
#include "common/base/util.h"
#include "services/identity/token/auth.h"
#include <string.h>

bool
auth_is_delegated(const struct auth_context *auth)
{
    static const char *const methods[] = {"application_credential", "oauth1", "ec2credential"};
    bool found = auth->trust_id && auth->trust_id[0];
    g_auto(GStrv) used = g_strsplit(auth->methods, ",", 16);
    for (size_t i = 0; i < N_ELEMENTS(methods) && !found; i++) {
        found = g_strv_contains((const char *const *)used, methods[i]);
    }
    return found;
}
