// SPDX-License-Identifier: Apache-2.0
#include "common/conf/conf.h"

#include "common/base/util.h"

#include <string.h>

struct conf {
    const struct setting *const *tables;
    GHashTable *values; // "group.key" → text
};

// "store:fast" is of the form "store:*"; the form itself is not a group.
static bool
group_fits(const char *form, const char *group)
{
    size_t len = strlen(form);
    bool is_form = len > 1 && form[len - 1] == '*';
    return is_form ? !strncmp(form, group, len - 1) && group[len - 1] && group[len - 1] != '*'
                   : !strcmp(form, group);
}

static const struct setting *
find_setting(const struct setting *const *tables, const char *group, const char *key)
{
    for (; *tables; tables++) {
        for (const struct setting *setting = *tables; setting->group; setting++) {
            if (group_fits(setting->group, group) && strcmp(setting->key, key) == 0) {
                return setting;
            }
        }
    }
    return NULL;
}

static char *
full_name(const char *group, const char *key)
{
    return g_strdup_printf("%s.%s", group, key);
}

static enum rc
check_value(const struct setting *setting, const char *text, struct err *err)
{
    int64_t number;
    bool flag;
    bool bounded = setting->min || setting->max;
    if (setting->type == SETTING_INT && !parse_int64(text, bounded ? setting->min : INT64_MIN,
                                                     bounded ? setting->max : INT64_MAX, &number)) {
        return fault(err, RC_INVALID, "setting [%s] %s: '%s' is not a whole number%s%s",
                     setting->group, setting->key, text, bounded ? " in its range " : "",
                     setting->unit ? setting->unit : "");
    }
    if (setting->type == SETTING_BOOL && !parse_bool(text, &flag)) {
        return fault(err, RC_INVALID, "setting [%s] %s: '%s' is neither true nor false",
                     setting->group, setting->key, text);
    }
    return RC_OK;
}

static enum rc
set_value(struct conf *conf, const struct setting *setting, const char *group, const char *text,
          struct err *err)
{
    enum rc rc = check_value(setting, text, err);
    if (rc == RC_OK) {
        g_hash_table_replace(conf->values, full_name(group, setting->key), g_strdup(text));
    }
    return rc;
}

static enum rc
read_group(struct conf *conf, GKeyFile *file, const char *group, struct err *err)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, NULL);
    for (char **key = keys; key && *key; key++) {
        const struct setting *setting = find_setting(conf->tables, group, *key);
        if (!setting) {
            return fault(err, RC_INVALID, "unknown setting [%s] %s", group, *key);
        }
        g_autofree char *text = g_key_file_get_string(file, group, *key, NULL);
        enum rc rc = set_value(conf, setting, group, text ? text : "", err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
read_file(struct conf *conf, const char *path, struct err *err)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &error)) {
        return fault(err, RC_INVALID, "cannot read settings from '%s': %s", path, error->message);
    }
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    for (char **group = groups; *group; group++) {
        enum rc rc = read_group(conf, file, *group, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
read_environment_and_defaults(struct conf *conf, struct err *err)
{
    for (const struct setting *const *table = conf->tables; *table; table++) {
        for (const struct setting *setting = *table; setting->group; setting++) {
            g_autofree char *name = full_name(setting->group, setting->key);
            g_autofree char *upper_group = g_ascii_strup(setting->group, -1);
            g_autofree char *upper_key = g_ascii_strup(setting->key, -1);
            g_autofree char *variable = g_strdup_printf("HANEUL_%s_%s", upper_group, upper_key);
            const char *text = g_getenv(variable);
            if (!text && g_hash_table_contains(conf->values, name)) {
                continue;
            }
            text = text ? text : setting->default_value;
            if (!text) {
                return fault(err, RC_INVALID, "setting [%s] %s must be set: %s", setting->group,
                             setting->key, setting->help);
            }
            enum rc rc = set_value(conf, setting, setting->group, text, err);
            if (rc != RC_OK) {
                return rc;
            }
        }
    }
    return RC_OK;
}

enum rc
conf_load(const struct setting *const *tables, const char *path, struct conf **ret_conf,
          struct err *err)
{
    struct conf *conf = g_new0(struct conf, 1);
    conf->tables = tables;
    conf->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    enum rc rc = path ? read_file(conf, path, err) : RC_OK;
    if (rc == RC_OK) {
        rc = read_environment_and_defaults(conf, err);
    }
    if (rc != RC_OK) {
        conf_free(conf);
        return rc;
    }
    *ret_conf = conf;
    return RC_OK;
}

void
conf_free(struct conf *conf)
{
    if (conf) {
        g_hash_table_unref(conf->values);
        g_free(conf);
    }
}

const char *
conf_text(const struct conf *conf, const char *group, const char *key)
{
    g_autofree char *name = full_name(group, key);
    const char *text = g_hash_table_lookup(conf->values, name);
    if (!text) { // of a form of groups: its default
        const struct setting *setting = find_setting(conf->tables, group, key);
        g_autofree char *form = setting ? full_name(setting->group, key) : NULL;
        text = form ? g_hash_table_lookup(conf->values, form) : NULL;
    }
    g_assert(text);
    return text;
}

int64_t
conf_int(const struct conf *conf, const char *group, const char *key)
{
    return g_ascii_strtoll(conf_text(conf, group, key), NULL, 10);
}

bool
conf_bool(const struct conf *conf, const char *group, const char *key)
{
    bool flag = false;
    bool valid = parse_bool(conf_text(conf, group, key), &flag);
    g_assert(valid);
    return flag;
}

void
conf_print_reference(const struct setting *const *tables, FILE *out)
{
    fprintf(out, "| group | setting | default | unit | meaning |\n|---|---|---|---|---|\n");
    for (; *tables; tables++) {
        for (const struct setting *setting = *tables; setting->group; setting++) {
            fprintf(out, "| %s | `%s` | %s | %s | %s |\n", setting->group, setting->key,
                    setting->default_value ? setting->default_value : "(must be set)",
                    setting->unit ? setting->unit : "", setting->help);
        }
    }
}
