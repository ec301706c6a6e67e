// SPDX-License-Identifier: Apache-2.0
// One client that sends the request on its standard input again and again over one connection, and
// how long the answers took: p50, p99 and the longest in ms. A small program, so that the client's
// own share of the time is small.
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE (1 << 20)
#define PAUSE_US 500 // a client that does something with its answers

static int
link_to(const char *address, int port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = inet_addr(address)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&to, sizeof to)) {
        g_error("cannot connect to %s:%d", address, port);
    }
    return fd;
}

// Reads one answer, by its Content-Length; false unless it is a success.
static bool
read_answer(int fd, char *buffer)
{
    size_t size = 0, wanted = 0;
    while (!wanted || size < wanted) {
        ssize_t n = read(fd, buffer + size, BUFFER_SIZE - 1 - size);
        if (n <= 0) {
            g_error("the server hung up");
        }
        size += (size_t)n;
        buffer[size] = 0;
        const char *end = wanted ? NULL : strstr(buffer, "\r\n\r\n");
        const char *length = end ? strcasestr(buffer, "\r\ncontent-length:") : NULL;
        if (end) {
            wanted = (size_t)(end + 4 - buffer) +
                     (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
            g_assert(wanted < BUFFER_SIZE);
        }
    }
    return buffer[9] == '2';
}

static int
by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: latency ADDRESS PORT SECONDS < request\n");
        return 2;
    }
    static char request[BUFFER_SIZE], buffer[BUFFER_SIZE];
    size_t size = fread(request, 1, sizeof request, stdin);
    int fd = link_to(argv[1], atoi(argv[2]));
    GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
    int n_refused = 0;
    gint64 end = g_get_monotonic_time() + (gint64)(atof(argv[3]) * 1e6);
    while (g_get_monotonic_time() < end) {
        gint64 begin = g_get_monotonic_time();
        if (write(fd, request, size) != (ssize_t)size) {
            g_error("cannot send");
        }
        n_refused += !read_answer(fd, buffer);
        double ms = (double)(g_get_monotonic_time() - begin) / 1000;
        g_array_append_val(times, ms);
        g_usleep(PAUSE_US);
    }
    close(fd);
    g_array_sort(times, by_time);
    const double *sorted = (const double *)(void *)times->data;
    guint n = times->len;
    printf("{\"n\": %u, \"refused\": %d, \"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"max\": "
           "%.3f}\n",
           n, n_refused, sorted[n / 2], sorted[n * 99 / 100], sorted[(guint)(n * 0.999)],
           sorted[n - 1]);
    return 0;
}
