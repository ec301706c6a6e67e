// SPDX-License-Identifier: Apache-2.0
// Settings: a const table per program, filled from defaults, an INI file, and the environment
// (HANEUL_GROUP_KEY), in this order. Unknown keys and wrong types are refused at start, by name.
#pragma once
#include "common/base/err.h"
#include <stdint.h>
#include <stdio.h>

enum setting_type { SETTING_TEXT, SETTING_INT, SETTING_BOOL, SETTING_SECRET };

struct setting {
    const char *group; // "[database]"; "store:*": any group of that form, "[store:fast]"
    const char *key;   // "dsn"
    enum setting_type type;
    const char *default_value; // NULL: must be set
    int64_t min, max;          // SETTING_INT only; both 0: any
    const char *unit;          // "ms", "MiB", "" …
    const char *help;          // one sentence
};

struct conf;
// tables: NULL-terminated array of tables, each ended by a row with group NULL. They must outlive
// the conf.
enum rc conf_load(const struct setting *const *tables, const char *path, struct conf **ret_conf,
                  struct err *err) CHECKED;
void conf_free(struct conf *conf);
// The setting must be in a table (assert). Texts belong to the conf.
const char *conf_text(const struct conf *conf, const char *group, const char *key);
int64_t conf_int(const struct conf *conf, const char *group, const char *key);
bool conf_bool(const struct conf *conf, const char *group, const char *key);
// Markdown table of every setting, for the operator's page.
void conf_print_reference(const struct setting *const *tables, FILE *out);
