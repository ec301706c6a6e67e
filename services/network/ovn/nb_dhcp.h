// SPDX-License-Identifier: Apache-2.0
// DHCP_Options rows: a subnet's options in the syntax of ovn-nb(5), and a port's own changes to
// them. Pure.
#pragma once
#include "services/network/ovn/nb_plan.h"

enum rc nb_dhcp_fill(struct nb_row *row, const struct nb_subnet *subnet, struct err *err) CHECKED;
// Puts the port's options over the subnet's. Options that OVN does not know are left out.
enum rc nb_dhcp_override(struct nb_row *row, const struct nb_port *port, struct err *err) CHECKED;
