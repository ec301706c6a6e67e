// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/address.h"

#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

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

struct network {
    struct in6_addr address;
    int bits;
};

static struct in6_addr
mapped(struct in_addr v4)
{
    struct in6_addr v6 = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&v6.s6_addr[12], &v4, sizeof v4);
    return v6;
}

static bool
parse_network(const char *text, struct network *ret_network)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    struct in_addr v4;
    const char *address = parts[0] ? parts[0] : "";
    bool is_v4 = inet_pton(AF_INET, address, &v4) == 1;
    int64_t max = is_v4 ? 32 : 128, bits = max;
    if (is_v4) {
        ret_network->address = mapped(v4);
    } else if (inet_pton(AF_INET6, address, &ret_network->address) != 1) {
        return false;
    }
    bool is_good = !parts[0] || !parts[1] || parse_int64(parts[1], 0, max, &bits);
    ret_network->bits = (int)(128 - max + bits);
    return is_good;
}

static bool
network_has(const struct network *network, const struct in6_addr *address)
{
    int n = network->bits / 8, rest = network->bits % 8;
    return !memcmp(&network->address, address, (size_t)n) &&
           (!rest || !((network->address.s6_addr[n] ^ address->s6_addr[n]) >> (8 - rest)));
}

enum rc
networks_check(const char *setting, const char *networks, struct err *err)
{
    g_auto(GStrv) all = g_strsplit(networks, ",", -1);
    struct network network;
    for (char **each = all; *each; each++) {
        if (*g_strstrip(*each) && !parse_network(*each, &network)) {
            return fault(err, RC_INVALID, "setting %s: '%.60s' is not a network like 192.0.2.0/24",
                         setting, *each);
        }
    }
    return RC_OK;
}

bool
networks_have(const char *networks, const struct sockaddr *address)
{
    g_auto(GStrv) all = g_strsplit(networks, ",", -1);
    struct in6_addr v6;
    if (address->sa_family == AF_INET) {
        v6 = mapped(((const struct sockaddr_in *)address)->sin_addr);
    } else if (address->sa_family == AF_INET6) {
        v6 = ((const struct sockaddr_in6 *)address)->sin6_addr;
    } else {
        return false;
    }
    struct network network;
    bool found = false;
    for (char **each = all; *each && !found; each++) {
        found = parse_network(g_strstrip(*each), &network) && network_has(&network, &v6);
    }
    return found;
}
