// SPDX-License-Identifier: Apache-2.0
// The agent's end of the metadata service: HTTP on a unix socket that only the proxies in the
// networks' namespaces reach. A proxy says which network it stands in and which address asked; both
// together are one guest of this host or nobody.
#pragma once
#include "services/compute/hypervisor/order.h"

#define METADATA_NETWORK_HEADER "X-Haneul-Network"
#define METADATA_ADDRESS_HEADER "X-Haneul-Address"

// The order of the guest with that address on that network; a new reference, NULL: none here.
typedef struct order *(*metadata_find_fn)(const char *network_id, const char *address,
                                          void *context);
struct metadata_server;
enum rc metadata_server_start(const char *socket_path, metadata_find_fn find, void *context,
                              struct metadata_server **ret_server, struct err *err) CHECKED;
void metadata_server_stop(struct metadata_server *server);

// Program mode `--metadata-proxy SOCKET NETWORK`: answers 169.254.169.254:80 in its network
// namespace from the agent's socket, and ends when its standard input does.
int metadata_proxy_main(int argc, char **argv);
