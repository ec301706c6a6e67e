// SPDX-License-Identifier: Apache-2.0
// Which addresses a tenant's URL may lead to: those that the Internet routes (RFC 6890), not what
// lies within this cloud or beside it, nor an address that wraps one of these. Pure.
#pragma once
#include "common/base/err.h"
#include <stdbool.h>
#include <sys/socket.h>

bool address_is_public(const struct sockaddr *address);
// networks: "192.0.2.0/24, 2001:db8::/32, 198.51.100.7"; "": none. RC_INVALID names the setting and
// what is none.
enum rc networks_check(const char *setting, const char *networks, struct err *err) CHECKED;
// networks: as checked. An address of IPv6 that maps one of IPv4 is that one.
bool networks_have(const char *networks, const struct sockaddr *address);
