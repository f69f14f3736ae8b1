/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * State tables: each state has a name and the set of states that may follow it. docs/STATES.md is
 * checked against these tables by a test.
 */
struct bt_state {
    const char *name;
    uint64_t next; /* bit mask of allowed successors */
};

struct bt_sm_def {
    const char *name;
    const struct bt_state *states;
    unsigned n_states; /* <= 64 */
};

#define BT_ST(s) (UINT64_C(1) << (s))

/** May @from be followed by @to (staying is always allowed)? */
bool bt_sm_allowed(const struct bt_sm_def *def, unsigned from, unsigned to);

/**
 * Move *@state to @to. An illegal move returns false and leaves *@state (callers fail the task and
 * log); with the environment variable BERTH_STRICT_SM set, as in tests, it aborts.
 */
bool bt_sm_move(const struct bt_sm_def *def, unsigned *state, unsigned to);

/** Name of a state, "?" when out of range. */
const char *bt_sm_name(const struct bt_sm_def *def, unsigned state);

/** Print the table in the form of docs/STATES.md ("- a -> b, c") into @dst; returns its length. */
size_t bt_sm_print(const struct bt_sm_def *def, char *dst, size_t size);
