// SPDX-License-Identifier: Apache-2.0
#include "services/billing/rating_summary.h"

#include "common/base/util.h"
#include "services/billing/billing.h"
#include <string.h>

void
group_free(gpointer data)
{
    struct group *group = data;
    g_free(group->type);
    g_free(group->project_id);
    g_free(group);
}

static struct group *
summary_group(struct summary *summary, const char *type, const char *project_id)
{
    for (guint i = 0; i < summary->groups->len; i++) {
        struct group *group = g_ptr_array_index(summary->groups, i);
        if ((!(summary->by & BY_TYPE) || !strcmp(group->type, type)) &&
            (!(summary->by & BY_PROJECT) || !strcmp(group->project_id, project_id))) {
            return group;
        }
    }
    struct group *group = g_new0(struct group, 1);
    group->type = g_strdup(type);
    group->project_id = g_strdup(project_id);
    g_ptr_array_add(summary->groups, group);
    return group;
}

static enum rc
summary_add(struct summary *summary, const char *project_id, struct err *err)
{
    struct bill bill;
    enum rc rc = bill_load(summary->db, project_id, summary->from_us, summary->to_us, &bill, err);
    if (rc) {
        return rc;
    }
    for (guint i = 0; i < bill.lines->len && !rc; i++) {
        const struct rate_line *line = &g_array_index(bill.lines, struct rate_line, i);
        if (summary->type && strcmp(summary->type, line->meter)) {
            continue;
        }
        struct group *group = summary_group(summary, line->meter, project_id);
        if (__builtin_add_overflow(group->nano, line->amount.nano, &group->nano) ||
            __builtin_add_overflow(group->volume, line->volume, &group->volume)) {
            rc = fault(err, RC_RANGE, "the summary exceeds what can be added up");
        }
    }
    bill_done(&bill);
    return rc;
}

enum rc
summary_add_all(struct summary *summary, const char *project_id, struct err *err)
{
    if (project_id) {
        return summary_add(summary, project_id, err);
    }
    g_autoptr(db_result) projects = NULL;
    enum rc rc =
        interval_db_projects(summary->db, summary->from_us, summary->to_us, &projects, err);
    for (int i = 0; !rc && i < db_n_rows(projects); i++) {
        rc = summary_add(summary, db_text(projects, i, "project_id"), err);
    }
    return rc;
}

static enum rc
parse_time(struct request *request, const char *name, int64_t *time_us, struct err *err)
{
    const char *text = request_query(request, name);
    if (text && (!iso8601_parse(text, time_us) || *time_us < 0 || *time_us > TIME_MAX_US)) {
        return fault(err, RC_INVALID, "query parameter '%s' is not a time", name);
    }
    return RC_OK;
}

// The current month when no window is given; the future costs nothing yet.
enum rc
summary_window(struct request *request, struct summary *summary, struct err *err)
{
    int64_t now_us;
    enum rc rc = interval_db_now(summary->db, &now_us, err);
    if (rc) {
        return rc;
    }
    summary->from_us = month_start_us(now_us, 0);
    summary->to_us = month_start_us(now_us, 1);
    rc = parse_time(request, "begin", &summary->from_us, err);
    rc = rc ? rc : parse_time(request, "end", &summary->to_us, err);
    summary->to_us = MIN(summary->to_us, now_us);
    summary->from_us = MIN(summary->from_us, summary->to_us);
    return rc;
}
