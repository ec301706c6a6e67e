// SPDX-License-Identifier: Apache-2.0
#include "common/bus/envelope.h"
#include "common/bus/link.h"
#include <glib.h>
#include <string.h>

enum { VERSION = 1, ROUTING_KEY_MAX = 255 };

enum rc
envelope_encode(const struct message *message, int64_t time_us, const char *id, char **ret_text,
                struct err *err)
{
    if (!message->type || !*message->type) {
        return fault(err, RC_INVALID, "cannot send a message without a type");
    }
    if (!message->routing_key || strlen(message->routing_key) > ROUTING_KEY_MAX) {
        return fault(err, RC_INVALID, "cannot send message '%s': bad routing key", message->type);
    }
    json_auto_t *root = json_pack("{s:s, s:s, s:i, s:I, s:s?, s:O?}", "id", id, "type",
                                  message->type, "version", VERSION, "time_us", (json_int_t)time_us,
                                  "request_id", message->request_id, "body", message->body);
    if (!root) {
        return fault(err, RC_INVALID, "cannot send message '%s': text is not UTF-8", message->type);
    }
    if (message->generation) {
        json_object_set_new(root, "generation", json_integer(message->generation));
    }
    if (message->deadline_us) {
        json_object_set_new(root, "deadline_us", json_integer(message->deadline_us));
    }
    g_autofree char *text = json_dumps(root, JSON_COMPACT);
    g_assert(text);
    if (strlen(text) > BUS_BODY_MAX) {
        return fault(err, RC_TOO_LARGE, "cannot send message '%s': %zu bytes are too many",
                     message->type, strlen(text));
    }
    *ret_text = g_steal_pointer(&text);
    return RC_OK;
}

enum rc
envelope_decode(const char *text, size_t size, json_t **ret_root, struct message *ret_message,
                struct err *err)
{
    if (size > BUS_BODY_MAX) {
        return fault(err, RC_TOO_LARGE, "message of %zu bytes is too large", size);
    }
    json_error_t error;
    json_auto_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        return fault(err, RC_INVALID, "message is not a JSON object");
    }
    const char *id = json_string_value(json_object_get(root, "id"));
    const char *type = json_string_value(json_object_get(root, "type"));
    if (!id || !*id || strlen(id) > 64 || !type || !*type) {
        return fault(err, RC_INVALID, "message lacks id or type");
    }
    *ret_message = (struct message){
        .id = id,
        .type = type,
        .request_id = json_string_value(json_object_get(root, "request_id")),
        .generation = json_integer_value(json_object_get(root, "generation")),
        .deadline_us = json_integer_value(json_object_get(root, "deadline_us")),
        .body = json_object_get(root, "body"),
    };
    *ret_root = g_steal_pointer(&root);
    return RC_OK;
}

json_t *
reply_encode(json_t *body, const struct err *failure)
{
    if (!failure) {
        return json_pack("{s:O?}", "ok", body);
    }
    return json_pack("{s:{s:s, s:s, s:s}}", "error", "rc", rc_name(failure->rc), "type",
                     failure->type, "message", failure->message);
}

enum rc
reply_decode(json_t *reply, json_t **ret_body, struct err *err)
{
    json_t *ok = json_object_get(reply, "ok");
    json_t *error = json_object_get(reply, "error");
    if (ok) {
        *ret_body = json_incref(ok);
        return RC_OK;
    }
    const char *name = json_string_value(json_object_get(error, "rc"));
    const char *type = json_string_value(json_object_get(error, "type"));
    const char *text = json_string_value(json_object_get(error, "message"));
    for (int rc = RC_INVALID; name && rc < N_RC; rc++) {
        if (!strcmp(rc_name(rc), name)) {
            return fault_typed(err, rc, type ? type : "", "%s", text ? text : "");
        }
    }
    return fault(err, RC_BAD_GATEWAY, "the reply is not understood");
}

int64_t
retry_delay_ms(unsigned attempt, uint32_t random)
{
    int64_t delay = 250LL << MIN(attempt, 7);
    delay = MIN(delay, 30000);
    return delay - delay / 4 + random % (delay / 2 + 1);
}
