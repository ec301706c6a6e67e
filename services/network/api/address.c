// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/address.h"

#include "common/base/util.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static unsigned __int128
from_bytes(const unsigned char *bytes, size_t n)
{
    unsigned __int128 value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

bool
address_parse(const char *text, struct address *ret_address)
{
    unsigned char bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1) {
        *ret_address = (struct address){4, from_bytes(bytes, 4)};
        return true;
    }
    if (inet_pton(AF_INET6, text, bytes) == 1) {
        *ret_address = (struct address){6, from_bytes(bytes, 16)};
        return true;
    }
    return false;
}

void
address_format(const struct address *address, char ret_text[ADDRESS_SIZE])
{
    unsigned char bytes[16];
    unsigned __int128 value = address->value;
    size_t n = address->version == 4 ? 4 : 16;
    for (size_t i = n; i-- > 0; value >>= 8) {
        bytes[i] = (unsigned char)value;
    }
    inet_ntop(address->version == 4 ? AF_INET : AF_INET6, bytes, ret_text, ADDRESS_SIZE);
}

struct address
address_add(struct address address, long long n)
{
    address.value += (unsigned __int128)n;
    return address;
}

int
address_compare(const struct address *a, const struct address *b)
{
    if (a->version != b->version) {
        return a->version < b->version ? -1 : 1;
    }
    return a->value < b->value ? -1 : a->value > b->value;
}

bool
prefix_parse(const char *text, struct prefix *ret_prefix)
{
    char host[ADDRESS_SIZE];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof host) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = 0;
    struct prefix prefix;
    if (!address_parse(host, &prefix.address)) {
        return false;
    }
    int64_t bits = prefix.address.version == 4 ? 32 : 128;
    if (slash && !parse_int64(slash + 1, 0, bits, &bits)) {
        return false;
    }
    prefix.length = (int)bits;
    *ret_prefix = prefix;
    return true;
}

static unsigned __int128
host_mask(const struct prefix *prefix)
{
    int host_bits = (prefix->address.version == 4 ? 32 : 128) - prefix->length;
    return host_bits == 128 ? ~(unsigned __int128)0 : ((unsigned __int128)1 << host_bits) - 1;
}

struct address
prefix_first(const struct prefix *prefix)
{
    return (struct address){prefix->address.version, prefix->address.value & ~host_mask(prefix)};
}

struct address
prefix_last(const struct prefix *prefix)
{
    return (struct address){prefix->address.version, prefix->address.value | host_mask(prefix)};
}

void
prefix_format(const struct prefix *prefix, char ret_text[PREFIX_SIZE])
{
    char host[ADDRESS_SIZE];
    struct address first = prefix_first(prefix);
    address_format(&first, host);
    snprintf(ret_text, PREFIX_SIZE, "%s/%d", host, prefix->length);
}

bool
prefix_contains(const struct prefix *prefix, const struct address *address)
{
    struct address first = prefix_first(prefix), last = prefix_last(prefix);
    return address->version == first.version && address->value >= first.value &&
           address->value <= last.value;
}

bool
prefix_has_host(const struct prefix *prefix, const struct address *address)
{
    if (!prefix_contains(prefix, address)) {
        return false;
    }
    struct address first = prefix_first(prefix), last = prefix_last(prefix);
    if (address->version == 4 && prefix->length <= 30) {
        return address->value != first.value && address->value != last.value;
    }
    return address->version == 4 || prefix->length == 128 || address->value != first.value;
}

bool
mac_parse(const char *text, char ret_mac[MAC_SIZE])
{
    unsigned byte[6];
    char end;
    if (strlen(text) != MAC_SIZE - 1 || strspn(text, "0123456789abcdefABCDEF:-") != MAC_SIZE - 1 ||
        (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
                &byte[5], &end) != 6 &&
         sscanf(text, "%2x-%2x-%2x-%2x-%2x-%2x%c", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
                &byte[5], &end) != 6)) {
        return false;
    }
    if (byte[0] & 1 || !(byte[0] | byte[1] | byte[2] | byte[3] | byte[4] | byte[5])) {
        return false;
    }
    snprintf(ret_mac, MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", byte[0] & 255, byte[1] & 255,
             byte[2] & 255, byte[3] & 255, byte[4] & 255, byte[5] & 255);
    return true;
}

void
mac_generate(char ret_mac[MAC_SIZE])
{
    unsigned char bytes[3];
    random_bytes(bytes, sizeof bytes);
    snprintf(ret_mac, MAC_SIZE, "fa:16:3e:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2]);
}

struct address
address_from_mac(const struct prefix *prefix, const char *mac)
{
    unsigned byte[6] = {0};
    (void)!sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
                  &byte[5]);
    unsigned char eui[8] = {
        (unsigned char)(byte[0] ^ 2), (unsigned char)byte[1], (unsigned char)byte[2], 0xff, 0xfe,
        (unsigned char)byte[3],       (unsigned char)byte[4], (unsigned char)byte[5]};
    struct address address = prefix_first(prefix);
    address.value = address.value >> 64 << 64 | from_bytes(eui, sizeof eui);
    return address;
}
