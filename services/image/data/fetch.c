// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/fetch.h"

#include "services/image/data/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_S 15L
#define STALL_S 60L // slower than MIN_SPEED for this long: broken off
#define MIN_SPEED 1024L
#define MAX_REDIRECTS 3L
#define MAX_HEADERS (64 << 10) // bytes, of all answers together and of what follows a chunked body
#define RETRY_PAUSE_MS 500

struct fetch *
fetch_new(const char *url)
{
    struct fetch *fetch = g_new0(struct fetch, 1);
    fetch->url = g_strdup(url);
    g_mutex_init(&fetch->mutex);
    g_cond_init(&fetch->woken);
    return fetch;
}

void
fetch_free(struct fetch *fetch)
{
    if (!fetch) {
        return;
    }
    remote_free(fetch->remote);
    g_mutex_clear(&fetch->mutex);
    g_cond_clear(&fetch->woken);
    g_free(fetch->url);
    g_free(fetch);
}

void
fetch_wake(void *context)
{
    struct fetch *fetch = context;
    g_mutex_lock(&fetch->mutex);
    fetch->may_go_on = true;
    g_cond_signal(&fetch->woken);
    g_mutex_unlock(&fetch->mutex);
}

static bool
port_is_allowed(const struct image_service *service, int port)
{
    g_auto(GStrv) ports = g_strsplit(service->import_ports, ",", -1);
    for (char **each = ports; *each; each++) {
        if (atoi(*each) == port) {
            return true;
        }
    }
    return false;
}

enum rc
fetch_check_url(const struct image_service *service, const char *url, struct err *err)
{
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, NULL);
    const char *scheme = uri ? g_uri_get_scheme(uri) : "";
    bool is_http = !strcmp(scheme, "http"), is_https = !strcmp(scheme, "https");
    int port = uri ? g_uri_get_port(uri) : -1;
    port = port > 0 ? port : is_https ? 443 : 80;
    bool allowed = (is_http || is_https) && g_uri_get_host(uri) && *g_uri_get_host(uri) &&
                   !g_uri_get_userinfo(uri) && port_is_allowed(service, port);
    return allowed ? RC_OK
                   : fault(err, RC_INVALID, "URI for web-download does not pass filtering: %.200s",
                           url);
}

// Asked for every connection, redirects included, with the address that the name gave.
static curl_socket_t
open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch *fetch = context;
    const struct image_service *service = fetch->upload->service;
    int port = address->family == AF_INET6
                   ? ntohs(((const struct sockaddr_in6 *)(const void *)&address->addr)->sin6_port)
                   : ntohs(((const struct sockaddr_in *)(const void *)&address->addr)->sin_port);
    bool is_allowed = (service->import_private || address_is_public(&address->addr)) &&
                      !networks_have(service->import_refused, &address->addr) &&
                      port_is_allowed(service, port);
    if (!fetch->remote && !is_allowed) {
        fetch->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

struct transfer {
    struct fetch *fetch;
    size_t n_headers; // bytes
    struct err err;
};

// libcurl keeps them all.
static size_t
count_header(char *data, size_t size, size_t n, void *context)
{
    struct transfer *transfer = context;
    transfer->n_headers += size * n;
    if (transfer->n_headers <= MAX_HEADERS) {
        return size * n;
    }
    transfer->fetch->is_refused = true;
    rc_ignore(fault(&transfer->err, RC_BAD_GATEWAY,
                    "cannot fetch the image: the answer has more than %d bytes of headers",
                    MAX_HEADERS));
    return 0;
}

static size_t
take_bytes(char *data, size_t size, size_t n, void *context)
{
    struct transfer *transfer = context;
    struct fetch *fetch = transfer->fetch;
    size_t total = size * n, done = 0;
    fetch->has_data = true;
    while (done < total) {
        size_t taken = 0;
        if (pipeline_put(fetch->upload->pipeline, data + done, total - done, &taken,
                         &transfer->err) != RC_OK) {
            return 0;
        }
        done += taken;
        g_mutex_lock(&fetch->mutex);
        while (taken == 0 && !fetch->may_go_on) {
            g_cond_wait(&fetch->woken, &fetch->mutex);
        }
        fetch->may_go_on = false;
        g_mutex_unlock(&fetch->mutex);
    }
    return total;
}

static int
give_up_when_stopping(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct fetch *fetch = context;
    return service_is_stopping(fetch->upload->service->service);
}

static struct curl_slist *
token_header(const struct fetch *fetch)
{
    if (!fetch->remote) {
        return NULL;
    }
    g_autofree char *header = g_strconcat("X-Auth-Token: ", fetch->remote->token, NULL);
    return curl_slist_append(NULL, header);
}

// What the other image service says of the image, before its bytes come.
static enum rc
find_source(struct fetch *fetch, struct err *err)
{
    struct remote_source source = {0};
    enum rc rc = remote_find(fetch->upload->service, fetch->remote, &source, err);
    if (rc == RC_OK) {
        image_row *image = fetch->upload->image;
        g_free(image->disk_format);
        g_free(image->container_format);
        image->disk_format = g_steal_pointer(&source.disk_format);
        image->container_format = g_steal_pointer(&source.container_format);
        fetch->upload->adopted = g_steal_pointer(&source.adopted);
        fetch->upload->row.size = source.size;
        fetch->url = g_steal_pointer(&source.url);
    }
    remote_source_clear(&source);
    return rc;
}

static enum rc
transfer_all(struct fetch *fetch, struct err *err)
{
    struct transfer transfer = {.fetch = fetch};
    char message[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = token_header(fetch);
    curl_easy_setopt(curl, CURLOPT_URL, fetch->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, fetch->remote ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, MIN_SPEED);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)fetch->upload->service->import_timeout_s);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, give_up_when_stopping);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, fetch);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, fetch);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, count_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    fetch->is_refused |= status >= 400 && status < 500;
    if (code == CURLE_OK && status == 200) {
        return RC_OK;
    }
    if (code == CURLE_OK) {
        return fault(err, RC_BAD_GATEWAY, "cannot fetch the image: the answer was %ld", status);
    }
    if (transfer.err.rc != RC_OK) {
        *err = transfer.err;
        return err->rc;
    }
    return fault(err, RC_BAD_GATEWAY, "cannot fetch the image: %s",
                 *message ? message : curl_easy_strerror(code));
}

// The server may be there soon; what it said already cannot be taken back.
static bool
may_try_again(const struct fetch *fetch, enum rc rc)
{
    return rc == RC_BAD_GATEWAY && !fetch->has_data && !fetch->is_refused;
}

enum rc
fetch_run(struct fetch *fetch, struct err *err)
{
    enum rc rc = fetch->remote ? find_source(fetch, err) : RC_OK;
    if (rc != RC_OK) {
        return rc;
    }
    const struct image_service *service = fetch->upload->service;
    rc = transfer_all(fetch, err);
    for (int64_t n = 1; n <= service->import_retries && may_try_again(fetch, rc); n++) {
        if (service_wait_stop(service->service, (int)(n * RETRY_PAUSE_MS))) {
            break;
        }
        rc = transfer_all(fetch, err);
    }
    return rc;
}
