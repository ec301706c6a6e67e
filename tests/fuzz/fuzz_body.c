// SPDX-License-Identifier: Apache-2.0
// JSON bodies against a table with a field of every type.
#include "common/base/util.h"
#include "common/json/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct everything {
    const char *text, *uuid;
    int64_t number;
    bool flag;
    json_t *object, *array, *any;
};
static const char *const words[] = {"a", "b", NULL};
static const struct field fields[] = {
    FIELD(struct everything, text, "text", FIELD_TEXT, FIELD_REQUIRED, 1, 5),
    FIELD(struct everything, uuid, "uuid", FIELD_UUID, FIELD_NULLABLE),
    FIELD(struct everything, number, "number", FIELD_INT, FIELD_LAX, -3, 3),
    FIELD(struct everything, flag, "flag", FIELD_BOOL, FIELD_LAX),
    FIELD(struct everything, object, "object", FIELD_OBJECT, 0),
    FIELD(struct everything, array, "array", FIELD_ARRAY, 0, 0, 2),
    FIELD(struct everything, any, "any", FIELD_ANY, 0),
    {.name = "word",
     .type = FIELD_TEXT,
     .offset = offsetof(struct everything, text),
     .values = words},
};
static const struct body_spec spec = {"thing", fields, N_ELEMENTS(fields),
                                      sizeof(struct everything), BODY_REFUSE_UNKNOWN};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    struct everything thing;
    struct err err = {0};
    uint64_t present = 0;
    if (root && body_decode(&spec, root, &thing, &present, &err) == RC_OK) {
        g_assert(thing.text && (present & 1) && thing.number >= -3 && thing.number <= 3);
        g_assert(!thing.array || json_array_size(thing.array) <= 2);
    } else if (root) {
        g_assert(err.rc == RC_INVALID && err.message[0]);
    }
    json_decref(root);
    return 0;
}
