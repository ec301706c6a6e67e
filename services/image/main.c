// SPDX-License-Identifier: Apache-2.0
// haneul-image: Glance v2.
#include "common/base/digest_pair.h"
#include "common/http/usage_routes.h"
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/cache/cache.h"
#include "services/image/cache/fill.h"
#include "services/image/catalog/image_fsm.h"
#include "services/image/data/address.h"
#include "services/image/data/job.h"
#include "services/image/data/pipeline.h"
#include "services/image/data/places.h"
#include "services/image/data/turns.h"
#include "services/image/store/scrub.h"
#include "services/image/store/sweep.h"

#define N_CLEANERS 2
#define N_FETCHERS 8    // of which a project has half
#define MAX_STREAMS 256 // downloads from stores that are not here: a thread and a MiB each
#define MAX_STREAMS_PROJECT 64

static const struct setting settings[] = {
    // clang-format off
    {"store", "path",                 SETTING_TEXT, "/var/lib/haneul/images", 0, 0, "", "directory of uploads on their way and of the store `local`; shared by all processes of this service"},
    {"stores", "enabled",             SETTING_TEXT, "local:file",    0, 0, "",          "the stores as NAME:KIND, comma-separated; kinds: file, s3. Each has a group [store:NAME]"},
    {"stores", "default",             SETTING_TEXT, "",              0, 0, "",          "the store of who does not choose; empty: the first"},
    {"store:*", "description",        SETTING_TEXT, "",              0, 0, "",          "what clients are told of the store"},
    {"store:*", "path",               SETTING_TEXT, "",              0, 0, "",          "file: its directory; empty: [store] path for the store `local`, a folder of the store's name in it for others"},
    {"store:*", "url",                SETTING_TEXT, "",              0, 0, "",          "s3: the server, as https://s3.example.com"},
    {"store:*", "bucket",             SETTING_TEXT, "",              0, 0, "",          "s3: the bucket, which must exist"},
    {"store:*", "region",             SETTING_TEXT, "us-east-1",     0, 0, "",          "s3: the region that requests are signed for"},
    {"store:*", "access_key",         SETTING_TEXT, "",              0, 0, "",          "s3: the access key's id"},
    {"store:*", "secret_key",         SETTING_SECRET, "",            0, 0, "",          "s3: the secret key"},
    {"store:*", "prefix",             SETTING_TEXT, "",              0, 0, "",          "s3: what the names of objects begin with"},
    {"store:*", "part_size",          SETTING_INT,  "8388608",       5242880, 5368709120, "bytes", "s3: larger blobs are uploaded in parts of this size, held in memory; of larger ones where 10,000 would not do"},
    {"store:*", "timeout",            SETTING_INT,  "60",            1, 3600, "s",      "s3: silence that ends a request; it is tried again"},
    {"image", "url",                  SETTING_TEXT, "",              0, 0, "",          "base of the download URLs given to hosts; empty: as the asking service addressed us"},
    {"image", "size_cap",             SETTING_INT,  "1099511627776", 1, INT64_MAX, "bytes", "largest image"},
    {"image", "unpacked_cap",         SETTING_INT,  "68719476736",   1, INT64_MAX, "bytes", "most that a compressed disk, or all layers of an archive, may unpack to"},
    {"image", "virtual_size_cap",     SETTING_INT,  "70368744177664", 1, INT64_MAX, "bytes", "largest disk as its guest would see it, whatever the file's size"},
    {"image", "max_uploads",          SETTING_INT,  "256",           1, 4096, "",       "uploads and imports at once; further ones are answered 503"},
    {"image", "max_uploads_project",  SETTING_INT,  "64",            1, 4096, "",       "uploads and imports of one project at once, so that a few projects cannot take all places"},
    {"image", "upload_memory",        SETTING_INT,  "16777216",      1048576, 1099511627776, "bytes", "buffers of all uploads together; never less than 256 KiB for each upload"},
    {"image", "os_hash_algo",         SETTING_TEXT, "sha512",        0, 0, "",          "what new data is hashed with and known by: sha512, sha384 or sha256 (the fastest where the CPU has instructions for it). Data that is there keeps its own"},
    {"image", "ticket_ttl",           SETTING_INT,  "86400",         60, 31536000, "s", "how long a download URL given to a host is good"},
    {"image", "stage_ttl",            SETTING_INT,  "86400",         1, 31536000, "s", "how long staged data waits for its import before it is thrown away"},
    {"scrub", "rate",                 SETTING_INT,  "16777216",      4096, INT64_MAX, "bytes/s", "how fast stored images are read to verify them"},
    {"scrub", "age",                  SETTING_INT,  "604800",        1, 31536000, "s", "how long a verified image counts as whole"},
    {"image", "require_format_match", SETTING_BOOL, "true",          0, 0, "",          "refuse data that is not of the image's disk_format; dangerous data is always refused"},
    {"image", "show_multiple_locations", SETTING_BOOL, "false",      0, 0, "",          "images show their locations to whom the policy get_image_location allows it, and PATCH changes them"},
    {"cache", "path",                 SETTING_TEXT, "",              0, 0, "",          "directory on this host where images of stores that are far away are kept, too; empty: no cache"},
    {"cache", "size",                 SETTING_INT,  "10737418240",   1, INT64_MAX, "bytes", "what the cache may hold; what was not read for longest goes"},
    {"import", "ports",               SETTING_TEXT, "80,443",        0, 0, "",          "TCP ports that web-download may fetch from, comma-separated"},
    {"import", "allow_private",       SETTING_BOOL, "false",         0, 0, "",          "web-download may fetch from loopback and private addresses: only where no tenant can reach a service by it"},
    {"import", "refused_networks",    SETTING_TEXT, "",              0, 0, "",          "networks that web-download never fetches from, comma-separated: what of this cloud has public addresses"},
    {"import", "timeout",             SETTING_INT,  "21600",         1, 31536000, "s", "how long a fetch may take, however it goes on"},
    {"import", "retries",             SETTING_INT,  "3",             0, 100, "",        "how often a URL that brought no byte is asked again"},
    {0},
    // clang-format on
};

static enum rc
load_ticket_key(struct image_service *image, struct err *err)
{
    struct db *db;
    g_autofree char *candidate = random_token(32);
    enum rc rc = db_get(service_db(image->service), &db, err);
    return rc == RC_OK ? ticket_db_key(db, candidate, &image->ticket_key, err) : rc;
}

static enum rc
choose_hash(struct image_service *image, const char *name, struct err *err)
{
    image->hash = digest_algo_find(name);
    return image->hash
               ? RC_OK
               : fault(err, RC_INVALID,
                       "[image] os_hash_algo: '%s' is none of sha512, sha384, sha256", name);
}

static void
image_service_free(struct image_service *image)
{
    turns_free(image->fetchers);
    if (image->cleaners) {
        g_thread_pool_free(image->cleaners, FALSE, TRUE);
    }
    pipelines_free(image->pipelines);
    places_unref(image->downloads);
    places_unref(image->places);
    g_hash_table_unref(image->uploads);
    client_free(image->client);
    stores_free(image->stores);
    cache_free(image->cache);
    g_mutex_clear(&image->mutex);
    g_free(image->ticket_key);
    g_free(image);
}

static enum rc
start(struct service *service, void **ret_context, struct err *err)
{
    const struct conf *conf = service_conf(service);
    struct image_service *image = g_new0(struct image_service, 1);
    image->service = service;
    image->size_cap = conf_int(conf, "image", "size_cap");
    image->unpacked_cap = conf_int(conf, "image", "unpacked_cap");
    image->virtual_size_cap = conf_int(conf, "image", "virtual_size_cap");
    image->ticket_ttl_s = conf_int(conf, "image", "ticket_ttl");
    image->scrub_rate = conf_int(conf, "scrub", "rate");
    image->scrub_age_s = conf_int(conf, "scrub", "age");
    image->stage_ttl_s = conf_int(conf, "image", "stage_ttl");
    int n_uploads_project = (int)conf_int(conf, "image", "max_uploads_project");
    image->places =
        places_new("uploads", (int)conf_int(conf, "image", "max_uploads"), n_uploads_project);
    image->require_format_match = conf_bool(conf, "image", "require_format_match");
    image->import_ports = conf_text(conf, "import", "ports");
    image->import_refused = conf_text(conf, "import", "refused_networks");
    image->import_private = conf_bool(conf, "import", "allow_private");
    image->import_timeout_s = conf_int(conf, "import", "timeout");
    image->import_retries = conf_int(conf, "import", "retries");
    image->show_locations = conf_bool(conf, "image", "show_multiple_locations");
    image->public_url = conf_text(conf, "image", "url");
    image->client = client_new(conf);
    image->uploads = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&image->mutex);
    enum rc rc = stores_new(conf, &image->stores, err);
    if (rc == RC_OK) {
        rc = choose_hash(image, conf_text(conf, "image", "os_hash_algo"), err);
    }
    if (rc == RC_OK && *conf_text(conf, "cache", "path")) {
        rc = cache_new(conf_text(conf, "cache", "path"), conf_int(conf, "cache", "size"),
                       &image->cache, err);
    }
    rc = rc ? rc : networks_check("import.refused_networks", image->import_refused, err);
    rc = rc ? rc : load_ticket_key(image, err);
    if (rc != RC_OK) {
        image_service_free(image);
        return rc;
    }
    image->pipelines = pipelines_new(conf_int(conf, "image", "upload_memory"), n_uploads_project,
                                     !digest_pair_gains(image->hash));
    image->downloads = places_new("downloads", MAX_STREAMS, MAX_STREAMS_PROJECT);
    image->fetchers = turns_new(job_run, NULL, N_FETCHERS, N_FETCHERS / 2);
    image->cleaners = g_thread_pool_new(upload_clean, NULL, N_CLEANERS, TRUE, NULL);
    service_every(service, "image-sweep", SWEEP_INTERVAL_MS, sweep, image);
    service_every(service, "image-sweep-stores", SWEEP_INTERVAL_MS, sweep_stores, image);
    service_every(service, "image-adopt", ADOPT_INTERVAL_MS, sweep_adopt, image);
    scrub_register_metrics();
    service_every(service, "image-scrub", SCRUB_INTERVAL_MS, scrub_run, image);
    service_every(service, "image-cache", CACHE_INTERVAL_MS, cache_fill, image);
    service_every(service, "image-renew", RENEW_INTERVAL_MS, upload_renew, image);
    *ret_context = image;
    return RC_OK;
}

static void
stop(struct service *service, void *context)
{
    image_service_free(context);
}

static bool
healthy(void *context, char *ret_detail, size_t size)
{
    const struct image_service *image = context;
    const char *culprit = NULL;
    bool writable = stores_are_usable(image->stores, &culprit);
    g_snprintf(ret_detail, size,
               writable ? "image stores are writable" : "image store '%s' is not writable",
               culprit);
    return writable;
}

static const struct route *const routes[] = {
    discovery_routes, stores_routes, cache_routes,   locations_routes,     images_routes,
    members_routes,   file_routes,   import_routes,  tasks_routes,         ticket_routes,
    layers_routes,    usage_routes,  metadef_routes, metadef_items_routes, NULL,
};
static const struct fsm *const life_cycles[] = {&image_fsm, NULL};

static const struct service_def definition = {
    .name = "image",
    .service_types = (const char *const[]){"image", "image_remote", NULL},
    .parts = SERVICE_DB | SERVICE_BUS | SERVICE_AUTH | SERVICE_HTTP | SERVICE_OUTBOX,
    .default_port = 9292,
    .settings = settings,
    .routes = routes,
    .policies = image_policies,
    .error_body = image_error_body,
    .migrations = service_migrations,
    .start = start,
    .stop = stop,
    .healthy = healthy,
    .life_cycles = life_cycles,
};

int
main(int argc, char **argv)
{
    return service_main(&definition, argc, argv);
}
