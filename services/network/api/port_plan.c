// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/port_plan.h"

#include "services/network/api/address.h"

#include <glib.h>
#include <string.h>

enum { MAX_ADDRESS_PAIRS = 10 };

static enum rc
check_pair(json_t *pair, const char *port_mac, struct err *err)
{
    const char *ip = json_string_value(json_object_get(pair, "ip_address"));
    json_t *mac_given = json_object_get(pair, "mac_address");
    const char *mac = json_string_value(mac_given);
    struct prefix prefix;
    char canonical[MAC_SIZE];
    if (!json_is_object(pair) || !ip || !prefix_parse(ip, &prefix)) {
        return fault(err, RC_INVALID,
                     "Invalid input for allowed_address_pairs. Reason: '%.80s' is not a valid IP "
                     "subnet or address.",
                     ip ? ip : "");
    }
    if (mac_given && !json_is_null(mac_given) && (!mac || !mac_parse(mac, canonical))) {
        return fault(
            err, RC_INVALID,
            "Invalid input for allowed_address_pairs. Reason: '%.80s' is not a valid MAC address.",
            mac ? mac : "");
    }
    if (json_object_size(pair) > (mac_given ? 2u : 1u)) {
        return fault(
            err, RC_INVALID,
            "Invalid input for allowed_address_pairs. Reason: it has an unrecognized attribute.");
    }
    json_object_set_new(pair, "mac_address", json_string(mac ? canonical : port_mac));
    return RC_OK;
}

enum rc
port_plan_address_pairs(json_t *pairs, const char *port_mac, struct err *err)
{
    if (json_array_size(pairs) > MAX_ADDRESS_PAIRS) {
        return fault_typed(err, RC_INVALID, "AllowedAddressPairExhausted",
                           "The number of allowed address pair exceeds the maximum %d.",
                           MAX_ADDRESS_PAIRS);
    }
    size_t i;
    json_t *pair;
    json_array_foreach(pairs, i, pair)
    {
        enum rc rc = check_pair(pair, port_mac, err);
        for (size_t j = 0; rc == RC_OK && j < i; j++) {
            if (json_equal(pair, json_array_get(pairs, j))) {
                return fault_typed(
                    err, RC_INVALID, "DuplicateAddressPairInRequest",
                    "Request contains duplicate address pair: mac_address %s ip_address %s.",
                    json_string_value(json_object_get(pair, "mac_address")),
                    json_string_value(json_object_get(pair, "ip_address")));
            }
        }
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

static void
remove_option(json_t *options, const char *name, json_int_t version)
{
    size_t i;
    json_t *option;
    json_array_foreach(options, i, option)
    {
        if (strcmp(json_string_value(json_object_get(option, "opt_name")), name) == 0 &&
            json_integer_value(json_object_get(option, "ip_version")) == version) {
            json_array_remove(options, i);
            return;
        }
    }
}

static enum rc
check_option(json_t *option, json_int_t *ret_version, struct err *err)
{
    json_t *name = json_object_get(option, "opt_name"),
           *value = json_object_get(option, "opt_value");
    json_t *version = json_object_get(option, "ip_version");
    if (!json_is_string(name) || json_string_length(name) == 0 || json_string_length(name) > 64) {
        return fault(err, RC_INVALID,
                     "Invalid input for extra_dhcp_opts. Reason: opt_name must be a text of 1 to "
                     "64 characters.");
    }
    if (!json_is_null(value) && (!json_is_string(value) || json_string_length(value) == 0 ||
                                 json_string_length(value) > 255)) {
        return fault(err, RC_INVALID,
                     "Invalid input for extra_dhcp_opts. Reason: opt_value of '%s' must be a text "
                     "of 1 to 255 characters.",
                     json_string_value(name));
    }
    json_int_t number = json_is_string(version)
                            ? g_ascii_strtoll(json_string_value(version), NULL, 10)
                        : version ? json_integer_value(version)
                                  : 4;
    if (number != 4 && number != 6) {
        return fault(err, RC_INVALID,
                     "Invalid input for extra_dhcp_opts. Reason: ip_version must be 4 or 6.");
    }
    *ret_version = number;
    return RC_OK;
}

enum rc
port_plan_dhcp_options(json_t *old, json_t *changes, json_t **ret_merged, struct err *err)
{
    json_auto_t *merged = json_is_array(old) ? json_deep_copy(old) : json_array();
    size_t i;
    json_t *option;
    json_array_foreach(changes, i, option)
    {
        json_int_t version = 4;
        enum rc rc = check_option(option, &version, err);
        if (rc != RC_OK) {
            return rc;
        }
        const char *name = json_string_value(json_object_get(option, "opt_name"));
        json_t *value = json_object_get(option, "opt_value");
        remove_option(merged, name, version);
        if (json_is_string(value)) {
            json_array_append_new(merged,
                                  json_pack("{s:s, s:s, s:I}", "opt_name", name, "opt_value",
                                            json_string_value(value), "ip_version", version));
        }
    }
    *ret_merged = json_incref(merged);
    return RC_OK;
}
