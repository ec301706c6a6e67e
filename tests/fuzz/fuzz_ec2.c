// SPDX-License-Identifier: Apache-2.0
// Claims of EC2 and S3 requests, any JSON: a signature is good only with the secret that made it,
// and no claim is good with an empty signature.
#include "common/base/util.h"
#include "services/identity/delegation/ec2_sign.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(json_t *claim)
{
    static bool (*const is_good[])(json_t *, const char *) = {ec2_signature_is_good,
                                                              s3_signature_is_good};
    const char *signature = json_string_value(json_object_get(claim, "signature"));
    for (size_t i = 0; i < N_ELEMENTS(is_good); i++) {
        if (is_good[i](claim, "wrong")) {
            g_assert(signature && signature[0] && !is_good[i](claim, "secret"));
        } else if (is_good[i](claim, "secret")) {
            g_assert(signature && signature[0]);
        }
    }
    int64_t at_us = 0;
    if (ec2_signed_at(claim, &at_us)) {
        int64_t again_us = 0;
        g_assert(ec2_signed_at(claim, &again_us) && at_us == again_us);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_auto_t *claim =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    if (claim) {
        check(claim);
    }
    // The bytes as the text that an S3 request signed, and as a date.
    g_autofree char *text = base64url_encode((const char *)data, size),
                    *date = g_strndup((const char *)data, size);
    json_auto_t *s3 = json_pack("{s:s, s:s}", "signature", "AAAA", "token", text);
    check(s3);
    if (g_utf8_validate(date, -1, NULL)) {
        json_auto_t *dated =
            json_pack("{s:s, s:{s:s, s:s}, s:{s:s}}", "signature", "AAAA", "params",
                      "SignatureVersion", "2", "Timestamp", date, "headers", "Authorization", date);
        check(dated);
    }
    return 0;
}
