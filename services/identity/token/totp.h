// SPDX-License-Identifier: Apache-2.0
// Time-based one-time passwords (RFC 6238): HMAC-SHA1, 6 digits, periods of 30 s. Pure.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TOTP_PERIOD_S 30
#define TOTP_DIGITS 6

// True when passcode is that of now's period or of one of n_previous before it; ret_step: which
// (periods since the epoch). secret: base32 (RFC 4648), padding and case as they come. The same
// work whichever period it is.
bool totp_matches(const char *secret, const char *passcode, int64_t now_s, int n_previous,
                  int64_t *ret_step);
