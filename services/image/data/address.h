// SPDX-License-Identifier: Apache-2.0
// Which addresses a tenant's URL may lead to: those that the Internet routes (RFC 6890), not what
// lies within this cloud or beside it, nor an address that wraps one of these. Pure.
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

bool address_is_public(const struct sockaddr *address);
