/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/frame.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/mem.h"

#define HEAD 4u
#define READ_SIZE 65536u
/* Room for a peer that sends more descriptors than it may: they must arrive to be closed. */
#define CONTROL_FDS 64

void bt_frame_reader_init(struct bt_frame_reader *r)
{
    /* One whole frame, and what one read brings of those behind it. */
    *r = (struct bt_frame_reader){.in = BT_BUF(HEAD + BT_FRAME_MAX + READ_SIZE)};
}

void bt_frame_reader_fini(struct bt_frame_reader *r)
{
    for (int fd = bt_frame_take_fd(r); fd >= 0; fd = bt_frame_take_fd(r))
        (void)close(fd);
    bt_buf_fini(&r->in);
}

/* Keep descriptors up to the maximum, close the others. False when there were too many. */
static bool keep_fds(struct bt_frame_reader *r, const struct cmsghdr *c)
{
    int fds[CONTROL_FDS];
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    bool fits = true;
    memcpy(fds, CMSG_DATA(c), n * sizeof(int));
    for (size_t i = 0; i < n; i++) {
        if (r->n_fds < BT_FRAME_FDS_MAX) {
            r->fds[r->n_fds++] = fds[i];
            continue;
        }
        (void)close(fds[i]);
        fits = false;
    }
    return fits;
}

static int keep_control(struct bt_frame_reader *r, struct msghdr *m, struct bt_err *err)
{
    bool fits = !(m->msg_flags & MSG_CTRUNC);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            fits = keep_fds(r, c) && fits;
    }
    return fits ? 0 : bt_fail(err, BT_E_PROTOCOL, "more than %d descriptors", BT_FRAME_FDS_MAX);
}

int bt_frame_read(struct bt_frame_reader *r, int sock, struct bt_err *err)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
    } control;
    char *at = bt_buf_reserve(&r->in, READ_SIZE);
    if (!at)
        return bt_fail(err, BT_E_PROTOCOL, "frames wait to be taken");
    struct iovec io = {at, READ_SIZE};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t n = 0;
    do
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return bt_fail(err, BT_E_UNAVAILABLE, "the peer closed the connection");
    if (n < 0)
        return bt_fail_errno(err, errno, "read frame");
    bt_buf_commit(&r->in, (size_t)n);
    int rc = keep_control(r, &m, err);
    return rc < 0 ? rc : 1;
}

static size_t load_be32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

int bt_frame_next(struct bt_frame_reader *r, char **ret_json, size_t *ret_len, struct bt_err *err)
{
    if (r->in.len < HEAD)
        return 0;
    size_t len = load_be32(r->in.data);
    if (len == 0 || len > BT_FRAME_MAX)
        return bt_fail(err, BT_E_PROTOCOL, "frame of %zu bytes", len);
    if (r->in.len < HEAD + len)
        return 0;
    *ret_json = bt_xstrndup(r->in.data + HEAD, len);
    *ret_len = len;
    bt_buf_consume(&r->in, HEAD + len);
    return 1;
}

int bt_frame_take_fd(struct bt_frame_reader *r)
{
    if (r->n_fds == 0)
        return -1;
    int fd = r->fds[0];
    r->n_fds--;
    memmove(r->fds, r->fds + 1, r->n_fds * sizeof r->fds[0]);
    return fd;
}

static int send_fail(struct bt_err *err)
{
    if (errno == EPIPE || errno == ECONNRESET)
        return bt_fail(err, BT_E_UNAVAILABLE, "the peer closed the connection");
    return bt_fail_errno(err, errno, "write frame");
}

/* Sockets may be non-blocking for the sake of their other user. */
static int wait_for(int sock, short events, struct bt_err *err)
{
    struct pollfd p = {.fd = sock, .events = events};
    if (poll(&p, 1, -1) < 0 && errno != EINTR)
        return bt_fail_errno(err, errno, "wait for the peer");
    return 0;
}

static void skip_sent(struct msghdr *m, size_t n)
{
    for (; m->msg_iovlen > 0 && n >= m->msg_iov->iov_len; m->msg_iovlen--)
        n -= (m->msg_iov++)->iov_len;
    if (m->msg_iovlen == 0)
        return;
    m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + n;
    m->msg_iov->iov_len -= n;
}

/* Send all of @m; descriptors go with the first byte, once. */
static int send_all(int sock, struct msghdr *m, struct bt_err *err)
{
    while (m->msg_iovlen > 0) {
        ssize_t n = sendmsg(sock, m, MSG_NOSIGNAL);
        if (n >= 0) {
            m->msg_control = NULL;
            m->msg_controllen = 0;
            skip_sent(m, (size_t)n);
            continue;
        }
        if (errno != EINTR && errno != EAGAIN)
            return send_fail(err);
        int rc = errno == EAGAIN ? wait_for(sock, POLLOUT, err) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

int bt_frame_send(int sock, const char *json, size_t len, const int *fds, size_t n_fds,
                  struct bt_err *err)
{
    assert(len > 0 && n_fds <= BT_FRAME_FDS_MAX);
    if (len > BT_FRAME_MAX)
        return bt_fail(err, BT_E_TOO_LARGE, "frame of %zu bytes", len);
    unsigned char head[HEAD] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16),
                                (unsigned char)(len >> 8), (unsigned char)len};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(BT_FRAME_FDS_MAX * sizeof(int))];
    } control = {0};
    struct iovec io[2] = {{head, sizeof head}, {(char *)(uintptr_t)json, len}};
    struct msghdr m = {.msg_iov = io, .msg_iovlen = 2};
    if (n_fds > 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    return send_all(sock, &m, err);
}

int bt_frame_recv(struct bt_frame_reader *r, int sock, char **ret_json, size_t *ret_len,
                  struct bt_err *err)
{
    for (;;) {
        int rc = bt_frame_next(r, ret_json, ret_len, err);
        if (rc != 0)
            return rc < 0 ? rc : 0;
        rc = bt_frame_read(r, sock, err);
        if (rc == 0)
            rc = wait_for(sock, POLLIN, err);
        if (rc < 0)
            return rc;
    }
}
