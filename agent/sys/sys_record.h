/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/sys/sys.h"

/*
 * A fake machine: every call adds one line to a text (golden tests), may be made to fail, and acts
 * on a small model of links, addresses, routes, sets, counters, sysctls, cgroups, files and
 * processes, so that ensure calls, lists and inventories behave. Everything runs on the loop's
 * thread (virtual loop).
 */

/** A fake whose model has one cgroup tree, /proc facts of a 2-core machine, and nothing else. */
struct sys *sys_record_new(struct bt_loop *loop);

/** Free the fake and its model; all operations must have ended. NULL is fine. */
void sys_record_free(struct sys *s);

/** The lines so far ("link veth_ensure bt... bp... ..."), one call each; owned by the fake. */
const char *sys_record_text(struct sys *s);

/** Forget the lines and the count of calls; the model stays. */
void sys_record_reset(struct sys *s);

/** Calls that changed or asked something since the last reset. */
size_t sys_record_calls(struct sys *s);

/** Let the @n-th call from now (1 = the next) fail with @errnum, once; 0 = none. */
void sys_record_fail_at(struct sys *s, size_t n, int errnum);

/** Let every call whose line begins with @prefix fail with @errnum until cleared with NULL. */
void sys_record_fail_on(struct sys *s, const char *prefix, int errnum);

/** Only record calls whose line begins with one of the NULL-terminated @prefixes (NULL = all);
 * counting and failing see all of them. */
void sys_record_only(struct sys *s, const char *const *prefixes);

/** The model as sorted text, one object a line: empty = nothing left. Caller frees. */
char *sys_record_model(struct sys *s);

/** A link disappears behind our back (a guest's namespace died: both ends of a veth go). */
void sys_record_lose_link(struct sys *s, const char *name);

/** A veth's peer moves into a guest's namespace (liblxc took it), or comes back. */
void sys_record_move_peer(struct sys *s, const char *peer, bool away);

/** Add to a counter of a table. */
void sys_record_count(struct sys *s, const char *counter, uint64_t packets, uint64_t bytes);

/** A process begins to exist: start_time and watch see it. */
void sys_record_process(struct sys *s, pid_t pid, int64_t start, const char *group);

/** It ends: watches fire, its cgroup empties. */
void sys_record_process_end(struct sys *s, pid_t pid);

/** Mark @path as locked by some process, or not. */
void sys_record_lock(struct sys *s, const char *path, bool held);

/** Facts that machine() answers. */
void sys_record_machine(struct sys *s, const struct sys_machine *m);

/** Space that fs->space answers. */
void sys_record_space(struct sys *s, const struct sys_fs_space *space);

/*
 * Helpers of the fake: @started is told of each one and plays it with the two functions below,
 * from @started, from @got or later, on the loop.
 */
struct sys_record_player {
    void (*started)(void *ctx, struct sys_helper *h, const struct sys_helper_start *how);
    void (*got)(void *ctx, struct sys_helper *h, const char *json, size_t len);
    void (*killed)(void *ctx, struct sys_helper *h, int signum); /* NULL = it ends by the signal */
    void *ctx;
};

/** Who plays the helpers; copied. Without one, every start fails with HELPER. */
void sys_record_play(struct sys *s, const struct sys_record_player *player);

/** The played helper says @json (copied); delivered on a later turn of the loop, in order. */
void sys_record_say(struct sys *s, struct sys_helper *h, const char *json);

/** The played helper ends; delivered after everything it said. */
void sys_record_exit(struct sys *s, struct sys_helper *h, int status, int signum);
