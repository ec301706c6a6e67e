// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/ovsdb_connect.h"
#include "common/base/util.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct endpoint {
    char host[256];
    char port[8];
};

static bool
split_tcp(const char *text, struct endpoint *ret_endpoint)
{
    bool bracketed = *text == '[';
    const char *end = bracketed ? strchr(text, ']') : strrchr(text, ':');
    if (!end) {
        return false;
    }
    const char *host = text + bracketed;
    const char *colon = end + bracketed;
    int64_t port;
    size_t len = (size_t)(end - host);
    if (!len || len >= sizeof ret_endpoint->host || *colon != ':' ||
        !parse_int64(colon + 1, 1, 65535, &port)) {
        return false;
    }
    memcpy(ret_endpoint->host, host, len);
    ret_endpoint->host[len] = 0;
    g_strlcpy(ret_endpoint->port, colon + 1, sizeof ret_endpoint->port);
    return true;
}

enum rc
ovsdb_remote_check(const char *remote, struct err *err)
{
    struct endpoint endpoint;
    struct sockaddr_un address;
    bool is_unix = g_str_has_prefix(remote, "unix:") && remote[5] &&
                   strlen(remote + 5) < sizeof address.sun_path;
    bool is_tcp = g_str_has_prefix(remote, "tcp:") && split_tcp(remote + 4, &endpoint);
    if (!is_unix && !is_tcp) {
        return fault(err, RC_INVALID, "'%.128s' is neither unix:PATH nor tcp:HOST:PORT", remote);
    }
    return RC_OK;
}

// Waits until the connection stands, the wake descriptor is readable, or time is over. 0 or an
// errno.
static int
finish_connect(int fd, int wake_fd, int timeout_ms)
{
    struct pollfd fds[] = {{fd, POLLOUT, 0}, {wake_fd, POLLIN, 0}};
    int n = poll(fds, N_ELEMENTS(fds), timeout_ms);
    if (n <= 0 || !fds[0].revents) {
        return n < 0 ? errno : ETIMEDOUT;
    }
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

static int
open_stream(const struct sockaddr *address, socklen_t size, int wake_fd, int timeout_ms,
            int *ret_fd)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = fd < 0 ? errno : 0;
    if (!error && connect(fd, address, size)) {
        error = errno == EINPROGRESS ? finish_connect(fd, wake_fd, timeout_ms) : errno;
    }
    if (error && fd >= 0) {
        close(fd);
    } else if (!error) {
        *ret_fd = fd;
    }
    return error;
}

static int
connect_unix(const char *path, int wake_fd, int timeout_ms, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    return open_stream((const struct sockaddr *)&address, sizeof address, wake_fd, timeout_ms,
                       ret_fd);
}

static int
connect_tcp(const char *text, int wake_fd, int timeout_ms, int *ret_fd)
{
    struct endpoint endpoint;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    if (!split_tcp(text, &endpoint) || getaddrinfo(endpoint.host, endpoint.port, &hints, &list)) {
        return EHOSTUNREACH;
    }
    int error = EHOSTUNREACH;
    for (const struct addrinfo *at = list; at && error; at = at->ai_next) {
        error = open_stream(at->ai_addr, at->ai_addrlen, wake_fd, timeout_ms, ret_fd);
    }
    freeaddrinfo(list);
    if (!error) {
        setsockopt(*ret_fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    }
    return error;
}

enum rc
ovsdb_connect(const char *remote, int wake_fd, int timeout_ms, int *ret_fd, struct err *err)
{
    int error = g_str_has_prefix(remote, "unix:")
                    ? connect_unix(remote + 5, wake_fd, timeout_ms, ret_fd)
                    : connect_tcp(remote + 4, wake_fd, timeout_ms, ret_fd);
    if (error) {
        return fault(err, RC_UNAVAILABLE, "cannot connect to '%s': %s", remote, g_strerror(error));
    }
    return RC_OK;
}
