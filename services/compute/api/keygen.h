// SPDX-License-Identifier: Apache-2.0
// SSH keys: making an RSA pair and reading a public key as clients give it (RFC 4253 section 6.6).
// Pure.
#pragma once
#include "common/base/err.h"

// PEM private key and "ssh-rsa AAAA… Generated-by-Nova"; the caller frees both (the private one
// with keygen_wipe).
enum rc keygen_rsa(char **ret_private, char **ret_public, struct err *err) CHECKED;
// A self-signed client certificate in PEM, and it with its key as base64 PKCS #12 without a
// password, as Nova gives for Windows' remote management. The caller frees both.
enum rc keygen_x509(const char *user_name, char **ret_private, char **ret_public,
                    struct err *err) CHECKED;
// "AA:BB:…", the SHA-1 of the certificate. RC_INVALID when it is none.
enum rc keygen_x509_fingerprint(const char *certificate, char **ret_fingerprint,
                                struct err *err) CHECKED;
void keygen_wipe(char *secret);
// "aa:bb:…", the MD5 of the key's blob as Nova shows it; the caller frees. RC_INVALID when it is no
// SSH public key.
enum rc keygen_fingerprint(const char *public_key, char **ret_fingerprint, struct err *err) CHECKED;
