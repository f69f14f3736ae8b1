/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "runtime/container/ct.h"

/*
 * Companion of a start. liblxc's start() does not return while the instance runs, so a short-lived
 * process beside it sees RUNNING and replies. It also moves the monitor into the group of monitors
 * while the monitor mounts: a first attach to a v1 group waits for an RCU grace period (10 ms).
 */
struct ct_watch {
    int go;   /* to it: start() is about to be called; closed: start() returned */
    int said; /* from it: moved, replied */
};

#define CT_WATCH_INIT ((struct ct_watch){.go = -1, .said = -1})

/** Start it; @lock is the monitor's, which it must not hold. */
int ct_watch_start(struct ct_watch *w, struct ct *c, const struct helper_container_place *place,
                   int lock, struct bt_err *err);

/** Wait until this process is in the group of monitors. */
int ct_watch_moved(struct ct_watch *w, struct bt_err *err);

/** start() is about to be called. */
void ct_watch_go(struct ct_watch *w);

/** start() has returned: end it. Did it reply that the instance runs? */
bool ct_watch_end(struct ct_watch *w);
