// SPDX-License-Identifier: Apache-2.0
#include "services/billing/fact.h"

#include "common/json/body.h"
#include "services/billing/billing.h"
#include <string.h>

static const char *const kinds[] = {"open", "close", NULL};

static const struct field fact_fields[] = {
    FIELD(struct fact, service, "service", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct fact, sequence, "sequence", FIELD_INT, FIELD_REQUIRED, 1, INT64_MAX),
    {.name = "kind",
     .type = FIELD_TEXT,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct fact, kind),
     .values = kinds},
    FIELD(struct fact, interval_id, "interval_id", FIELD_UUID, FIELD_REQUIRED),
    FIELD(struct fact, project_id, "project_id", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct fact, resource_type, "resource_type", FIELD_TEXT, FIELD_REQUIRED, 1, 64),
    FIELD(struct fact, resource_id, "resource_id", FIELD_TEXT, FIELD_REQUIRED, 1, 255),
    FIELD(struct fact, resource_name, "resource_name", FIELD_TEXT, FIELD_NULLABLE, 0, 1024),
    FIELD(struct fact, meter, "meter", FIELD_TEXT, FIELD_REQUIRED, 1, 63),
    FIELD(struct fact, quantity, "quantity", FIELD_INT, FIELD_REQUIRED, 0, INT64_MAX),
    FIELD(struct fact, from_us, "from_us", FIELD_INT, FIELD_REQUIRED, 1, TIME_MAX_US),
    FIELD(struct fact, to_us, "to_us", FIELD_INT, FIELD_NULLABLE, 1, TIME_MAX_US),
    FIELD(struct fact, request_id, "request_id", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
};
static const struct body_spec fact_spec = {
    .fields = fact_fields,
    .n_fields = sizeof(fact_fields) / sizeof(fact_fields[0]),
    .struct_size = sizeof(struct fact),
    .unknown = BODY_ALLOW_UNKNOWN,
};

enum rc
fact_decode(json_t *body, struct fact *ret_fact, struct err *err)
{
    struct fact fact;
    enum rc rc = body_decode(&fact_spec, body, &fact, NULL, err);
    if (rc) {
        return rc;
    }
    bool closing = !strcmp(fact.kind, "close");
    if (closing != (fact.to_us != 0) || (closing && fact.to_us < fact.from_us)) {
        return fault(err, RC_INVALID,
                     "usage fact %s %" G_GINT64_FORMAT ": to_us does not fit kind '%s'",
                     fact.service, fact.sequence, fact.kind);
    }
    *ret_fact = fact;
    return RC_OK;
}
