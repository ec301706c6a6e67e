// SPDX-License-Identifier: Apache-2.0
// Rules of the policy language: every text is compiled or refused, and what compiles can be asked.
#include "common/base/util.h"
#include "tests/fuzz/member.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *rule = g_strndup((const char *)data, size);
    const struct policy_rule rules[] = {
        {"fuzzed", rule, NULL}, {"other", "role:member or rule:fuzzed", NULL}, {0}};
    json_auto_t *target = json_pack("{s:s, s:{s:s}}", "project_id", "p", "target", "user_id", "u");
    struct policy *policy = NULL;
    struct err err = {0};
    if (policy_new(rules, NULL, &policy, &err) == RC_OK) {
        policy_allows(policy, "fuzzed", fuzz_member(), target);
        policy_allows(policy, "other", fuzz_member(), NULL);
        policy_free(policy);
    } else {
        g_assert(err.message[0]);
    }
    return 0;
}
