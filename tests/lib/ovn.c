// SPDX-License-Identifier: Apache-2.0
// Stands in for the network service in test_ovn.py: applies a person's network, obeys lines on its
// input, tells what OVN says.
#include "common/base/err.h"
#include <stdio.h>
#include <stdlib.h>

#define ok(call)                                             \
    do {                                                     \
        struct err err = {0};                                \
        if ((call) != RC_OK) {                               \
            fprintf(stderr, "%s: %s\n", #call, err.message); \
            exit(1);                                         \
        }                                                    \
    } while (0)
#pragma GCC diagnostic ignored "-Wunused-function" // the lab has more than this program needs
#include "tests/unit/test_ovn_lab.h"

#define PORT2 "40000000-0000-4000-8000-000000000005"

static const struct nb_fixed_ip second_ip = {SUBNET, "10.0.0.12", 24};

static void
tell_status(void *context, const char *port_id, bool up)
{
    printf("status %s %s\n", port_id, up ? "up" : "down");
    fflush(stdout);
}

static struct nb_port
on_host(struct nb_port from, const char *host)
{
    from.host = host;
    return from;
}

static struct nb_port
second_port(void)
{
    struct nb_port second = on_host(port, "h2");
    second.id = PORT2;
    second.mac = "fa:16:3e:00:00:12";
    second.fixed_ips = &second_ip;
    second.dns_name = "vm-2";
    return second;
}

static enum rc
each_of_two(void *context, struct ovn_desired *desired, struct err *err)
{
    const struct nb_port first = on_host(port, "h1"), second = second_port();
    enum rc rc = each_all(NULL, desired, err);
    rc = rc == RC_OK ? ovn_desired_port(desired, &first, err) : rc;
    return rc == RC_OK ? ovn_desired_port(desired, &second, err) : rc;
}

static void
close_ssh(void)
{
    struct nb_security_group closed = group;
    closed.revision = 2;
    closed.n_rules = 1;
    ok(ovn_apply_security_group(ovn, &closed, &err));
}

static void
obey(const char *line)
{
    if (!strcmp(line, "apply")) {
        const struct nb_port both[] = {on_host(port, "h1"), second_port()};
        apply_all(ovn);
        ok(ovn_apply_ports(ovn, both, 2, &err));
    } else if (!strcmp(line, "reconcile")) {
        reconcile(each_of_two);
    } else if (!strcmp(line, "close")) {
        close_ssh();
    } else if (!strcmp(line, "release")) {
        ok(ovn_delete_floatingip(ovn, FIP, &err));
    }
    printf("done %s\n", line);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    char line[64];
    struct err err;
    const struct ovn_options options = {
        .nb_remote = argv[1], .sb_remote = argv[2], .on_port_status = tell_status};
    if (argc != 3 || ovn_new(&options, &ovn, &err) != RC_OK || !ovn_wait_ready(ovn, DEADLINE_MS)) {
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        obey(g_strstrip(line));
    }
    ovn_free(ovn);
    return 0;
}
