/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/sm/sm.h"

#include <stdio.h>
#include <stdlib.h>

bool bt_sm_allowed(const struct bt_sm_def *def, unsigned from, unsigned to)
{
    if (from >= def->n_states || to >= def->n_states)
        return false;
    return from == to || (def->states[from].next & BT_ST(to)) != 0;
}

bool bt_sm_move(const struct bt_sm_def *def, unsigned *state, unsigned to)
{
    if (bt_sm_allowed(def, *state, to)) {
        *state = to;
        return true;
    }
    if (getenv("BERTH_STRICT_SM")) {
        (void)fprintf(stderr, "%s: %s -> %s is not allowed\n", def->name, bt_sm_name(def, *state),
                      bt_sm_name(def, to));
        abort();
    }
    return false;
}

const char *bt_sm_name(const struct bt_sm_def *def, unsigned state)
{
    return state < def->n_states ? def->states[state].name : "?";
}

/* Append as snprintf does: what does not fit is counted and not written. */
static void print(char *dst, size_t size, size_t *at, const char *text)
{
    char *to = *at < size ? dst + *at : NULL;
    *at += (size_t)snprintf(to, to ? size - *at : 0, "%s", text);
}

size_t bt_sm_print(const struct bt_sm_def *def, char *dst, size_t size)
{
    size_t n = 0;
    print(dst, size, &n, "");
    for (unsigned from = 0; from < def->n_states; from++) {
        const char *between = " -> ";
        print(dst, size, &n, "- ");
        print(dst, size, &n, def->states[from].name);
        for (unsigned to = 0; to < def->n_states; to++) {
            if (!(def->states[from].next & BT_ST(to)))
                continue;
            print(dst, size, &n, between);
            print(dst, size, &n, def->states[to].name);
            between = ", ";
        }
        print(dst, size, &n, "\n");
    }
    return n;
}
