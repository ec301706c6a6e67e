// SPDX-License-Identifier: Apache-2.0
// What the parts of the image service share: its context, and who is looking.
#pragma once
#include "common/base/digest.h"
#include "common/client/client.h"
#include "common/conf/conf.h"
#include "common/http/http.h"
#include "common/service/service.h"
#include "services/image/store/store.h"

#define UPLOAD_LEASE_S 20 // an upload whose process is silent for this long has failed
#define RENEW_INTERVAL_MS 4000
#define SWEEP_INTERVAL_MS 5000
#define ADOPT_INTERVAL_MS 3600000
#define SCRUB_INTERVAL_MS 5000
#define IMPORT_METHODS "glance-direct,web-download,copy-image,glance-download"
#define OPENSTACK_STREAM "application/octet-stream"

struct image_service {
    struct service *service;
    struct stores *stores;
    struct cache *cache;   // NULL: none is kept
    struct client *client; // identity and other regions' image services
    char *ticket_key;
    struct pipelines *pipelines;    // what all uploads share (data/pipeline.h)
    const struct digest_algo *hash; // of new images: os_hash_algo
    GThreadPool *cleaners;          // ends broken uploads away from the HTTP threads
    struct turns *fetchers;         // imports: from URLs, of staged data, copies
    const char *import_ports;       // "80,443"
    const char *import_refused;     // networks that nothing is fetched from; checked
    bool import_private;            // may fetch from loopback and private networks
    int64_t import_timeout_s;       // of a fetch, all in all
    int64_t import_retries;         // of a fetch that brought nothing
    bool show_locations;            // in images; they may be changed then
    struct places *places;          // of uploads and imports
    struct places *downloads;       // from stores that are not here
    gint n_waiting;                 // requests that wait for a location; atomic
    int64_t size_cap;               // bytes of one image
    int64_t unpacked_cap;           // bytes that something packed may unpack to
    int64_t virtual_size_cap;       // bytes of a disk as its guest would see it
    int64_t ticket_ttl_s;
    int64_t scrub_rate;  // bytes per second
    int64_t scrub_age_s; // what was verified that long ago is verified again
    int64_t stage_ttl_s; // data that is staged for longer goes
    bool require_format_match;
    const char *public_url; // base of ticket URLs; "": as the client addressed us
    unsigned n_sweeps;      // the sweeper's own
    unsigned n_fills;       // cache_fill's own
    GMutex mutex;           // guards uploads
    GHashTable *uploads;    // ids of those in flight here: their leases are renewed
};
static inline struct image_service *
image_service_of(const struct request *request)
{
    return request_context(request);
}

// Whose eyes: admins see everything, others what their project may see.
struct viewer {
    const char *project_id;
    bool is_admin;
};
struct viewer viewer_of(const struct request *request);
