// SPDX-License-Identifier: Apache-2.0
// IP addresses, prefixes, ranges and MAC addresses as plain values, for subnet planning and address
// checks. Pure.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_SIZE 46 // text of any address with its terminator
#define PREFIX_SIZE 50
#define MAC_SIZE 18

struct address {
    int version;             // 4 or 6
    unsigned __int128 value; // host order; IPv4 uses the low 32 bits
};
struct prefix {
    struct address address; // as given, host bits included
    int length;
};
struct address_range {
    struct address first, last;
};

// Plain addresses only: no mask, no blanks, no leading zeros in IPv4.
bool address_parse(const char *text, struct address *ret_address);
void address_format(const struct address *address, char ret_text[ADDRESS_SIZE]);
struct address address_add(struct address address, long long n);
int address_compare(const struct address *a, const struct address *b); // IPv4 before IPv6

// "10.0.0.0/24"; a plain address is a prefix of full length.
bool prefix_parse(const char *text, struct prefix *ret_prefix);
void prefix_format(const struct prefix *prefix,
                   char ret_text[PREFIX_SIZE]); // with the host bits cleared
struct address prefix_first(const struct prefix *prefix);
struct address prefix_last(const struct prefix *prefix);
bool prefix_contains(const struct prefix *prefix, const struct address *address);
// May the address belong to a host: inside, and for IPv4 neither network nor broadcast (where the
// prefix has them).
bool prefix_has_host(const struct prefix *prefix, const struct address *address);

// Six pairs of hexadecimal digits with colons or dashes, unicast; lower case with colons comes out.
bool mac_parse(const char *text, char ret_mac[MAC_SIZE]);
void mac_generate(char ret_mac[MAC_SIZE]); // fa:16:3e:…
// The address that a host with this MAC gives itself in a /64 (RFC 4291, appendix A).
struct address address_from_mac(const struct prefix *prefix, const char *mac);
