// SPDX-License-Identifier: Apache-2.0
// Signatures of EC2 and S3 requests, as those who took such a request describe it to identity.
// Pure.
#pragma once
#include "common/base/err.h"
#include <jansson.h>

// claim: {"access", "signature", "verb", "host", "path", "params": {}, "headers": {}, "body_hash"}
// as keystoneclient's Ec2Signer takes it; versions 0, 1, 2 and 4 of Amazon's signature. Also tried
// without the host's port, which some clients do not sign.
bool ec2_signature_is_good(json_t *claim, const char *secret);
// claim: {"access", "signature", "token": base64 of the text that was signed}; versions 1 and 4.
bool s3_signature_is_good(json_t *claim, const char *secret);
// When it was signed (Timestamp or X-Amz-Date), in µs; 0: it does not say. False: malformed.
bool ec2_signed_at(json_t *claim, int64_t *ret_us);
