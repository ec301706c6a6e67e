// SPDX-License-Identifier: Apache-2.0
// Downloads of what a local store keeps as parts.
#pragma once
#include "common/http/http.h"
#include "services/image/store/blob.h"

// The reply's body is the blob's bytes from first to last. Takes the reference of the places'
// recipe. RC_NOT_IMPLEMENTED: only remote stores have it.
enum rc reply_parts(struct blob_places *places, int64_t first, int64_t last, struct reply *reply,
                    struct err *err) CHECKED;
