// SPDX-License-Identifier: Apache-2.0
// A life cycle is a const table of {from, event, to, action}; the transition is pure. Graphs in
// docs/fsm are generated from it.
#pragma once
#include <stdio.h>

struct fsm_row {
    int from; // FSM_ANY: every state
    int event;
    int to;             // FSM_SAME: stays
    const char *action; // name of what the owner then does; "" nothing
};
#define FSM_ANY (-1)
#define FSM_SAME (-2)
struct fsm {
    const char *name;
    const char *const *states; // names by number
    int n_states;
    const char *const *events;
    int n_events;
    const struct fsm_row *rows;
    int n_rows;
};
// The row that applies, an exact `from` before FSM_ANY; NULL: the event is not allowed in this
// state.
const struct fsm_row *fsm_find(const struct fsm *fsm, int state, int event);
int fsm_next(const struct fsm *fsm, int state, int event);        // -1 when not allowed
int fsm_state_from_text(const struct fsm *fsm, const char *text); // -1 unknown
void fsm_print_dot(const struct fsm *fsm, FILE *out);
