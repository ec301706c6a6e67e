// SPDX-License-Identifier: Apache-2.0
// The list of security groups shows the default one even when nothing has needed it yet.
#pragma once
#include "common/http/http.h"

enum rc security_group_list(struct request *request, struct reply *reply, struct err *err);
