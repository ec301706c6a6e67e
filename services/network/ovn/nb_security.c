// SPDX-License-Identifier: Apache-2.0
// Security groups as port groups with ACLs. Pure. Matches are built from checked numbers and
// addresses only.
#include "services/network/ovn/nb_address.h"
#include "services/network/ovn/nb_plan.h"
#include <string.h>

#define PRIORITY_ALLOW 1002
#define PRIORITY_DROP 1001

enum port_match { MATCH_NOTHING, MATCH_PORTS, MATCH_ICMP };

// Neutron's protocol names. `match` is OVN's own word for it where it has one; %c is the IP
// version.
// clang-format off
static const struct protocol {
    const char *name;
    int number;
    const char *match;
    enum port_match ports;
} protocols[] = {
    {"tcp", 6, "tcp", MATCH_PORTS},   {"udp", 17, "udp", MATCH_PORTS},  {"sctp", 132, "sctp", MATCH_PORTS},
    {"icmp", 1, "icmp", MATCH_ICMP},  {"icmpv6", 58, "icmp6", MATCH_ICMP}, {"ipv6-icmp", 58, "icmp6", MATCH_ICMP},
    {"ah", 51}, {"dccp", 33}, {"egp", 8}, {"esp", 50}, {"gre", 47}, {"hopopt", 0}, {"igmp", 2}, {"ip", 0}, {"ipip", 4},
    {"ipv6-encap", 41}, {"ipv6-frag", 44}, {"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"ipv6-route", 43},
    {"ospf", 89}, {"pgm", 113}, {"rsvp", 46}, {"udplite", 136}, {"vrrp", 112},
};
// clang-format on

char *
nb_port_group_name(const char *security_group_id)
{
    char *name = g_strdup_printf("pg_%s", security_group_id);
    return g_strcanon(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_", '_');
}

static const struct protocol *
find_protocol(const char *name, int64_t number)
{
    for (size_t i = 0; i < N_ELEMENTS(protocols); i++) {
        if (name ? !g_ascii_strcasecmp(name, protocols[i].name) : number == protocols[i].number) {
            return &protocols[i];
        }
    }
    return NULL;
}

static void
append_ports(GString *match, const char *protocol, const struct nb_security_group_rule *rule)
{
    if (rule->port_min < 0) {
        return;
    }
    if (rule->port_min == rule->port_max) {
        g_string_append_printf(match, " && %s.dst == %d", protocol, rule->port_min);
    } else {
        g_string_append_printf(match, " && %s.dst >= %d && %s.dst <= %d", protocol, rule->port_min,
                               protocol, rule->port_max);
    }
}

static void
append_icmp(GString *match, const char *protocol, const struct nb_security_group_rule *rule)
{
    if (rule->port_min >= 0) {
        g_string_append_printf(match, " && %s.type == %d", protocol, rule->port_min);
    }
    if (rule->port_min >= 0 && rule->port_max >= 0) {
        g_string_append_printf(match, " && %s.code == %d", protocol, rule->port_max);
    }
}

static enum rc
append_protocol(GString *match, const struct nb_security_group_rule *rule, struct err *err)
{
    if (!rule->protocol || !*rule->protocol || !g_ascii_strcasecmp(rule->protocol, "any")) {
        return RC_OK;
    }
    int64_t number = -1;
    bool is_number = parse_int64(rule->protocol, 0, 255, &number);
    const struct protocol *found = find_protocol(is_number ? NULL : rule->protocol, number);
    if (!found && !is_number) {
        return fault(err, RC_INVALID, "rule '%s': unknown protocol '%.32s'", rule->id,
                     rule->protocol);
    }
    if (!found || !found->match) {
        g_string_append_printf(match, " && ip.proto == %d", found ? found->number : (int)number);
        return RC_OK;
    }
    const char *word =
        found->ports == MATCH_ICMP ? (rule->ip_version == 6 ? "icmp6" : "icmp4") : found->match;
    g_string_append_printf(match, " && %s", word);
    (found->ports == MATCH_ICMP ? append_icmp : append_ports)(match, word, rule);
    return RC_OK;
}

static enum rc
append_remote(GString *match, const struct nb_security_group_rule *rule, struct err *err)
{
    const char *side = rule->ingress ? "src" : "dst";
    if (rule->remote_group_id) {
        g_autofree char *group = nb_port_group_name(rule->remote_group_id);
        g_string_append_printf(match, " && ip%d.%s == $%s_ip%d", rule->ip_version, side, group,
                               rule->ip_version);
    } else if (rule->remote_ip_prefix && *rule->remote_ip_prefix) {
        char cidr[NB_ADDRESS_SIZE];
        bool is_all;
        enum rc rc = nb_cidr("remote_ip_prefix", rule->remote_ip_prefix, rule->ip_version, cidr,
                             &is_all, err);
        if (rc != RC_OK) {
            return rc;
        }
        if (!is_all) {
            g_string_append_printf(match, " && ip%d.%s == %s", rule->ip_version, side, cidr);
        }
    }
    return RC_OK;
}

static struct nb_row *
add_acl(struct nb_object *object, const char *key, bool ingress, int priority)
{
    struct nb_row *row = nb_row_add(object, NB_ACL, key);
    nb_row_link(row, object->owner, "group");
    nb_row_text(row, "direction", ingress ? "to-lport" : "from-lport");
    nb_row_int(row, "priority", priority);
    return row;
}

static enum rc
add_rule(struct nb_object *object, const char *port_group,
         const struct nb_security_group_rule *rule, bool stateful, struct err *err)
{
    if (rule->ip_version != 4 && rule->ip_version != 6) {
        return fault(err, RC_INVALID, "rule '%s': IP version %d is neither 4 nor 6", rule->id,
                     rule->ip_version);
    }
    g_autoptr(GString) match = g_string_new(NULL);
    g_string_printf(match, "%s == @%s && ip%d", rule->ingress ? "outport" : "inport", port_group,
                    rule->ip_version);
    enum rc rc = append_remote(match, rule, err);
    rc = rc == RC_OK ? append_protocol(match, rule, err) : rc;
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *key = g_strdup_printf("acl-%s", rule->id);
    struct nb_row *row = add_acl(object, key, rule->ingress, PRIORITY_ALLOW);
    nb_row_text(row, "match", match->str);
    nb_row_text(row, "action", stateful ? "allow-related" : "allow-stateless");
    nb_row_map(row, "external_ids", "neutron:security_group_rule_id", rule->id);
    return RC_OK;
}

enum rc
nb_plan_security_group(const struct nb_security_group *group, struct nb_object **ret_object,
                       struct err *err)
{
    g_autofree char *owner = nb_owner(NB_SECURITY_GROUP, group->id);
    g_autofree char *name = nb_port_group_name(group->id);
    g_autoptr(nb_object) object = nb_object_new(owner, group->revision);
    struct nb_row *row = nb_row_add(object, NB_PORT_GROUP, "group");
    nb_row_text(row, "name", name);
    nb_row_map(row, "external_ids", "neutron:security_group_name", group->name);
    nb_row_map(row, "external_ids", "neutron:security_group_id", group->id);
    for (size_t i = 0; i < group->n_rules; i++) {
        enum rc rc = add_rule(object, name, &group->rules[i], group->stateful, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    *ret_object = g_steal_pointer(&object);
    return RC_OK;
}

struct nb_object *
nb_plan_drop_group(void)
{
    // A guest may always ask for its address, whatever its groups say.
    static const struct {
        const char *key;
        bool ingress;
        int priority;
        const char *match;
        const char *action;
    } acls[] = {
        {"drop-in", true, PRIORITY_DROP, "outport == @neutron_pg_drop && ip", "drop"},
        {"drop-out", false, PRIORITY_DROP, "inport == @neutron_pg_drop && ip", "drop"},
        {"dhcp-out", false, PRIORITY_ALLOW,
         "inport == @neutron_pg_drop && ip4 && udp.src == 68 && udp.dst == 67", "allow"},
    };
    struct nb_object *object = nb_object_new(NB_DROP_OWNER, 1);
    nb_row_text(nb_row_add(object, NB_PORT_GROUP, "group"), "name", "neutron_pg_drop");
    for (size_t i = 0; i < N_ELEMENTS(acls); i++) {
        struct nb_row *row = add_acl(object, acls[i].key, acls[i].ingress, acls[i].priority);
        nb_row_text(row, "match", acls[i].match);
        nb_row_text(row, "action", acls[i].action);
    }
    return object;
}
