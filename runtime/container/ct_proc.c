/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/world.h"

#define STAT_MAX 4096
#define FIELD_STATE 3
#define FIELD_START 22

/* Field @n of /proc/PID/stat; the name in field 2 may hold spaces and brackets. */
static bool stat_field(pid_t pid, int n, char *dst, size_t size)
{
    char path[64];
    _cleanup_buf_ struct bt_buf b = BT_BUF(STAT_MAX);
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (bt_read_file(AT_FDCWD, path, STAT_MAX, &b, NULL) < 0)
        return false;
    const char *at = strrchr(b.data, ')');
    for (int field = 2; at && field < n; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return false;
    size_t len = strcspn(at + 1, " \n");
    _cleanup_free_ char *word = bt_xstrndup(at + 1, len);
    return bt_strcpy(dst, size, word);
}

int64_t ct_pid_start(pid_t pid)
{
    char text[32];
    int64_t start = 0;
    if (pid <= 0 || !stat_field(pid, FIELD_START, text, sizeof text))
        return 0;
    return bt_parse_i64(text, 0, INT64_MAX, &start, NULL) < 0 ? 0 : start;
}

bool ct_pid_lives(int64_t pid, int64_t start)
{
    char state[8];
    if (pid <= 0 || start == 0 || ct_pid_start((pid_t)pid) != start)
        return false;
    return stat_field((pid_t)pid, FIELD_STATE, state, sizeof state) && state[0] != 'Z' &&
           state[0] != 'X';
}

int ct_pidfd(int64_t pid, int64_t start, struct bt_err *err)
{
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd < 0 && errno != ESRCH)
        return bt_fail_errno(err, errno, "pidfd_open");
    /* Compared after opening: from here on the descriptor means this process and no other. */
    if (fd < 0 || !ct_pid_lives(pid, start))
        return bt_fail(err, BT_E_NOT_FOUND, "process %lld has ended", (long long)pid);
    return TAKE_FD(fd);
}

int ct_pidfd_wait(int pidfd, int64_t timeout_ms, struct bt_err *err)
{
    int64_t end = ct_mono_ms() + timeout_ms;
    for (;;) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        int64_t left = end - ct_mono_ms();
        int n = poll(&p, 1, left > 0 ? (int)(left > 60000 ? 60000 : left) : 0);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return bt_fail_errno(err, errno, "poll");
        if (left <= 0)
            return bt_fail(err, BT_E_TIMEOUT, "process still runs after %lld ms",
                           (long long)timeout_ms);
    }
}

bool ct_lock_held(int dir)
{
    _cleanup_close_ int fd = openat(dir, CT_F_LOCK, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

void ct_life_read(int dir, struct ct_life *ret)
{
    *ret = (struct ct_life){0};
    ret->placed = ct_get(dir, CT_F_PLACE, &helper_container_place_schema, &ret->place, NULL) >= 0;
    ret->lock_held = ct_lock_held(dir);
    if (ct_get(dir, CT_F_BOOT, &helper_container_boot_schema, &ret->boot, NULL) >= 0)
        ret->init_lives = ct_pid_lives(ret->boot.pid, ret->boot.pid_start);
}

void ct_life_fini(struct ct_life *l)
{
    bt_schema_free(&helper_container_place_schema, &l->place);
    bt_schema_free(&helper_container_boot_schema, &l->boot);
}

int64_t ct_mono_ms(void)
{
    return bt_mono_ms(bt_clock_real());
}

void ct_sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}
