/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/base/frame.h"
#include "common/loop/loop.h"

/*
 * A helper process with a socket for frames (common/base/frame.h) at descriptor 3, /dev/null at 0,
 * the agent's stderr at 2. Callbacks come on the loop: frames in order, then `ended` exactly once
 * (socket drained and process reaped), never inside a call. After `ended` the struct is the
 * owner's again.
 */
struct sys;

struct sys_helper {
    /* A whole frame; descriptors are taken with sys->helper->take_fd meanwhile. */
    void (*frame)(struct sys_helper *h, const char *json, size_t len);
    /* Exit status or signal; @err is set when the conversation broke (PROTOCOL). */
    void (*ended)(struct sys_helper *h, int status, int signum, const struct bt_err *err);
    void *owner;
    pid_t pid; /* after start */
    /* of the implementation */
    struct sys *sys;
    struct bt_watch watch;
    struct bt_frame_reader reader;
    struct bt_err broken;
    int sock;
    void *impl; /* NULL = not running */
};

#define SYS_HELPER_FDS_MAX 4

struct sys_helper_start {
    const char *const *argv; /* argv[0] absolute */
    const char *const *envp; /* NULL = empty (liblxc: the path must be empty) */
    const int *fds;          /* become 4, 5, ...; stay the caller's */
    size_t n_fds;
    bool detached; /* own session: lives on when we die (the monitor) */
    const char *cwd;
};

struct sys_helper_frame {
    const char *json;
    size_t len;
    const int *fds;
    size_t n_fds;
};

struct sys_helper_ops {
    /** Start it. Errors: HELPER (no callback comes then). */
    int (*start)(struct sys *s, struct sys_helper *h, const struct sys_helper_start *how,
                 struct bt_err *err);
    /** Send one frame with descriptors (they stay the caller's). Errors: UNAVAILABLE, TOO_LARGE. */
    int (*send)(struct sys *s, struct sys_helper *h, const struct sys_helper_frame *f,
                struct bt_err *err);
    /** Oldest received descriptor, -1 = none; the caller owns it. */
    int (*take_fd)(struct sys *s, struct sys_helper *h);
    /** Say no more and read no more; the process goes on (a monitor that is let go), `ended` comes
     * when it ends. */
    void (*close)(struct sys *s, struct sys_helper *h);
    /** Send a signal; fine when it has ended. */
    void (*kill)(struct sys *s, struct sys_helper *h, int signum);
    /** Forget it without a callback; the process goes on and its zombie is reaped. For the end of
     * the agent. */
    void (*abandon)(struct sys *s, struct sys_helper *h);
};
