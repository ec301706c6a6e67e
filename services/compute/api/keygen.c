// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/keygen.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "common/base/util.h"

#define RSA_BITS 2048

static void
append_u32(GByteArray *out, uint32_t number)
{
    guint8 bytes[4] = {number >> 24, number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff};
    g_byte_array_append(out, bytes, sizeof(bytes));
}

static void
append_string(GByteArray *out, const void *data, unsigned size)
{
    append_u32(out, size);
    g_byte_array_append(out, data, size);
}

// An mpint: big endian, with a zero byte in front when the highest bit is set.
static void
append_number(GByteArray *out, const BIGNUM *number)
{
    unsigned size = (unsigned)BN_num_bytes(number);
    g_autofree guint8 *bytes = g_malloc0(size + 1);
    BN_bn2bin(number, bytes + 1);
    bool needs_zero = size && bytes[1] & 0x80;
    append_string(out, needs_zero ? bytes : bytes + 1, needs_zero ? size + 1 : size);
}

static char *
public_text(const EVP_PKEY *key)
{
    BIGNUM *modulus = NULL, *exponent = NULL;
    char *text = NULL;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus) &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent)) {
        g_autoptr(GByteArray) blob = g_byte_array_new();
        append_string(blob, "ssh-rsa", 7);
        append_number(blob, exponent);
        append_number(blob, modulus);
        g_autofree char *encoded = g_base64_encode(blob->data, blob->len);
        text = g_strdup_printf("ssh-rsa %s Generated-by-Nova", encoded);
    }
    BN_free(modulus);
    BN_free(exponent);
    return text;
}

static char *
private_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *text = NULL;
    if (bio && PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL)) {
        long size = BIO_get_mem_data(bio, &data);
        text = g_strndup(data, (gsize)size);
    }
    BIO_free_all(bio);
    return text;
}

enum rc
keygen_rsa(char **ret_private, char **ret_public, struct err *err)
{
    EVP_PKEY *key = EVP_RSA_gen(RSA_BITS);
    char *secret = key ? private_text(key) : NULL;
    char *open = key ? public_text(key) : NULL;
    EVP_PKEY_free(key);
    if (!secret || !open) {
        keygen_wipe(secret);
        g_free(open);
        return fault(err, RC_INTERNAL, "cannot make an RSA key");
    }
    *ret_private = secret;
    *ret_public = open;
    return RC_OK;
}

void
keygen_wipe(char *secret)
{
    if (secret) {
        OPENSSL_cleanse(secret, strlen(secret));
        g_free(secret);
    }
}

// The blob begins with the same type name, length-prefixed.
static bool
blob_has_type(const guchar *blob, size_t size, const char *type)
{
    size_t length = strlen(type);
    if (size < 4 + length) {
        return false;
    }
    size_t given = (size_t)blob[0] << 24 | (size_t)blob[1] << 16 | (size_t)blob[2] << 8 | blob[3];
    return given == length && memcmp(blob + 4, type, length) == 0;
}

static bool
is_base64(const char *text)
{
    size_t length =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t pad = strspn(text + length, "=");
    return length > 0 && pad <= 2 && !text[length + pad] && (length + pad) % 4 == 0;
}

enum rc
keygen_fingerprint(const char *public_key, char **ret_fingerprint, struct err *err)
{
    g_autofree char *copy = g_strdup(public_key);
    g_auto(GStrv) words = g_strsplit_set(g_strstrip(copy), " \t", 3);
    if (!words[0] || !words[1] || !is_base64(words[1])) {
        return fault(err, RC_INVALID, "Keypair data is invalid: failed to generate fingerprint");
    }
    gsize size = 0;
    g_autofree guchar *blob = g_base64_decode(words[1], &size);
    if (!blob || !blob_has_type(blob, size, words[0])) {
        return fault(err, RC_INVALID, "Keypair data is invalid: failed to generate fingerprint");
    }
    g_autofree char *hex = g_compute_checksum_for_data(G_CHECKSUM_MD5, blob, size);
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < strlen(hex); i += 2) {
        g_string_append_printf(text, "%s%.2s", i ? ":" : "", hex + i);
    }
    *ret_fingerprint = g_string_free(text, FALSE);
    return RC_OK;
}
