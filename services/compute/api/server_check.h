// SPDX-License-Identifier: Apache-2.0
// What other services know about a new server's image, networks, ports and security groups, asked
// with the requester's own token so that visibility is exactly theirs. Blocks: slow rows only.
#pragma once
#include "services/compute/api/api.h"

struct wanted_port { // one NIC of a new server
    const char *network_id, *port_id, *asked_ip,
        *tag; // borrowed; port_id NULL: made for the server
    char network_name[256];
    char network_id_found[40]; // of a given port
};
// The image's JSON as the image API shows it, new reference. RC_INVALID: missing, not active, or
// packed.
enum rc check_image(struct request *request, const char *image_id, json_t **ret_image,
                    struct err *err) CHECKED;
// What is kept of an image in the server's row; new reference.
json_t *image_kept(json_t *image);
// Fills names; RC_INVALID: no such network or port, no subnet; RC_CONFLICT: port in use;
// RC_FORBIDDEN: external.
enum rc check_port(struct request *request, struct wanted_port *port, struct err *err) CHECKED;
// The one network a server gets when none was asked for; RC_CONFLICT when there are several.
// *ret_found false: none.
enum rc check_auto_network(struct request *request, struct wanted_port *port, bool *ret_found,
                           struct err *err) CHECKED;
// names: array of {"name": name or id}. ret_groups: [{"id","name"}…], new reference.
enum rc check_security_groups(struct request *request, json_t *names, json_t **ret_groups,
                              struct err *err) CHECKED;
