// SPDX-License-Identifier: Apache-2.0
// Messages from the bus, down to a host's order: a compromised peer may send anything.
#include "common/base/util.h"
#include "common/bus/envelope.h"
#include "services/compute/hypervisor/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = NULL;
    struct message message;
    struct err err = {0};
    if (envelope_decode((const char *)data, size, &root, &message, &err) == RC_OK) {
        g_assert(message.id && message.type);
        struct order *order = NULL;
        if (order_from_json(message.body, &order, &err) == RC_OK) {
            g_assert(order_id_is_safe(order->server_id));
            order_unref(order);
        }
        json_decref(root);
    }
    json_auto_t *body = json_loadb((const char *)data, size, 0, NULL);
    struct order *order = NULL;
    if (body && order_from_json(body, &order, &err) == RC_OK) {
        g_assert(order_id_is_safe(order->server_id) && order->n_ports <= MAX_ORDER_PORTS);
        order_unref(order);
    }
    return 0;
}
