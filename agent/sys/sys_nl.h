/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

/*
 * A netlink(7) socket of one protocol, for one thread. Messages are built with libnl-3; sending,
 * acknowledgements and dumps are ours, because libnl maps errno to codes of its own and drops the
 * kernel's explanation (extended acknowledgement).
 */
struct sys_nl {
    int fd; /* -1 = closed */
    uint32_t seq;
    char ext[128]; /* the kernel's explanation of the last error, "" = none */
    unsigned char *buf;
};

#define _cleanup_nl_msg_ __attribute__((cleanup(sys_nl_msg_free)))

/** Open a socket in the thread's network namespace. Errors: KERNEL. */
int sys_nl_open(struct sys_nl *nl, int protocol, struct bt_err *err);

/** Close it; fine when closed. */
void sys_nl_close(struct sys_nl *nl);

/** A message of @type with @flags; aborts when memory is out. Freed by _cleanup_nl_msg_. */
struct nl_msg *sys_nl_msg(int type, int flags);

/** Cleanup of a message. */
void sys_nl_msg_free(struct nl_msg **m);

typedef void (*sys_nl_row_cb)(void *arg, struct nlmsghdr *h);

/**
 * Send @m and read answers until its acknowledgement or the end of its dump; @row (may be NULL)
 * gets each data message. Returns 0 or -errno; a dump that the kernel calls inconsistent is
 * -EAGAIN.
 */
int sys_nl_talk(struct sys_nl *nl, struct nl_msg *m, sys_nl_row_cb row, void *arg);

/*
 * Messages of one nfnetlink transaction; the one numbered @last asks for an acknowledgement.
 * @failed gets each error (sequence number, errno) of the others.
 */
struct sys_nl_batch {
    const void *data;
    size_t len;
    uint32_t last;
    void (*failed)(void *arg, uint32_t seq, int errnum);
    void *arg;
};

/** Send a transaction and read until its last message is acknowledged. Returns 0 or -errno of
 * sending, or of the last message. */
int sys_nl_send_batch(struct sys_nl *nl, const struct sys_nl_batch *b);

/** bt_fail_errno with the kernel's explanation appended. @rc is a negative errno. */
int sys_nl_fail(struct sys_nl *nl, int rc, struct bt_err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
