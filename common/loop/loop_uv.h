/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <uv.h>

#include "common/loop/loop_priv.h"

/* The libuv world; shared by loop_uv.c, loop_watch.c and loop_child.c. */
struct loop_uv {
    struct bt_loop base;
    uv_loop_t uv;
    uv_timer_t timer;
    uv_async_t async;
    struct bt_list signals;
};

/** The libuv side of @l, NULL on a virtual loop. */
struct loop_uv *loop_uv_find(struct bt_loop *l);

/** Fail with @code and the text of a libuv error (negative errno), naming @what. */
int loop_uv_fail(struct bt_err *err, enum bt_code code, int uv_errno, const char *what);

/** The uniform refusal of what a virtual loop does not have. */
int loop_uv_missing(struct bt_err *err, const char *what);
