// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/nb_address.h"
#include "common/base/util.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static int
parse(const char *text, unsigned char bytes[16])
{
    if (inet_pton(AF_INET, text, bytes) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, text, bytes) == 1 ? 6 : 0;
}

int
nb_address_version(const char *address)
{
    unsigned char bytes[16];
    return address ? parse(address, bytes) : 0;
}

static void
clear_host_bits(unsigned char *bytes, int n_bits, int prefix)
{
    for (int bit = prefix; bit < n_bits; bit++) {
        bytes[bit / 8] &= ~(0x80 >> bit % 8);
    }
}

static void
format(int version, const unsigned char bytes[16], int prefix, char ret_cidr[NB_ADDRESS_SIZE])
{
    char address[INET6_ADDRSTRLEN];
    inet_ntop(version == 4 ? AF_INET : AF_INET6, bytes, address, sizeof address);
    snprintf(ret_cidr, NB_ADDRESS_SIZE, "%s/%d", address, prefix);
}

enum rc
nb_cidr(const char *what, const char *text, int version, char ret_cidr[NB_ADDRESS_SIZE],
        bool *ret_is_all, struct err *err)
{
    char address[NB_ADDRESS_SIZE];
    unsigned char bytes[16];
    const char *slash = text ? strchr(text, '/') : NULL;
    size_t len = text ? (slash ? (size_t)(slash - text) : strlen(text)) : 0;
    int64_t prefix = version == 4 ? 32 : 128;
    int n_bits = (int)prefix;
    if (!len || len >= sizeof address) {
        return fault(err, RC_INVALID, "%s '%.64s' is not an address or CIDR", what,
                     text ? text : "");
    }
    memcpy(address, text, len);
    address[len] = 0;
    if (parse(address, bytes) != version ||
        (slash && !parse_int64(slash + 1, 0, n_bits, &prefix))) {
        return fault(err, RC_INVALID, "%s '%.64s' is not an IPv%d address or CIDR", what, text,
                     version);
    }
    clear_host_bits(bytes, n_bits, (int)prefix);
    format(version, bytes, (int)prefix, ret_cidr);
    if (prefix == n_bits) {
        ret_cidr[strcspn(ret_cidr, "/")] = 0;
    }
    *ret_is_all = prefix == 0;
    return RC_OK;
}

enum rc
nb_network_of(const char *ip, int prefix, char ret_cidr[NB_ADDRESS_SIZE], struct err *err)
{
    unsigned char bytes[16];
    int version = ip ? parse(ip, bytes) : 0;
    int n_bits = version == 4 ? 32 : 128;
    if (!version || prefix < 0 || prefix > n_bits) {
        return fault(err, RC_INVALID, "'%.64s/%d' is not an address with its prefix length",
                     ip ? ip : "", prefix);
    }
    clear_host_bits(bytes, n_bits, prefix);
    format(version, bytes, prefix, ret_cidr);
    return RC_OK;
}

enum rc
nb_check_ip(const char *what, const char *ip, int version, struct err *err)
{
    int found = nb_address_version(ip);
    if (!found || (version && found != version)) {
        return fault(err, RC_INVALID, "%s '%.64s' is not an IP address", what, ip ? ip : "");
    }
    return RC_OK;
}

enum rc
nb_check_mac(const char *mac, struct err *err)
{
    bool good = mac && strlen(mac) == 17;
    for (int i = 0; good && i < 17; i++) {
        good = i % 3 == 2 ? mac[i] == ':' : g_ascii_isxdigit(mac[i]);
    }
    return good ? RC_OK : fault(err, RC_INVALID, "'%.64s' is not a MAC address", mac ? mac : "");
}

void
nb_mac_derive(const char *name, char ret_mac[18])
{
    g_autofree char *digest = sha256_hex(name, strlen(name));
    snprintf(ret_mac, 18, "fa:16:3e:%.2s:%.2s:%.2s", digest, digest + 2, digest + 4);
}
