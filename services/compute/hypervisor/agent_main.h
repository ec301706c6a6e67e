// SPDX-License-Identifier: Apache-2.0
// What main.c needs of the agent.
#pragma once
#include "common/service/service.h"

extern const struct setting AGENT_SETTINGS[];
enum rc agent_start(struct service *service, void **ret_context, struct err *err);
void agent_stop(struct service *service, void *context);
