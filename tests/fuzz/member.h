// SPDX-License-Identifier: Apache-2.0
// Who asks, in the fuzz targets: a member of a project, with no names to speak of.
#pragma once
#include "common/auth/auth.h"

static inline struct auth_context *
fuzz_member(void)
{
    static const char *const roles[] = {"member", NULL};
    static struct auth_context member = {.user_id = "u",
                                         .user_name = "",
                                         .user_domain_id = "default",
                                         .user_domain_name = "",
                                         .project_id = "p",
                                         .project_name = "",
                                         .project_domain_id = "",
                                         .project_domain_name = "",
                                         .domain_id = "",
                                         .domain_name = "",
                                         .roles = roles,
                                         .role_ids = roles};
    return &member;
}
