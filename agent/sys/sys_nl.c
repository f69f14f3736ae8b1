/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sys/sys_nl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/mem.h"

#define BUF_BYTES 65536
#define SOCKET_BYTES (4 << 20)
/* RTNL may be held long while thousands of devices go; an answer that never comes is a kernel bug.
 */
#define WAIT_S 60

/* What a message of the conversation is; 0 or less: its end, with the error. */
enum answer { OTHER = 1, ROW, TORN_ROW };

int sys_nl_open(struct sys_nl *nl, int protocol, struct bt_err *err)
{
    struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    int one = 1;
    int room = SOCKET_BYTES;
    struct timeval wait = {.tv_sec = WAIT_S};
    *nl = (struct sys_nl){.fd = -1};
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return bt_fail_errno(err, errno, "netlink socket");
    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0)
        return bt_fail_errno(err, errno, "netlink bind");
    /* Nice to have: room for large transactions, explanations. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
    nl->fd = TAKE_FD(fd);
    nl->buf = bt_xmalloc(BUF_BYTES);
    return 0;
}

void sys_nl_close(struct sys_nl *nl)
{
    if (nl->fd >= 0)
        (void)close(nl->fd);
    free(nl->buf);
    *nl = (struct sys_nl){.fd = -1};
}

struct nl_msg *sys_nl_msg(int type, int flags)
{
    struct nl_msg *m = nlmsg_alloc_simple(type, flags);
    if (!m)
        abort();
    return m;
}

void sys_nl_msg_free(struct nl_msg **m)
{
    nlmsg_free(*m);
}

static int send_all(struct sys_nl *nl, const void *data, size_t len)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t n = 0;
    nl->ext[0] = '\0';
    do
        n = sendto(nl->fd, data, len, 0, (struct sockaddr *)&kernel, sizeof kernel);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static ssize_t receive(struct sys_nl *nl)
{
    struct sockaddr_nl from = {0};
    socklen_t from_len = sizeof from;
    for (;;) {
        ssize_t n =
            recvfrom(nl->fd, nl->buf, BUF_BYTES, MSG_TRUNC, (struct sockaddr *)&from, &from_len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (n > BUF_BYTES)
            return -EMSGSIZE;
        if (from.nl_pid == 0) /* the kernel, not another process */
            return n;
    }
}

/* The text attribute behind an acknowledgement (NETLINK_EXT_ACK). */
static void keep_explanation(struct sys_nl *nl, struct nlmsghdr *h)
{
    struct nlmsgerr *e = nlmsg_data(h);
    size_t head = sizeof *e;
    if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
        return;
    if (!(h->nlmsg_flags & NLM_F_CAPPED))
        head += e->msg.nlmsg_len - sizeof e->msg;
    head = NLMSG_ALIGN(head);
    if (h->nlmsg_len < NLMSG_HDRLEN + head)
        return;
    struct nlattr *text = nla_find((struct nlattr *)((char *)e + head),
                                   (int)(h->nlmsg_len - NLMSG_HDRLEN - head), NLMSGERR_ATTR_MSG);
    if (text)
        (void)nla_strlcpy(nl->ext, text, sizeof nl->ext);
}

/* enum answer, or the end of the conversation that began with @seq: 0 or -errno. */
static int one_answer(struct sys_nl *nl, struct nlmsghdr *h, uint32_t seq)
{
    if (h->nlmsg_seq != seq || h->nlmsg_type == NLMSG_NOOP)
        return OTHER;
    if (h->nlmsg_type == NLMSG_DONE)
        return h->nlmsg_flags & NLM_F_DUMP_INTR ? -EAGAIN : 0;
    if (h->nlmsg_type != NLMSG_ERROR)
        return h->nlmsg_flags & NLM_F_DUMP_INTR ? TORN_ROW : ROW;
    keep_explanation(nl, h);
    return ((struct nlmsgerr *)nlmsg_data(h))->error;
}

int sys_nl_talk(struct sys_nl *nl, struct nl_msg *m, sys_nl_row_cb row, void *arg)
{
    struct nlmsghdr *sent = nlmsg_hdr(m);
    bool torn = false;
    sent->nlmsg_seq = ++nl->seq;
    sent->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    int rc = send_all(nl, sent, sent->nlmsg_len);
    while (rc == 0) {
        ssize_t n = receive(nl);
        if (n < 0)
            return (int)n;
        int left = (int)n;
        for (struct nlmsghdr *h = (struct nlmsghdr *)nl->buf; nlmsg_ok(h, left);
             h = nlmsg_next(h, &left)) {
            int what = one_answer(nl, h, sent->nlmsg_seq);
            if (what <= 0)
                return what == 0 && torn ? -EAGAIN : what;
            torn = torn || what == TORN_ROW;
            if (what != OTHER && row)
                row(arg, h);
        }
    }
    return rc;
}

int sys_nl_send_batch(struct sys_nl *nl, const struct sys_nl_batch *b)
{
    int rc = send_all(nl, b->data, b->len);
    while (rc == 0) {
        ssize_t n = receive(nl);
        if (n < 0)
            return (int)n;
        int left = (int)n;
        for (struct nlmsghdr *h = (struct nlmsghdr *)nl->buf; nlmsg_ok(h, left);
             h = nlmsg_next(h, &left)) {
            if (h->nlmsg_type != NLMSG_ERROR)
                continue;
            int error = ((struct nlmsgerr *)nlmsg_data(h))->error;
            if (h->nlmsg_seq == b->last)
                return error;
            if (error == 0)
                continue;
            keep_explanation(nl, h);
            b->failed(b->arg, h->nlmsg_seq, -error);
        }
    }
    return rc;
}

int sys_nl_fail(struct sys_nl *nl, int rc, struct bt_err *err, const char *fmt, ...)
{
    char what[200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (nl->ext[0] != '\0')
        return bt_fail_errno(err, -rc, "%s (%s)", what, nl->ext);
    return bt_fail_errno(err, -rc, "%s", what);
}
