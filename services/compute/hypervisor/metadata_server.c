// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/metadata_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "services/compute/hypervisor/metadata_doc.h"

#define N_THREADS 2
#define MAX_CONNECTIONS 256
#define IDLE_TIMEOUT_S 10

struct metadata_server {
    metadata_find_fn find;
    void *context;
    struct MHD_Daemon *daemon;
    char *path;
};

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state);

static enum rc
socket_listen(const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return fault(err, RC_INVALID, "the path '%s' is too long for a socket", path);
    }
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || chmod(path, 0600) ||
        listen(fd, MAX_CONNECTIONS)) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return fault(err, RC_INTERNAL, "cannot listen on '%s': %s", path, g_strerror(error));
    }
    *ret_fd = fd;
    return RC_OK;
}

enum rc
metadata_server_start(const char *socket_path, metadata_find_fn find, void *context,
                      struct metadata_server **ret_server, struct err *err)
{
    int fd = -1;
    enum rc rc = socket_listen(socket_path, &fd, err);
    if (rc) {
        return rc;
    }
    struct metadata_server *server = g_new0(struct metadata_server, 1);
    server->find = find;
    server->context = context;
    server->path = g_strdup(socket_path);
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL, on_request, server,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)N_THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        metadata_server_stop(server);
        return fault(err, RC_INTERNAL, "cannot start the metadata service on '%s'", socket_path);
    }
    *ret_server = server;
    return RC_OK;
}

void
metadata_server_stop(struct metadata_server *server)
{
    if (server) {
        if (server->daemon) {
            MHD_stop_daemon(server->daemon);
        }
        unlink(server->path);
        g_free(server->path);
        g_free(server);
    }
}

static void
bytes_release(void *bytes)
{
    g_bytes_unref(bytes);
}

static enum MHD_Result
reply_send(struct MHD_Connection *connection, unsigned status, GBytes *body, const char *type)
{
    gsize size;
    void *data = (void *)g_bytes_get_data(body, &size);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(size, data, bytes_release, body);
    MHD_add_response_header(response, "Content-Type", type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
           const char *version, const char *upload, size_t *upload_size, void **state)
{
    struct metadata_server *server = context;
    const char *network =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, METADATA_NETWORK_HEADER);
    const char *address =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, METADATA_ADDRESS_HEADER);
    auto_order *order = network && address ? server->find(network, address, server->context) : NULL;
    const char *type = "text/plain";
    GBytes *doc = order ? metadata_doc_find(order, url, &type) : NULL;
    if (!doc) {
        static const char NOT_FOUND[] = "404 Not Found\n";
        return reply_send(connection, MHD_HTTP_NOT_FOUND,
                          g_bytes_new_static(NOT_FOUND, strlen(NOT_FOUND)), type);
    }
    return reply_send(connection, MHD_HTTP_OK, doc, type);
}
