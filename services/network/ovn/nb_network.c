// SPDX-License-Identifier: Apache-2.0
// Networks and subnets as logical switches and DHCP options. Pure.
#include "services/network/ovn/nb_dhcp.h"
#include "services/network/ovn/nb_plan.h"

static void
add_localnet(struct nb_object *object, const struct nb_network *network)
{
    g_autofree char *name = g_strdup_printf("provnet-%s", network->id);
    struct nb_row *row = nb_row_add(object, NB_LOGICAL_SWITCH_PORT, "localnet");
    nb_row_link(row, object->owner, "switch");
    nb_row_text(row, "name", name);
    nb_row_text(row, "type", "localnet");
    nb_row_item(row, "addresses", "unknown");
    nb_row_map(row, "options", "network_name", network->physical_network);
    nb_row_empty(row, "tag");
    if (network->vlan) {
        nb_row_int(row, "tag", network->vlan);
    }
}

enum rc
nb_plan_network(const struct nb_network *network, struct nb_object **ret_object, struct err *err)
{
    if (network->vlan < 0 || network->vlan > 4094) {
        return fault(err, RC_INVALID, "network '%s': VLAN %d is not 0 to 4094", network->id,
                     network->vlan);
    }
    g_autofree char *owner = nb_owner(NB_NETWORK, network->id);
    g_autofree char *name = g_strdup_printf("neutron-%s", network->id);
    g_autofree char *mtu = g_strdup_printf("%d", network->mtu);
    struct nb_object *object = nb_object_new(owner, network->revision);
    struct nb_row *row = nb_row_add(object, NB_LOGICAL_SWITCH, "switch");
    nb_row_text(row, "name", name);
    nb_row_map(row, "other_config", "mcast_snoop", "false");
    nb_row_map(row, "external_ids", "neutron:network_name", network->name);
    nb_row_map(row, "external_ids", "neutron:mtu", mtu);
    if (network->physical_network && *network->physical_network) {
        nb_row_map(row, "external_ids", "neutron:provnet-physical-network",
                   network->physical_network);
        add_localnet(object, network);
    }
    *ret_object = object;
    return RC_OK;
}

enum rc
nb_plan_subnet(const struct nb_subnet *subnet, struct nb_object **ret_object, struct err *err)
{
    g_autofree char *owner = nb_owner(NB_SUBNET, subnet->id);
    g_autoptr(nb_object) object = nb_object_new(owner, subnet->revision);
    if (subnet->enable_dhcp && subnet->ip_version == 4) {
        struct nb_row *row = nb_row_add(object, NB_DHCP_OPTIONS, "dhcp4");
        nb_row_map(row, "external_ids", "neutron:subnet_name", subnet->name);
        enum rc rc = nb_dhcp_fill(row, subnet, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    *ret_object = g_steal_pointer(&object);
    return RC_OK;
}
