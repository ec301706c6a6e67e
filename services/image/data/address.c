// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/base/util.h"

static bool
is_public_v4(uint32_t address)
{
    static const struct {
        uint32_t network;
        int bits;
    } others[] = {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0586300, 24}, {0xc0a80000, 16},
        {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
    };
    for (size_t i = 0; i < N_ELEMENTS(others); i++) {
        if ((address ^ others[i].network) >> (32 - others[i].bits) == 0) {
            return false;
        }
    }
    return true;
}

bool
address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        return is_public_v4(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    uint32_t high = (uint32_t)v6->s6_addr[0] << 24 | (uint32_t)v6->s6_addr[1] << 16 |
                    (uint32_t)v6->s6_addr[2] << 8 | v6->s6_addr[3];
    // Global unicast is 2000::/3; everything else is local, mapped, or not for us. 2002::/16 and,
    // in 2001::/23, Teredo wrap v4; 2001:db8::/32 is nobody's (RFC 6890).
    return high >> 29 == 1 && high >> 16 != 0x2002 && high >> 9 != 0x20010000 >> 9 &&
           high != 0x20010db8;
}
