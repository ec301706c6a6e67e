// SPDX-License-Identifier: Apache-2.0
#include "common/db/lease.h"

#include "common/base/util.h"

#include <unistd.h>

const char *
lease_owner(void)
{
    static gsize once;
    static char owner[160];
    if (g_once_init_enter(&once)) {
        g_autofree char *random = random_token(6);
        g_snprintf(owner, sizeof(owner), "%s@%s:%d:%s",
                   g_get_prgname() ? g_get_prgname() : "haneul", g_get_host_name(), (int)getpid(),
                   random);
        g_once_init_leave(&once, 1);
    }
    return owner;
}
