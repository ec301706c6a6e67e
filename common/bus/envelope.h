// SPDX-License-Identifier: Apache-2.0
// The JSON around every message: {id, type, version, time_us, request_id, generation, deadline_us,
// body}. Pure.
#pragma once
#include "common/bus/bus.h"

// The message with an id (made when it has none) as JSON text; the caller frees. RC_TOO_LARGE above
// 1 MiB, RC_INVALID without type or with a routing key over 255 bytes.
enum rc envelope_encode(const struct message *message, int64_t time_us, const char *id,
                        char **ret_text, struct err *err) CHECKED;
// ret_root: new reference that ret_message's strings and body borrow from; routing_key and user_id
// are left NULL. RC_INVALID when it is not such an envelope.
enum rc envelope_decode(const char *text, size_t size, json_t **ret_root,
                        struct message *ret_message, struct err *err) CHECKED;

// Replies travel in the body: {"ok": body} or {"error": {"rc", "type", "message"}}.
json_t *reply_encode(json_t *body, const struct err *failure); // new reference
enum rc reply_decode(json_t *reply, json_t **ret_body, struct err *err) CHECKED;

// How long a message waits before try number `attempt` + 1: doubling from 250 ms to 30 s, ± a
// quarter by `random`.
int64_t retry_delay_ms(unsigned attempt, uint32_t random);
