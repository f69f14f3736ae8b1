/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"

static int write_maps(pid_t pid, int64_t base, int64_t count, struct bt_err *err)
{
    static const char *const files[] = {"uid_map", "gid_map"};
    char text[64];
    (void)snprintf(text, sizeof text, "0 %" PRId64 " %" PRId64 "\n", base, count);
    for (size_t i = 0; i < BT_ARRAY_LEN(files); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
        int rc = bt_write_kernel_file(AT_FDCWD, path, text, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int ct_idmap_userns(int64_t base, int64_t count, struct bt_err *err)
{
    /* The raw call: a fork whose child is born in its own user namespace, clone(2). */
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid < 0)
        return bt_fail_errno(err, errno, "clone a user namespace");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    int rc = write_maps(pid, base, count, err);
    int fd = rc < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (rc == 0 && fd < 0)
        rc = bt_fail_errno(err, errno, "open %s", path);
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return rc < 0 ? rc : fd;
}
