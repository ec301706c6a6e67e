// SPDX-License-Identifier: Apache-2.0
// One S3-compatible bucket, spoken to by libcurl with AWS Signature Version 4 (S3 API reference;
// paths as /bucket/key). Requests are tried again with back-off where that may help.
#pragma once
#include "services/image/store/store.h"

struct s3 {
    char *url, *bucket, *region, *prefix, *access_key, *secret_key, *signer;
    int64_t part_size;
    long timeout_s;
    GMutex mutex; // guards n_busy
    GCond freed;
    int n_busy; // uploads that hold parts in memory
};
struct s3_call {
    const char *method;
    const char *key;   // NULL: the bucket
    const char *query; // encoded, sorted by name, each with "="; NULL: none
    const void *body;
    size_t size;
    // Of a range: where its bytes go. Else the answer is kept in `answer`.
    blob_sink sink;
    void *context;
    int64_t first, last;
    bool is_once; // no second try, and half a minute at most
    // Filled:
    long status;
    GString *answer; // owned by the call: s3_call_clear
    char *etag;
};
// RC_NOT_FOUND; RC_UNAVAILABLE: no good answer after all tries; what the sink said. Blocks.
enum rc s3_call_run(const struct s3 *s3, struct s3_call *call, struct err *err) CHECKED;
void s3_call_clear(struct s3_call *call);

// The texts of an XML answer in order: name, text, name, text …; NULL when it is not XML.
GPtrArray *s3_xml_texts(const char *xml, size_t size);
const char *s3_xml_find(const GPtrArray *texts, const char *name); // the first, or NULL
