// SPDX-License-Identifier: Apache-2.0
// Addresses as OVN wants them. Pure. Every text that goes into a match or an option passes here, so
// that nothing else can.
#pragma once
#include "common/base/err.h"
#include <stddef.h>

#define NB_ADDRESS_SIZE 64 // an IPv6 address with its prefix length, and the terminator

// 4, 6, or 0 when it is not an address.
int nb_address_version(const char *address);
// Address or CIDR (then without host bits) in canonical form; prefix length left out when it is the
// whole address. *ret_is_all: the prefix length is 0. RC_INVALID names `what`.
enum rc nb_cidr(const char *what, const char *text, int version, char ret_cidr[NB_ADDRESS_SIZE],
                bool *ret_is_all, struct err *err) CHECKED;
// "10.0.0.5", 24 → "10.0.0.0/24".
enum rc nb_network_of(const char *ip, int prefix, char ret_cidr[NB_ADDRESS_SIZE],
                      struct err *err) CHECKED;
enum rc nb_check_ip(const char *what, const char *ip, int version,
                    struct err *err) CHECKED; // version 0: any
enum rc nb_check_mac(const char *mac, struct err *err) CHECKED;
// A locally administered MAC address that is always the same for the same name.
void nb_mac_derive(const char *name, char ret_mac[18]);
