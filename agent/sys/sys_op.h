/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/err.h"
#include "common/loop/loop.h"

/*
 * Work that blocks: run() on the queue's thread, with the operation's own copies and the tables of
 * struct sys; done() on the loop, exactly once, never inside sys_op_start. The link and nft queues
 * have one thread each, in order of start (RTNL and the ruleset are single anyway); the disk queue
 * has two, ordered by key. On a virtual loop all run inline after the fake's latency.
 */
struct sys;

enum sys_queue { SYS_Q_LINK, SYS_Q_NFT, SYS_Q_DISK, SYS_Q__COUNT };

struct sys_op {
    /* the starter's */
    int (*run)(struct sys_op *op, struct bt_err *err);
    void (*done)(struct sys_op *op, int rc, const struct bt_err *err);
    uint64_t key; /* disk: operations of one key never overlap; 0 = free */
    /* ours */
    struct sys *sys;
    struct bt_work work;
    struct bt_timer timer;
    enum sys_queue queue;
    int rc;
    struct bt_err err;
};

/** Start @op on a queue. done gets UNAVAILABLE when the queue is full, CANCELLED when it ended. */
void sys_op_start(struct sys *s, enum sys_queue queue, struct sys_op *op);

/** Make the queues of @s (sys_real_new and sys_record_new do). */
void sys_queues_start(struct sys *s);

/** Cancel what waits, wait for what runs, free the queues. */
void sys_queues_stop(struct sys *s);
