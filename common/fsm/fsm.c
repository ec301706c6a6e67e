// SPDX-License-Identifier: Apache-2.0
// Looking up transitions in a life-cycle table, and its graph.
#include "common/fsm/fsm.h"
#include <assert.h>
#include <stddef.h>
#include <string.h>

const struct fsm_row *
fsm_find(const struct fsm *fsm, int state, int event)
{
    const struct fsm_row *any = NULL;
    for (int i = 0; i < fsm->n_rows; i++) {
        const struct fsm_row *row = &fsm->rows[i];
        if (row->event != event) {
            continue;
        }
        if (row->from == state) {
            return row;
        }
        if (row->from == FSM_ANY && !any) {
            any = row;
        }
    }
    return any;
}

int
fsm_next(const struct fsm *fsm, int state, int event)
{
    const struct fsm_row *row = fsm_find(fsm, state, event);
    if (!row) {
        return -1;
    }
    return row->to == FSM_SAME ? state : row->to;
}

int
fsm_state_from_text(const struct fsm *fsm, const char *text)
{
    for (int i = 0; text && i < fsm->n_states; i++) {
        if (strcmp(fsm->states[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

static void
print_edge(const struct fsm *fsm, int from, const struct fsm_row *row, FILE *out)
{
    int to = row->to == FSM_SAME ? from : row->to;
    assert(from < fsm->n_states && to >= 0 && to < fsm->n_states && row->event < fsm->n_events);
    fprintf(out, "    \"%s\" -> \"%s\" [label=\"%s", fsm->states[from], fsm->states[to],
            fsm->events[row->event]);
    if (row->action && *row->action) {
        fprintf(out, "\\n%s", row->action);
    }
    fputs("\"];\n", out);
}

void
fsm_print_dot(const struct fsm *fsm, FILE *out)
{
    fprintf(out, "digraph \"%s\" {\n    node [shape=box, style=rounded];\n", fsm->name);
    for (int i = 0; i < fsm->n_states; i++) {
        fprintf(out, "    \"%s\";\n", fsm->states[i]);
    }
    for (int i = 0; i < fsm->n_rows; i++) {
        const struct fsm_row *row = &fsm->rows[i];
        if (row->from != FSM_ANY) {
            print_edge(fsm, row->from, row, out);
            continue;
        }
        for (int state = 0; state < fsm->n_states; state++) {
            if (fsm_find(fsm, state, row->event) == row) {
                print_edge(fsm, state, row, out);
            }
        }
    }
    fputs("}\n", out);
}
