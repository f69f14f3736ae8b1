/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/frame.h"
#include "common/base/mem.h"

#include <cmocka.h>

struct line {
    int a, b;
    struct bt_frame_reader r;
    struct bt_err err;
};

static void line_init(struct line *l, int flags)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, pair), 0);
    *l = (struct line){.a = pair[0], .b = pair[1]};
    bt_frame_reader_init(&l->r);
}

static void line_fini(struct line *l)
{
    bt_frame_reader_fini(&l->r);
    if (l->a >= 0)
        (void)close(l->a);
    (void)close(l->b);
}

static void expect(struct line *l, const char *want)
{
    char *json = NULL;
    size_t len = 0;
    int rc = bt_frame_recv(&l->r, l->b, &json, &len, &l->err);
    if (rc != 0)
        fail_msg("%s", l->err.msg);
    assert_int_equal(len, strlen(want));
    assert_string_equal(json, want);
    free(json);
}

static size_t open_fds(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void frames_keep_their_bounds(void **state)
{
    (void)state;
    struct line l;
    line_init(&l, 0);
    assert_int_equal(bt_frame_send(l.a, "{}", 2, NULL, 0, &l.err), 0);
    assert_int_equal(bt_frame_send(l.a, "{\"a\":1}", 7, NULL, 0, &l.err), 0);
    assert_int_equal(bt_frame_send(l.a, "x", 1, NULL, 0, &l.err), 0);
    expect(&l, "{}");
    expect(&l, "{\"a\":1}");
    expect(&l, "x");
    line_fini(&l);
}

static void byte_by_byte(void **state)
{
    (void)state;
    struct line l;
    char *json = NULL;
    size_t len = 0;
    line_init(&l, SOCK_NONBLOCK);
    static const char wire[] = "\0\0\0\3abc\0\0\0\1d";
    assert_int_equal(bt_frame_read(&l.r, l.b, &l.err), 0);
    for (size_t i = 0; i < sizeof wire - 1; i++) {
        assert_int_equal(write(l.a, wire + i, 1), 1);
        assert_int_equal(bt_frame_read(&l.r, l.b, &l.err), 1);
        int rc = bt_frame_next(&l.r, &json, &len, &l.err);
        assert_int_equal(rc, i == 6 || i == 11);
        if (rc == 1) {
            assert_string_equal(json, i == 6 ? "abc" : "d");
            free(json);
        }
    }
    assert_int_equal(bt_frame_read(&l.r, l.b, &l.err), 0);
    line_fini(&l);
}

static void largest_frame(void **state)
{
    (void)state;
    struct line l;
    line_init(&l, SOCK_NONBLOCK); /* the sender waits for room, the reader for bytes */
    char *big = bt_xmalloc(BT_FRAME_MAX + 2);
    memset(big, 'x', BT_FRAME_MAX + 1);
    big[BT_FRAME_MAX + 1] = '\0';
    assert_int_equal(bt_frame_send(l.a, big, BT_FRAME_MAX + 1, NULL, 0, &l.err), -BT_E_TOO_LARGE);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int rc = bt_frame_send(l.a, big, BT_FRAME_MAX, (int[]){0}, 1, &l.err);
        rc = rc < 0 ? rc : bt_frame_send(l.a, "end", 3, NULL, 0, &l.err);
        _exit(rc < 0);
    }
    big[BT_FRAME_MAX] = '\0';
    expect(&l, big);
    expect(&l, "end");
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(l.r.n_fds, 1); /* once, however many pieces the frame went in */
    free(big);
    line_fini(&l);
}

static void bad_lengths(void **state)
{
    (void)state;
    static const char *const heads[] = {"\0\0\0\0", "\0\x10\0\1", "\xff\xff\xff\xff", "GET "};
    for (size_t i = 0; i < BT_ARRAY_LEN(heads); i++) {
        struct line l;
        char *json = NULL;
        size_t len = 0;
        line_init(&l, 0);
        assert_int_equal(write(l.a, heads[i], 4), 4);
        assert_int_equal(bt_frame_recv(&l.r, l.b, &json, &len, &l.err), -BT_E_PROTOCOL);
        assert_null(json);
        line_fini(&l);
    }
}

static void descriptors_arrive_in_order(void **state)
{
    (void)state;
    struct line l;
    size_t before = open_fds();
    line_init(&l, 0);
    int fds[3] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/zero", O_RDONLY | O_CLOEXEC),
                  open("/dev/full", O_RDONLY | O_CLOEXEC)};
    assert_int_equal(bt_frame_send(l.a, "two", 3, fds, 2, &l.err), 0);
    assert_int_equal(bt_frame_send(l.a, "none", 4, NULL, 0, &l.err), 0);
    assert_int_equal(bt_frame_send(l.a, "one", 3, fds + 2, 1, &l.err), 0);
    expect(&l, "two");
    expect(&l, "none");
    expect(&l, "one");
    for (int i = 0; i < 3; i++) {
        struct stat want;
        struct stat got;
        int fd = bt_frame_take_fd(&l.r);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fstat(fds[i], &want), 0);
        assert_int_equal(fstat(fd, &got), 0);
        assert_int_equal(got.st_rdev, want.st_rdev);
        (void)close(fd);
        (void)close(fds[i]);
    }
    assert_int_equal(bt_frame_take_fd(&l.r), -1);
    line_fini(&l);
    assert_int_equal(open_fds(), before);
}

static void untaken_descriptors_are_closed(void **state)
{
    (void)state;
    struct line l;
    size_t before = open_fds();
    line_init(&l, 0);
    assert_int_equal(bt_frame_send(l.a, "x", 1, (int[]){0, 1}, 2, &l.err), 0);
    expect(&l, "x");
    assert_int_equal(open_fds(), before + 4);
    line_fini(&l);
    assert_int_equal(open_fds(), before);
}

/* Send @n copies of descriptor 0 with one byte, as a peer that does not use our sender. */
static void send_fds(int sock, size_t n)
{
    char control[CMSG_SPACE(200 * sizeof(int))] = {0};
    char byte = 'x';
    struct iovec io = {&byte, 1};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memset(CMSG_DATA(c), 0, n * sizeof(int));
    assert_int_equal(sendmsg(sock, &m, 0), 1);
}

static void too_many_descriptors(void **state)
{
    (void)state;
    static const size_t counts[] = {BT_FRAME_FDS_MAX + 1, 64, 65, 200};
    for (size_t i = 0; i < BT_ARRAY_LEN(counts); i++) {
        struct line l;
        size_t before = open_fds();
        line_init(&l, 0);
        send_fds(l.a, counts[i]);
        assert_int_equal(bt_frame_read(&l.r, l.b, &l.err), -BT_E_PROTOCOL);
        assert_int_equal(open_fds(), before + 2 + BT_FRAME_FDS_MAX);
        line_fini(&l);
        assert_int_equal(open_fds(), before);
    }
}

static void closed_peer(void **state)
{
    (void)state;
    struct line l;
    char *json = NULL;
    size_t len = 0;
    line_init(&l, 0);
    assert_int_equal(write(l.a, "\0\0\0\5ab", 6), 6);
    (void)close(TAKE_FD(l.a));
    assert_int_equal(bt_frame_recv(&l.r, l.b, &json, &len, &l.err), -BT_E_UNAVAILABLE);
    /* No SIGPIPE: the test would die of it. */
    assert_int_equal(bt_frame_send(l.b, "x", 1, NULL, 0, &l.err), -BT_E_UNAVAILABLE);
    line_fini(&l);
    assert_int_equal(bt_frame_send(-1, "x", 1, NULL, 0, &l.err), -BT_E_KERNEL);
}

/* A peer that sends faster than frames are taken is stopped by the bound, and goes on after. */
static void reader_is_bounded(void **state)
{
    (void)state;
    struct line l;
    char *json = NULL;
    size_t len = 0;
    char chunk[4096];
    line_init(&l, SOCK_NONBLOCK);
    memset(chunk, 0, sizeof chunk);
    for (size_t i = 0; i < sizeof chunk; i += 8)
        memcpy(chunk + i, "\0\0\0\4abcd", 8);
    int rc = 1;
    while (rc == 1) {
        while (write(l.a, chunk, sizeof chunk) > 0)
            ;
        rc = bt_frame_read(&l.r, l.b, &l.err);
    }
    assert_int_equal(rc, -BT_E_PROTOCOL);
    assert_true(l.r.in.len <= l.r.in.max);
    assert_int_equal(bt_frame_next(&l.r, &json, &len, &l.err), 1);
    assert_string_equal(json, "abcd");
    free(json);
    line_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_keep_their_bounds),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(largest_frame),
        cmocka_unit_test(bad_lengths),
        cmocka_unit_test(descriptors_arrive_in_order),
        cmocka_unit_test(untaken_descriptors_are_closed),
        cmocka_unit_test(too_many_descriptors),
        cmocka_unit_test(closed_peer),
        cmocka_unit_test(reader_is_bounded),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
