// SPDX-License-Identifier: Apache-2.0
// DHCP_Options rows: a subnet's options in the syntax of ovn-nb(5), and a port's own changes to
// them. Pure.
#pragma once
#include "services/network/ovn/nb_plan.h"

enum rc nb_dhcp_fill(struct nb_row *row, const struct nb_subnet *subnet, struct err *err) CHECKED;
// Puts the port's options over the subnet's. Options that OVN does not know are left out.
// The object is the port's plan; subnet_row is its subnet's DHCP_Options row as it is in the
// replica now. The port gets a row of its own: the subnet's options with the port's over them. It
// follows the subnet's changes at the next reconciliation.
enum rc nb_dhcp_of_port(struct nb_object *object, const struct nb_port *port,
                        const struct replica_row *subnet_row, struct err *err) CHECKED;
enum rc nb_dhcp_override(struct nb_row *row, const struct nb_port *port, struct err *err) CHECKED;
