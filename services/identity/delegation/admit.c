// SPDX-License-Identifier: Apache-2.0
// Tokens that act for a user by delegation (trust, application credential) reach nothing that would
// be another way to act for that user.
#include "services/identity/delegation/admit.h"
#include "common/base/util.h"
#include <string.h>

enum bearer {
    RESTRICTED = 1, // of an application credential that is not unrestricted
    APPCRED = 2,    // of any application credential
    TRUST = 4,
    SIGNED = 8, // of an OAuth access token or an EC2 key
};
static const struct {
    const char *start; // of a route's template
    unsigned may_not;  // enum bearer
    bool even_read;
} guarded[] = {
    {"/v3/users/{id}/application_credentials", RESTRICTED | TRUST | SIGNED, false},
    {"/v3/users/{id}/access_rules", RESTRICTED | TRUST | SIGNED, false},
    {"/v3/credentials", APPCRED | TRUST | SIGNED, true},
    {"/v3/users/{id}/credentials", APPCRED | TRUST | SIGNED, true},
    {"/v3/users/{user_id}/credentials", APPCRED | TRUST | SIGNED, true},
    {"/v3/OS-TRUST/", APPCRED | SIGNED, true},
    {"/v3/OS-OAUTH1/authorize", APPCRED | TRUST | SIGNED, false},
    {"/v3/users/{id}/OS-OAUTH1", APPCRED | TRUST | SIGNED, true},
    {"/v3/users/{user_id}/OS-OAUTH1", APPCRED | TRUST | SIGNED, true},
};

static unsigned
bearer_of(const struct auth_context *auth)
{
    unsigned bearer = auth->trust_id && auth->trust_id[0] ? TRUST : 0;
    if (auth->appcred_id && auth->appcred_id[0]) {
        bearer |= APPCRED | (auth->is_restricted ? RESTRICTED : 0);
    }
    if (strstr(auth->methods, "oauth1") || strstr(auth->methods, "ec2credential")) {
        bearer |= SIGNED;
    }
    return bearer;
}

enum rc
delegation_admit(struct request *request, struct err *err)
{
    unsigned bearer = bearer_of(request_auth(request));
    const char *method = request_method(request), *path = request_route(request)->path;
    bool reads = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    for (size_t i = 0; bearer && i < N_ELEMENTS(guarded); i++) {
        if ((guarded[i].may_not & bearer) && (guarded[i].even_read || !reads) &&
            g_str_has_prefix(path, guarded[i].start)) {
            return fault(err, RC_FORBIDDEN,
                         "You are not authorized to perform the requested action: a token of an "
                         "application credential or a trust may not.");
        }
    }
    return RC_OK;
}
