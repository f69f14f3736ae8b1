/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/sys/sys_real_priv.h"
#include "common/base/fd.h"
#include "common/base/mem.h"

static int open_key(struct sys *s, const char *key, int flags, struct bt_err *err)
{
    int fd = bt_open_beneath(sys_real_of(s)->proc_sys, key, flags, 0, err);
    return fd < 0 ? bt_wrap(err, "sysctl %s", key) : fd;
}

static int sysctl_read(struct sys *s, const char *key, char ret[SYS_SYSCTL_MAX], struct bt_err *err)
{
    _cleanup_close_ int fd = open_key(s, key, O_RDONLY, err);
    if (fd < 0)
        return fd;
    ssize_t n = read(fd, ret, SYS_SYSCTL_MAX - 1);
    if (n < 0)
        return bt_fail_errno(err, errno, "read sysctl %s", key);
    ret[n] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    return 0;
}

static int sysctl_ensure(struct sys *s, const char *key, const char *value, struct bt_err *err)
{
    char now[SYS_SYSCTL_MAX];
    int rc = sysctl_read(s, key, now, err);
    if (rc < 0 || strcmp(now, value) == 0)
        return rc;
    _cleanup_close_ int fd = open_key(s, key, O_WRONLY, err);
    if (fd < 0)
        return fd;
    if (write(fd, value, strlen(value)) >= 0)
        return 0;
    if (errno == EACCES || errno == EPERM)
        return bt_fail(err, BT_E_DENIED, "sysctl %s may not be written here", key);
    return bt_fail_errno(err, errno, "write %s to sysctl %s", value, key);
}

const struct sys_sysctl_ops sys_real_sysctl_ops = {
    .read = sysctl_read,
    .ensure = sysctl_ensure,
};
