// SPDX-License-Identifier: Apache-2.0
// The list of images as one statement, put together from constant fragments; every value is a
// parameter.
#include "services/image/catalog/image_db.h"
#include "services/image/catalog/image_sql.h"

#include <string.h>

#define MAX_LIST_ARGS 60
// So many images are looked up one by one. Of what more have, at 10^5 images a page by another
// order than time is full after 5,000.
#define FEW "500"
// Arguments of image_term_key: one owner's images, or all of one visibility.
#define OWNED "$3, 'owner' || "
#define SEEN(visibility) "'" visibility "', 'visibility' || "
#define SHARED_WITH                                                                               \
    "i.visibility = 'shared' AND i.owner <> $3 AND i.id IN (SELECT m.image_id FROM image_member " \
    "m "                                                                                          \
    "WHERE m.member_id = $3%s)"

// %s is the parameter of the value.
static const struct {
    const char *parameter;
    bool is_list;
    const char *condition;
} kinds[] = {
    // A time is compared by its second; the plain comparison beside it is implied and can be looked
    // up. What image_term finds is kept from PostgreSQL's guesses, which know nothing of it.
    // clang-format off
    {NULL, false, NULL}, // FILTER_PROPERTY
    {"id", false, "i.id::text = lower(%s)"},
    {"id", true, "i.id::text = ANY (%s::text[])"},
    {"name", false, "i.name = %s"},
    {"name", true, "i.name = ANY (%s::text[])"},
    {"status", false, "i.status = %s"},
    {"status", true, "i.status = ANY (%s::text[])"},
    {"container_format", false, "COALESCE(i.container_format, '') = NULLIF(%s, '')"},
    {"container_format", true, "i.container_format = ANY (%s::text[])"},
    {"disk_format", false, "COALESCE(i.disk_format, '') = NULLIF(%s, '')"},
    {"disk_format", true, "i.disk_format = ANY (%s::text[])"},
    {"owner", false, "i.owner = %s"},
    {"checksum", false, "i.checksum = %s"},
    {"os_hash_algo", false, "i.os_hash_algo = %s"},
    {"os_hash_value", false, "i.os_hash_value = %s"},
    {"protected", false, "i.protected = %s::boolean"},
    {"min_disk", false, "i.min_disk = %s::bigint"},
    {"min_ram", false, "i.min_ram = %s::bigint"},
    {"size", false, "i.size = %s::bigint"},
    {"virtual_size", false, "i.virtual_size = %s::bigint"},
    {"size_min", false, "i.size >= %s::bigint"},
    {"size_max", false, "i.size <= %s::bigint"},
    {"virtual_size_min", false, "i.virtual_size >= %s::bigint"},
    {"virtual_size_max", false, "i.virtual_size <= %s::bigint"},
    {"min_disk_min", false, "i.min_disk >= %s::bigint"},
    {"min_disk_max", false, "i.min_disk <= %s::bigint"},
    {"min_ram_min", false, "i.min_ram >= %s::bigint"},
    {"min_ram_max", false, "i.min_ram <= %s::bigint"},
    {"tag", false, "COALESCE(i.tags @> ARRAY[%s::text], false)"},
    {"created_at:eq", false, "i.created_at >= %s::timestamptz AND i.created_at < %s::timestamptz + interval '1 second' AND date_trunc('second', i.created_at) = %s::timestamptz"},
    {"created_at:neq", false, "date_trunc('second', i.created_at) <> %s::timestamptz"},
    {"created_at:gt", false, "i.created_at >= %s::timestamptz AND date_trunc('second', i.created_at) > %s::timestamptz"},
    {"created_at:gte", false, "i.created_at >= %s::timestamptz AND date_trunc('second', i.created_at) >= %s::timestamptz"},
    {"created_at:lt", false, "i.created_at < %s::timestamptz + interval '1 second' AND date_trunc('second', i.created_at) < %s::timestamptz"},
    {"created_at:lte", false, "i.created_at < %s::timestamptz + interval '1 second' AND date_trunc('second', i.created_at) <= %s::timestamptz"},
    {"updated_at:eq", false, "i.updated_at >= %s::timestamptz AND i.updated_at < %s::timestamptz + interval '1 second' AND date_trunc('second', i.updated_at) = %s::timestamptz"},
    {"updated_at:neq", false, "date_trunc('second', i.updated_at) <> %s::timestamptz"},
    {"updated_at:gt", false, "i.updated_at >= %s::timestamptz AND date_trunc('second', i.updated_at) > %s::timestamptz"},
    {"updated_at:gte", false, "i.updated_at >= %s::timestamptz AND date_trunc('second', i.updated_at) >= %s::timestamptz"},
    {"updated_at:lt", false, "i.updated_at < %s::timestamptz + interval '1 second' AND date_trunc('second', i.updated_at) < %s::timestamptz"},
    {"updated_at:lte", false, "i.updated_at < %s::timestamptz + interval '1 second' AND date_trunc('second', i.updated_at) <= %s::timestamptz"},
    // clang-format on
};

// Never null, so that a page can go on after any row.
static const char *const sort_expressions[] = {
    "COALESCE(%s.name, '')",
    "%s.status",
    "COALESCE(%s.container_format, '')",
    "COALESCE(%s.disk_format, '')",
    "COALESCE(%s.size, -1)",
    "%s.id",
    "%s.created_at",
    "%s.updated_at",
};
const char *const image_sort_keys[] = {"name",        "status",     "container_format",
                                       "disk_format", "size",       "id",
                                       "created_at",  "updated_at", NULL};

struct statement {
    GString *sql;
    struct db_arg args[MAX_LIST_ARGS];
    size_t n_args;
    GPtrArray *terms; // keys of the filters by property and tag; %s is the scope
};

static enum rc add_streams(struct statement *statement, const struct image_list *list,
                           struct err *err);
static enum rc add_filters(struct statement *statement, const struct image_list *list,
                           struct err *err);
static void add_marker(struct statement *statement, const struct image_list *list);
static void add_order(GString *sql, const struct image_list *list);

int
image_filter_kind(const char *parameter, bool is_list)
{
    for (size_t i = 1; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(kinds[i].parameter, parameter) && kinds[i].is_list == is_list) {
            return (int)i;
        }
    }
    return -1;
}

// "$n" of a new parameter.
static const char *
add_arg(struct statement *statement, struct db_arg arg, char buffer[8])
{
    g_assert(statement->n_args < MAX_LIST_ARGS);
    statement->args[statement->n_args++] = arg;
    g_snprintf(buffer, 8, "$%zu", statement->n_args);
    return buffer;
}

// Puts the text for the fragment's every %s.
static void
append_fragment(GString *sql, const char *fragment, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(fragment, "%s", -1);
    g_autofree char *joined = g_strjoinv(text, parts);
    g_string_append(sql, joined);
}

static enum rc
check_marker(struct db *db, const struct image_list *list, struct err *err)
{
    g_autoptr(image_row) row = NULL;
    enum rc rc = image_db_find(db, &list->viewer, list->marker, false, &row, err);
    return rc == RC_NOT_FOUND
               ? fault(err, RC_INVALID, "No image found with ID %.64s (marker)", list->marker)
               : rc;
}

enum rc
image_db_list(struct db *db, const struct image_list *list, char **ret_items, char **ret_last,
              struct err *err)
{
    enum rc rc = list->marker ? check_marker(db, list, err) : RC_OK;
    if (rc != RC_OK) {
        return rc;
    }
    g_autoptr(GString) sql = g_string_new(
        "SELECT COALESCE(string_agg(item, ', ' ORDER BY n), '') AS items, count(*) AS n_items, "
        "(array_agg(id ORDER BY n DESC))[1] AS last FROM (SELECT i.id, row_number() OVER (");
    add_order(sql, list);
    g_string_append(sql, ") AS n, " IMAGE_VIEW "::text AS item FROM (");
    // $1 is the marker; $2 and $3 are the viewer, as everywhere.
    g_autoptr(GPtrArray) terms = g_ptr_array_new_with_free_func(g_free);
    struct statement statement = {.sql = sql, .n_args = 3, .terms = terms};
    statement.args[0] = db_s(list->marker);
    statement.args[1] = db_b(list->viewer.is_admin);
    statement.args[2] = db_s(list->viewer.project_id);
    rc = add_streams(&statement, list, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_string_append(sql, ") i) page WHERE $1::uuid IS NULL OR $2::boolean IS NULL OR $3::text IS "
                         "NULL OR true");
    g_autoptr(db_result) result = NULL;
    // What a filter's value selects decides the plan.
    rc = list->filters->len
             ? db_run_once(db, sql->str, statement.args, statement.n_args, &result, err)
             : db_run_one(db, sql->str, statement.args, statement.n_args, &result, err);
    if (rc != RC_OK) {
        return rc == RC_INVALID ? fault(err, rc, "a filter's value is malformed") : rc;
    }
    bool full = list->limit > 0 && db_int(result, 0, "n_items") == list->limit;
    *ret_items = g_strdup(db_text(result, 0, "items"));
    *ret_last = full ? g_strdup(db_text(result, 0, "last")) : NULL;
    return RC_OK;
}

// Glance's rules: community images of others appear only when asked for, shared ones by the
// member's status.
// What somebody sees of all images: streams that exclude each other, each in order by an index, of
// which the first page is merged.
static const struct stream {
    const char *visibility; // asked for; NULL: when nothing is
    const char *condition;
    const char *scopes[4]; // of image_term, which have the stream's images
} streams[] = {
    // clang-format off
    {NULL, "i.owner = $3", {OWNED}},
    {NULL, "i.visibility = 'public' AND i.owner <> $3", {SEEN("public")}},
    {NULL, SHARED_WITH},
    {"all", "i.owner = $3", {OWNED}},
    {"all", "i.visibility = 'public' AND i.owner <> $3", {SEEN("public")}},
    {"all", "i.visibility = 'community' AND i.owner <> $3", {SEEN("community")}},
    {"all", SHARED_WITH},
    {"public", "i.visibility = 'public'", {SEEN("public")}},
    {"community", "i.visibility = 'community'", {SEEN("community")}},
    {"shared", "i.visibility = 'shared' AND i.owner = $3", {OWNED}},
    {"shared", SHARED_WITH},
    {"private", "i.visibility = 'private' AND i.owner = $3", {OWNED}},
    // clang-format on
};
// An admin sees all that is asked for.
static const struct stream admin_streams[] = {
    // clang-format off
    {NULL, "(i.owner = $3 OR i.visibility <> 'community')", {SEEN("private"), SEEN("shared"), SEEN("public"), SEEN("community")}},
    {"all", "true", {SEEN("private"), SEEN("shared"), SEEN("public"), SEEN("community")}},
    {"public", "i.visibility = 'public'", {SEEN("public")}},
    {"community", "i.visibility = 'community'", {SEEN("community")}},
    {"shared", "i.visibility = 'shared'", {SEEN("shared")}},
    {"private", "i.visibility = 'private'", {SEEN("private")}},
    // clang-format on
};
// The same, each in order by its scope.
static const struct stream admin_streams_by_term[] = {
    // clang-format off
    {NULL, "i.visibility = 'private'", {SEEN("private")}},
    {NULL, "i.visibility = 'shared'", {SEEN("shared")}},
    {NULL, "i.visibility = 'public'", {SEEN("public")}},
    {NULL, "i.visibility = 'community' AND i.owner = $3", {OWNED}},
    {"all", "i.visibility = 'private'", {SEEN("private")}},
    {"all", "i.visibility = 'shared'", {SEEN("shared")}},
    {"all", "i.visibility = 'public'", {SEEN("public")}},
    {"all", "i.visibility = 'community'", {SEEN("community")}},
    {"public", "i.visibility = 'public'", {SEEN("public")}},
    {"community", "i.visibility = 'community'", {SEEN("community")}},
    {"shared", "i.visibility = 'shared'", {SEEN("shared")}},
    {"private", "i.visibility = 'private'", {SEEN("private")}},
    // clang-format on
};

// How a stream finds its first page.
enum approach {
    BY_INDEX, // as PostgreSQL sees fit
    BY_TERM,  // along the rarest term, which is in the order that is asked for
    BY_COUNT, // all images of the rarest term if these are few, else as PostgreSQL sees fit
};

static bool
is_by_time(const struct image_list *list)
{
    for (unsigned n = 0; n < list->n_sorts; n++) {
        const char *key = image_sort_keys[list->sorts[n].key];
        if (list->sorts[n].descending != list->sorts[0].descending ||
            (strcmp(key, "created_at") && (n == 0 || strcmp(key, "id")))) {
            return false;
        }
    }
    return true;
}

static enum approach
approach_of(const struct statement *statement, const struct image_list *list)
{
    return statement->terms->len == 0 ? BY_INDEX
           : is_by_time(list) && statement->terms->len == list->filters->len && !list->hidden
               ? BY_TERM
               : BY_COUNT;
}

// A constant, so that there are few statements and plans.
static void
add_limit(GString *sql, const struct image_list *list)
{
    g_string_append_printf(sql, " LIMIT %d",
                           list->limit <= 25    ? 25
                           : list->limit <= 100 ? 100
                                                : 1000);
}

// The images of the terms' rows in order, each looked up by its id whatever PostgreSQL expects.
static void
add_looked_up(GString *sql, const char *terms)
{
    g_string_append_printf(sql,
                           "SELECT i.* FROM %s t CROSS JOIN LATERAL (SELECT s.* FROM image s "
                           "WHERE s.id = t.image_id OFFSET 0) i WHERE ",
                           terms);
}

static void
add_along_term(GString *sql, const struct image_list *list, const char *conditions)
{
    bool descending = list->sorts[0].descending;
    const char *direction = descending ? "DESC" : "ASC";
    add_looked_up(sql, "image_term");
    g_string_append(sql, "t.term = (SELECT terms[1] FROM rarest) AND ");
    if (list->marker) {
        g_string_append_printf(
            sql, "t.created_at %s (SELECT a.created_at FROM image a WHERE a.id = $1::uuid) AND ",
            descending ? "<=" : ">=");
    }
    // What is equal is in the same order: the streams are merged without sorting, so none is read
    // further than the page needs.
    g_string_append_printf(sql,
                           "i.created_at = t.created_at AND i.id = t.image_id AND %s "
                           "ORDER BY t.created_at %s, t.image_id %s",
                           conditions, direction, direction);
    add_limit(sql, list);
}

static void
add_by_count(GString *sql, const struct image_list *list, const char *conditions)
{
    g_string_append(sql, "(");
    add_looked_up(sql, "(SELECT c.image_id FROM unnest((SELECT terms FROM rarest)) k (term), "
                       "LATERAL (SELECT image_id FROM image_term WHERE term = k.term AND "
                       "(SELECT n FROM rarest) < " FEW " ORDER BY created_at, image_id "
                       "LIMIT " FEW ") c)");
    g_string_append_printf(sql, "%s ", conditions);
    add_order(sql, list);
    add_limit(sql, list);
    g_string_append_printf(sql,
                           ") UNION ALL (SELECT i.* FROM image i WHERE (SELECT n FROM rarest) "
                           ">= " FEW " AND %s ",
                           conditions);
    add_order(sql, list);
    add_limit(sql, list);
    g_string_append(sql, ")");
}

// rarest (terms, n): of the filters the one that the fewest images of the scopes have, its term in
// each scope, and how many, FEW or more if not few; of such the one whose latest lie furthest
// apart. A table of its own, so that the plan is the same whatever they are.
static void
add_rarest(const struct statement *statement, const struct stream *stream, enum approach approach)
{
    bool is_counted = statement->terms->len > 1 || approach == BY_COUNT;
    g_string_append(statement->sql,
                    "WITH rarest AS MATERIALIZED (SELECT f.terms, l.n FROM (VALUES ");
    for (guint n = 0; n < statement->terms->len; n++) {
        g_string_append(statement->sql, n ? ", (ARRAY[" : "(ARRAY[");
        for (unsigned k = 0; k < G_N_ELEMENTS(stream->scopes) && stream->scopes[k]; k++) {
            g_string_append(statement->sql, k ? ", " : "");
            append_fragment(statement->sql, g_ptr_array_index(statement->terms, n),
                            stream->scopes[k]);
        }
        g_string_append(statement->sql, "])");
    }
    g_string_append_printf(
        statement->sql, ") f (terms), LATERAL (%s) l ORDER BY l.n, l.span DESC LIMIT 1) ",
        is_counted ? "SELECT count(*) AS n, max(c.created_at) - min(c.created_at) AS span "
                     "FROM unnest(f.terms) k (term), LATERAL (SELECT created_at FROM image_term "
                     "WHERE term = k.term ORDER BY created_at DESC, image_id DESC LIMIT " FEW ") c"
                   : "SELECT 0 AS n, 0 AS span");
}

static void
add_stream(struct statement *statement, const struct image_list *list, const struct stream *stream,
           const char *filters, const char *member_status)
{
    GString *sql = statement->sql;
    g_autoptr(GString) conditions = g_string_new("i.status NOT IN ('deleted', 'killed') AND ");
    append_fragment(conditions, stream->condition, member_status);
    g_string_append(conditions, filters);
    enum approach approach = stream->scopes[0] ? approach_of(statement, list) : BY_INDEX;
    g_string_append(sql, "(");
    if (approach == BY_INDEX) {
        g_string_append_printf(sql, "SELECT i.* FROM image i WHERE %s ", conditions->str);
        add_order(sql, list);
        add_limit(sql, list);
    } else {
        add_rarest(statement, stream, approach);
        (approach == BY_TERM ? add_along_term : add_by_count)(sql, list, conditions->str);
    }
    g_string_append(sql, ")");
}

static const struct stream *
streams_of(const struct statement *statement, const struct image_list *list, size_t *ret_n)
{
    if (!list->viewer.is_admin) {
        *ret_n = G_N_ELEMENTS(streams);
        return streams;
    }
    if (approach_of(statement, list) == BY_TERM) {
        *ret_n = G_N_ELEMENTS(admin_streams_by_term);
        return admin_streams_by_term;
    }
    *ret_n = G_N_ELEMENTS(admin_streams);
    return admin_streams;
}

static enum rc
add_streams(struct statement *statement, const struct image_list *list, struct err *err)
{
    char parameter[8];
    bool may_be_shared = !list->visibility || !strcmp(list->visibility, "all") ||
                         !strcmp(list->visibility, "shared");
    g_autofree char *status =
        list->viewer.is_admin || !may_be_shared || !strcmp(list->member_status, "all")
            ? g_strdup("")
            : g_strdup_printf(" AND m.status = %s",
                              add_arg(statement, db_s(list->member_status), parameter));
    GString *outer = statement->sql;
    g_autoptr(GString) filters =
        g_string_new(list->hidden ? " AND i.os_hidden" : " AND NOT i.os_hidden");
    statement->sql = filters;
    enum rc rc = add_filters(statement, list, err);
    add_marker(statement, list);
    statement->sql = outer;
    size_t n;
    const struct stream *table = streams_of(statement, list, &n);
    const char *glue = "SELECT * FROM (";
    for (size_t i = 0; i < n; i++) {
        if (!g_strcmp0(table[i].visibility, list->visibility)) {
            g_string_append(outer, glue);
            add_stream(statement, list, &table[i], filters->str, status);
            glue = " UNION ALL ";
        }
    }
    g_string_append(outer, ") i ");
    add_order(outer, list);
    g_string_append_printf(outer, " LIMIT %s::int",
                           add_arg(statement, db_i(list->limit), parameter));
    return rc;
}

// A filter by a property or tag, as a key of image_term.
static void
add_term(struct statement *statement, const char *kind, const char *name, const char *value)
{
    g_ptr_array_add(statement->terms,
                    g_strdup_printf("image_term_key(%%s'%s', %s, %s)", kind, name, value));
}

static enum rc
add_filters(struct statement *statement, const struct image_list *list, struct err *err)
{
    char value[8], name[8];
    for (guint n = 0; n < list->filters->len; n++) {
        const struct image_filter *filter = &g_array_index(list->filters, struct image_filter, n);
        if (statement->n_args + 3 > MAX_LIST_ARGS) {
            return fault(err, RC_INVALID, "too many filters");
        }
        g_string_append(statement->sql, " AND ");
        if (filter->kind == FILTER_PROPERTY) {
            g_string_append_printf(statement->sql,
                                   "COALESCE(i.properties @> jsonb_build_object(%s::text, "
                                   "%s::text), false)",
                                   add_arg(statement, db_s(filter->name), name),
                                   add_arg(statement, db_s(filter->value), value));
            add_term(statement, "property", name, value);
        } else {
            append_fragment(statement->sql, kinds[filter->kind].condition,
                            add_arg(statement, db_s(filter->value), value));
        }
        if (filter->kind == (unsigned)image_filter_kind("tag", false)) {
            add_term(statement, "tag", "''", value);
        }
    }
    return RC_OK;
}

static void
append_key(GString *sql, const struct image_sort *sort, const char *alias)
{
    append_fragment(sql, sort_expressions[sort->key], alias);
}

// (k1 beyond a1) OR (k1 = a1 AND (k2 beyond a2 OR …)): directions may differ from key to key.
// The marker's value of a key: looked up once for the statement.
static void
append_marked(GString *sql, const struct image_sort *sort)
{
    g_string_append(sql, "(SELECT ");
    append_key(sql, sort, "a");
    g_string_append(sql, " FROM image a WHERE a.id = $1::uuid)");
}

static void
append_against_marker(GString *sql, const struct image_sort *sort, const char *operator_)
{
    append_key(sql, sort, "i");
    g_string_append(sql, operator_);
    append_marked(sql, sort);
}

static void
add_marker(struct statement *statement, const struct image_list *list)
{
    if (!list->marker) {
        return;
    }
    GString *sql = statement->sql;
    // Implied by what follows; an index in this order is entered there instead of at its beginning.
    g_string_append(sql, " AND ");
    append_against_marker(sql, &list->sorts[0], list->sorts[0].descending ? " <= " : " >= ");
    g_string_append(sql, " AND (");
    for (unsigned n = 0; n < list->n_sorts; n++) {
        const struct image_sort *sort = &list->sorts[n];
        append_against_marker(sql, sort, sort->descending ? " < " : " > ");
        if (n + 1 < list->n_sorts) {
            g_string_append(sql, " OR (");
            append_against_marker(sql, sort, " = ");
            g_string_append(sql, " AND (");
        }
    }
    for (unsigned n = 0; n + 1 < list->n_sorts; n++) {
        g_string_append(sql, "))");
    }
    g_string_append(sql, ")");
}

static void
add_order(GString *sql, const struct image_list *list)
{
    g_string_append(sql, "ORDER BY ");
    for (unsigned n = 0; n < list->n_sorts; n++) {
        g_string_append(sql, n ? ", " : "");
        append_key(sql, &list->sorts[n], "i");
        g_string_append(sql, list->sorts[n].descending ? " DESC" : " ASC");
    }
}
