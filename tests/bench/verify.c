// SPDX-License-Identifier: Apache-2.0
// How many tokens a second one core verifies inside a service: from the cache, and by the
// signature.
#include "common/auth/auth.h"
#include "common/auth/jws.h"
#include "common/auth/key_ring.h"
#include "common/base/util.h"

#include <stdio.h>
#include <time.h>

#define N_TOKENS 1000
#define N_CACHED 5000000

static double
cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char *
make_token(const struct key_ring *ring, int n)
{
    static const char *const ids[] = {"0123456789abcdef0123456789abcdef", NULL}, *const names[] = {
                                                                                     "member",
                                                                                     NULL};
    g_autofree char *audit_id = g_strdup_printf("audit-%d", n);
    const struct auth_context context = {.user_id = "fedcba9876543210fedcba9876543210",
                                         .user_name = "somebody",
                                         .user_domain_id = "default",
                                         .user_domain_name = "Default",
                                         .project_id = "00112233445566778899aabbccddeeff",
                                         .project_name = "project",
                                         .project_domain_id = "default",
                                         .project_domain_name = "Default",
                                         .domain_id = "",
                                         .role_ids = (const char *const *)ids,
                                         .roles = (const char *const *)names,
                                         .methods = "password",
                                         .audit_id = audit_id,
                                         .audit_parent_id = "",
                                         .issued_at_us = now_us(),
                                         .expires_at_us = now_us() + INT64_C(3600000000)};
    g_autofree char *claims = claims_text(&context);
    char *token = NULL;
    struct err err = {0};
    enum rc rc = jws_sign(ring, claims, &token, &err);
    g_assert(rc == RC_OK);
    return token;
}

static double
verify_all(struct authenticator *auth, char *const *tokens, int n)
{
    double begin = cpu_s();
    for (int i = 0; i < n; i++) {
        struct auth_context *context = NULL;
        struct err err = {0};
        enum rc rc = authenticator_verify(auth, tokens[i % N_TOKENS], &context, &err);
        g_assert(rc == RC_OK);
        auth_context_unref(context);
    }
    return (double)n / (cpu_s() - begin);
}

int
main(void)
{
    struct key_ring *ring = key_ring_new();
    g_autofree char *private_pem = NULL, *public_pem = NULL;
    struct err err = {0};
    key_pair_generate(&private_pem, &public_pem);
    enum rc rc = key_ring_add(ring, "bench", private_pem, true, &err);
    g_assert(rc == RC_OK);
    struct authenticator *auth = authenticator_new_local(ring);
    char *tokens[N_TOKENS];
    double begin = cpu_s();
    for (int i = 0; i < N_TOKENS; i++) {
        tokens[i] = make_token(ring, i);
    }
    printf("signed: %.0f per second and core\n", N_TOKENS / (cpu_s() - begin));
    printf("verified by signature: %.0f per second and core\n", verify_all(auth, tokens, N_TOKENS));
    printf("verified from the cache: %.0f per second and core\n",
           verify_all(auth, tokens, N_CACHED));
    for (int i = 0; i < N_TOKENS; i++) {
        g_free(tokens[i]);
    }
    authenticator_free(auth);
    key_ring_free(ring);
    return 0;
}
