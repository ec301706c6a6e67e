// SPDX-License-Identifier: Apache-2.0
// Rows of images, tags and members. An image that the viewer may not see is RC_NOT_FOUND, like one
// that is not there.
#pragma once
#include "common/base/util.h"
#include "common/db/quota.h"
#include "services/image/image.h"

struct image_row { // texts belong to the row
    char *id, *owner, *name, *status, *visibility, *disk_format, *container_format;
    char *checksum, *digest;
    int64_t size, min_disk, min_ram;
    bool protected, has_data;
    bool is_member; // the viewer's project is one
};
typedef struct image_row image_row;
void image_row_free(image_row *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(image_row, image_row_free)

extern const struct quota_resource image_quotas[];
enum { QUOTA_COUNT, QUOTA_SIZE, QUOTA_STAGE, QUOTA_UPLOADING };
enum rc quota_refusal(enum rc rc,
                      struct err *err); // RC_QUOTA becomes RC_TOO_LARGE, as Glance answers

// for_update: inside db_tx, the row stays locked.
enum rc image_db_find(struct db *db, const struct viewer *viewer, const char *id, bool for_update,
                      image_row **ret_row, struct err *err) CHECKED;
// The image as the API shows it, as JSON text; the caller frees.
enum rc image_db_show(struct db *db, const struct viewer *viewer, const char *id, char **ret_json,
                      struct err *err) CHECKED;

// What may be written: attribute name → value for columns, all in one object: {"name",
// "visibility", "protected", "os_hidden", "container_format", "disk_format", "min_disk", "min_ram",
// "owner", "tags", "properties"}. Creates in state queued. RC_CONFLICT: the id is taken;
// RC_TOO_LARGE: quota.
enum rc image_db_create(struct db *db, const char *id, json_t *values, struct err *err) CHECKED;
// Same object, read for a change inside db_tx with the row locked.
enum rc image_db_values(struct db *db, const char *id, json_t **ret_values,
                        struct err *err) CHECKED;
enum rc image_db_update(struct db *db, const char *id, json_t *values, struct err *err) CHECKED;
// Compare-and-set by the life cycle inside db_tx; on deletion the row lets go of its data and its
// usage ends.
enum rc image_db_set_status(struct db *db, const image_row *row, const char *status,
                            struct err *err) CHECKED;
enum rc image_db_tag(struct db *db, const char *id, const char *tag, struct err *err) CHECKED;
enum rc image_db_untag(struct db *db, const char *id, const char *tag, struct err *err) CHECKED;

// ---- members; JSON text as the API shows it
enum rc member_db_add(struct db *db, const char *image_id, const char *member_id, int max_members,
                      char **ret_json, struct err *err) CHECKED;
enum rc member_db_set_status(struct db *db, const char *image_id, const char *member_id,
                             const char *status, char **ret_json, struct err *err) CHECKED;
// Every membership of a project. ret_n: how many there were.
enum rc member_db_remove_all(struct db *db, const char *member_id, int64_t *ret_n,
                             struct err *err) CHECKED;
enum rc member_db_remove(struct db *db, const char *image_id, const char *member_id,
                         struct err *err) CHECKED;
enum rc member_db_show(struct db *db, const char *image_id, const char *member_id, char **ret_json,
                       struct err *err) CHECKED;
// only: NULL or the only member that is shown.
enum rc member_db_list(struct db *db, const char *image_id, const char *only, char **ret_json,
                       struct err *err) CHECKED;

// ---- list
struct image_sort {
    unsigned key; // index of image_sort_keys
    bool descending;
};
struct image_filter {
    unsigned kind;    // index of image_filter_kinds
    const char *name; // of a custom property
    char *value;      // text form, or text[] literal for "in:"
};
struct image_list {
    struct viewer viewer;
    const char *visibility;    // NULL, one, or "all"
    const char *member_status; // "accepted" …, "all"
    bool hidden;
    GArray *filters; // of struct image_filter
    struct image_sort sorts[12];
    unsigned n_sorts;
    bool tie_descending;
    const char *marker; // NULL: from the start
    int limit;
};
extern const char *const image_sort_keys[]; // "name" …; ended by NULL
// Index of a filter by the query's parameter ("size_min"), -1: unknown. is_list: the in: form.
int image_filter_kind(const char *parameter, bool is_list);
#define FILTER_PROPERTY 0u
// ret_items: JSON objects joined by commas; ret_last: id of the last when the page is full, else
// NULL; the caller frees both. RC_INVALID: no such marker.
enum rc image_db_list(struct db *db, const struct image_list *list, char **ret_items,
                      char **ret_last, struct err *err) CHECKED;

enum rc ticket_db_key(struct db *db, const char *candidate, char **ret_key,
                      struct err *err) CHECKED;
