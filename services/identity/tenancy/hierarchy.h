// SPDX-License-Identifier: Apache-2.0
// The rules of the tree of projects, as Keystone has them, and what
// GET /v3/projects/{id}?parents_as_list and its like show of it.
#pragma once
#include "services/identity/identity_resource.h"

// Hook's part: a new project that is no domain gets its domain and parent. RC_INVALID: the parent
// is missing, in another domain, or in a branch with a disabled project; RC_FORBIDDEN: too deep, or
// not in the requester's domain.
enum rc hierarchy_place(struct resource_op *op, struct err *err) CHECKED;
// Hook's part: enabled only beneath what is enabled, disabled only above what is disabled
// (RC_FORBIDDEN); a domain takes its projects with it.
enum rc hierarchy_check_update(struct resource_op *op, struct err *err) CHECKED;
// GET of one project: parents_as_list or _as_ids, subtree_as_list or _as_ids, include_limits.
enum rc hierarchy_show(struct request *request, struct reply *reply, struct err *err);
