/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/container/ct.h"

/* What lives of an instance, by the kernel's own word. */
struct ct_life {
    bool placed;     /* RUN_DIR/UUID/place is there */
    bool lock_held;  /* a monitor lives */
    bool init_lives; /* the init of the last boot lives */
    struct helper_container_place place;
    struct helper_container_boot boot;
};

/** Start time of @pid in clock ticks since boot (proc(5), stat field 22); 0 when there is none. */
int64_t ct_pid_start(pid_t pid);

/** Does @pid live (not as a zombie) with this start time? */
bool ct_pid_lives(int64_t pid, int64_t start);

/** pidfd of @pid if it still has this start time. NOT_FOUND otherwise. */
int ct_pidfd(int64_t pid, int64_t start, struct bt_err *err);

/** Wait until the process of @pidfd ended, at most @timeout_ms. TIMEOUT. */
int ct_pidfd_wait(int pidfd, int64_t timeout_ms, struct bt_err *err);

/** Is the monitor's lock held? Takes it shared for an instant. */
bool ct_lock_held(int dir);

/** Read all of it from RUN_DIR/UUID. */
void ct_life_read(int dir, struct ct_life *ret);

/** Free what ct_life_read filled. */
void ct_life_fini(struct ct_life *l);

/** Milliseconds of CLOCK_BOOTTIME. */
int64_t ct_mono_ms(void);

/** Sleep. */
void ct_sleep_ms(int64_t ms);
