// SPDX-License-Identifier: Apache-2.0
// Stands in one network's namespace and hands guests' questions to the agent. It knows nothing and
// decides nothing; what a guest says about itself in headers is not passed on.
#include <arpa/inet.h>
#include <curl/curl.h>
#include <glib.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "services/compute/hypervisor/metadata_server.h"

#define METADATA_ADDRESS "169.254.169.254"
#define METADATA_PORT 80
#define MAX_CONNECTIONS 256
#define MAX_PER_GUEST 32
#define IDLE_TIMEOUT_S 10
#define BIND_TRIES 100 // a tenth of a second each: our predecessor is about to end
#define MAX_ANSWER (1024 * 1024)

struct proxy {
    const char *socket_path, *network_id;
};
struct answer {
    GByteArray *body;
    long status;
    char type[128];
};

static size_t
on_bytes(char *data, size_t size, size_t n_members, void *context)
{
    struct answer *answer = context;
    if (answer->body->len + size * n_members > MAX_ANSWER) {
        return 0;
    }
    g_byte_array_append(answer->body, (guint8 *)data, (guint)(size * n_members));
    return size * n_members;
}

static struct curl_slist *
headers_make(const struct proxy *proxy, const char *address)
{
    char network[128], client[128];
    g_snprintf(network, sizeof network, METADATA_NETWORK_HEADER ": %s", proxy->network_id);
    g_snprintf(client, sizeof client, METADATA_ADDRESS_HEADER ": %s", address);
    return curl_slist_append(curl_slist_append(NULL, network), client);
}

static bool
agent_ask(const struct proxy *proxy, const char *path, const char *address, struct answer *answer)
{
    g_autofree char *escaped = g_uri_escape_string(path, "/", FALSE);
    g_autofree char *url = g_strconcat("http://agent", escaped, NULL);
    struct curl_slist *headers = headers_make(proxy, address);
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, proxy->socket_path);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 5L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    bool ok = curl_easy_perform(curl) == CURLE_OK;
    const char *type = NULL;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    g_strlcpy(answer->type, type ? type : "text/plain", sizeof answer->type);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return ok;
}

static enum MHD_Result
reply_send(struct MHD_Connection *connection, const struct answer *answer)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body->len, answer->body->data, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", answer->type);
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *upload, size_t *upload_size, void **state)
{
    static int seen;
    if (!*state) { // MHD asks once when the headers are there, and again when the body is over
        *state = &seen;
        return MHD_YES;
    }
    *upload_size = 0;
    g_autoptr(GByteArray) body = g_byte_array_new();
    struct answer answer = {
        .body = body, .status = MHD_HTTP_METHOD_NOT_ALLOWED, .type = "text/plain"};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char address[INET_ADDRSTRLEN] = "";
    if (info && info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *client = (const struct sockaddr_in *)info->client_addr;
        inet_ntop(AF_INET, &client->sin_addr, address, sizeof address);
    }
    bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (is_read && !agent_ask(context, url, address, &answer)) {
        answer.status = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    return reply_send(connection, &answer);
}

static struct MHD_Daemon *
listen_start(struct proxy *proxy)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(METADATA_PORT)};
    inet_pton(AF_INET, METADATA_ADDRESS, &address.sin_addr);
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_THREAD_PER_CONNECTION,
        METADATA_PORT, NULL, NULL, on_request, proxy, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 0U, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)MAX_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)MAX_PER_GUEST,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
}

// Waits for the end of the standard input; true when it came within the time.
static bool
lifeline_is_cut(int timeout_ms)
{
    struct pollfd lifeline = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&lifeline, 1, timeout_ms) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

int
metadata_proxy_main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s --metadata-proxy SOCKET NETWORK\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct proxy proxy = {argv[2], argv[3]};
    struct MHD_Daemon *daemon = listen_start(&proxy);
    for (int i = 0; !daemon && i < BIND_TRIES; i++) {
        if (lifeline_is_cut(100)) {
            return 0;
        }
        daemon = listen_start(&proxy);
    }
    if (!daemon) {
        return 1;
    }
    while (!lifeline_is_cut(-1)) {
    }
    MHD_stop_daemon(daemon);
    return 0;
}
