// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/totp.h"
#include "common/base/util.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define SECRET_MAX 128 // bytes

// The number of bytes, or -1 when the text is not base32.
static int
decode_base32(const char *text, unsigned char ret_bytes[SECRET_MAX])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned buffer = 0;
    int n_bits = 0, n = 0;
    for (; *text && *text != '='; text++) {
        const char *at = strchr(alphabet, g_ascii_toupper(*text));
        if (!at || n == SECRET_MAX) {
            return -1;
        }
        buffer = buffer << 5 | (unsigned)(at - alphabet);
        n_bits += 5;
        if (n_bits >= 8) {
            n_bits -= 8;
            ret_bytes[n++] = (unsigned char)(buffer >> n_bits);
        }
    }
    return text[strspn(text, "=")] ? -1 : n;
}

// RFC 4226 §5.3.
static void
code_of(const unsigned char *key, int key_size, int64_t step, char ret_code[TOTP_DIGITS + 1])
{
    unsigned char counter[8], mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    for (int i = 7; i >= 0; i--, step >>= 8) {
        counter[i] = (unsigned char)step;
    }
    HMAC(EVP_sha1(), key, key_size, counter, sizeof counter, mac, &size);
    unsigned offset = mac[size - 1] & 15;
    unsigned number = (mac[offset] & 127u) << 24 | (unsigned)mac[offset + 1] << 16 |
                      (unsigned)mac[offset + 2] << 8 | mac[offset + 3];
    snprintf(ret_code, TOTP_DIGITS + 1, "%06u", number % 1000000);
}

bool
totp_matches(const char *secret, const char *passcode, int64_t now_s, int n_previous,
             int64_t *ret_step)
{
    unsigned char key[SECRET_MAX];
    int size = decode_base32(secret, key);
    bool found = false;
    for (int i = 0; size > 0 && i <= n_previous; i++) {
        char code[TOTP_DIGITS + 1];
        int64_t step = now_s / TOTP_PERIOD_S - i;
        code_of(key, size, step, code);
        if (equal_constant_time(code, passcode) && !found) {
            found = true;
            *ret_step = step;
        }
    }
    OPENSSL_cleanse(key, sizeof key);
    return found;
}
