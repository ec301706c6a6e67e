// SPDX-License-Identifier: Apache-2.0
// web-download and glance-download: an upload fed from a URL in a worker thread. What a URL may
// name is limited, and checked again for the address that is really connected to: nobody makes us
// read the management network.
#pragma once
#include "services/image/data/remote.h"
#include "services/image/data/upload.h"

struct fetch {
    struct upload *upload; // borrowed
    char *url;             // NULL until the remote is found
    struct remote *remote; // NULL: web-download
    // The pipeline's wake: the fetching thread may go on.
    GMutex mutex;
    GCond woken;
    bool may_go_on;
    bool has_data;   // some bytes have come: not asked again
    bool is_refused; // an address or a port that is not allowed
};
struct fetch *fetch_new(const char *url);
void fetch_free(struct fetch *fetch); // NULL is fine
// RC_INVALID: not http or https, or a port that is not allowed.
enum rc fetch_check_url(const struct image_service *service, const char *url,
                        struct err *err) CHECKED;
void fetch_wake(void *fetch);
// All bytes into the upload's pipeline; asks again where nothing came yet. Blocks.
enum rc fetch_run(struct fetch *fetch, struct err *err) CHECKED;
