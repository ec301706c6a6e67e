// SPDX-License-Identifier: Apache-2.0
// Key pairs of type x509.
#include <glib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "services/compute/api/keygen.h"

#define RSA_BITS 2048
#define LIFETIME_S (10L * 365 * 24 * 3600)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PKCS12, PKCS12_free)

static char *
bio_text(BIO *bio)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    return g_strndup(data, (gsize)size);
}

static bool
add_client_use(X509 *certificate)
{
    X509_EXTENSION *use = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, "clientAuth");
    bool ok = use && X509_add_ext(certificate, use, -1);
    X509_EXTENSION_free(use);
    return ok;
}

static bool
fill_certificate(X509 *certificate, EVP_PKEY *key, const char *user_name)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    g_autofree char *common_name = g_strndup(user_name, 64);
    return X509_set_version(certificate, X509_VERSION_3) &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), g_random_int()) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), LIFETIME_S) &&
           X509_set_pubkey(certificate, key) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) &&
           X509_set_issuer_name(certificate, name) && add_client_use(certificate) &&
           X509_sign(certificate, key, EVP_sha256());
}

static char *
bundle_text(EVP_PKEY *key, X509 *certificate)
{
    g_autoptr(PKCS12) bundle = PKCS12_create("", NULL, key, certificate, NULL, 0, 0, 0, 0, 0);
    g_autofree unsigned char *bytes = NULL;
    int size = bundle ? i2d_PKCS12(bundle, NULL) : -1;
    if (size <= 0) {
        return NULL;
    }
    bytes = g_malloc((gsize)size);
    unsigned char *at = bytes;
    i2d_PKCS12(bundle, &at);
    return g_base64_encode(bytes, (gsize)size);
}

enum rc
keygen_x509(const char *user_name, char **ret_private, char **ret_public, struct err *err)
{
    g_autoptr(EVP_PKEY) key = EVP_RSA_gen(RSA_BITS);
    g_autoptr(X509) certificate = X509_new();
    g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
    if (!key || !certificate || !bio || !fill_certificate(certificate, key, user_name) ||
        !PEM_write_bio_X509(bio, certificate)) {
        return fault(err, RC_INTERNAL, "cannot make a certificate");
    }
    char *secret = bundle_text(key, certificate);
    if (!secret) {
        return fault(err, RC_INTERNAL, "cannot bundle a certificate and its key");
    }
    *ret_private = secret;
    *ret_public = bio_text(bio);
    return RC_OK;
}

enum rc
keygen_x509_fingerprint(const char *certificate, char **ret_fingerprint, struct err *err)
{
    g_autoptr(BIO) bio = BIO_new_mem_buf(certificate, -1);
    g_autoptr(X509) parsed = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!parsed || !X509_digest(parsed, EVP_sha1(), digest, &size)) {
        return fault(err, RC_INVALID,
                     "Keypair data is invalid: failed to generate X509 fingerprint");
    }
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < size; i++) {
        g_string_append_printf(text, "%s%02X", i ? ":" : "", digest[i]);
    }
    *ret_fingerprint = g_string_free(text, FALSE);
    return RC_OK;
}
