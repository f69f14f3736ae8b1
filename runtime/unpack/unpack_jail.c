/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "runtime/unpack/unpack.h"

/* What unpacking as root needs: owners, modes, setuid bits, file capabilities. */
static const unsigned kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP};

static const struct {
    __rlimit_resource_t what;
    rlim_t limit;
} limits[] = {{RLIMIT_AS, 2ul << 30}, {RLIMIT_CPU, 1200}, {RLIMIT_NOFILE, 64},
              {RLIMIT_CORE, 0},       {RLIMIT_NPROC, 0},  {RLIMIT_FSIZE, 64ul << 30}};

static int drop_capabilities(struct bt_err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    for (size_t i = 0; i < BT_ARRAY_LEN(kept); i++)
        data[kept[i] / 32].permitted |= 1u << (kept[i] % 32);
    data[0].effective = data[0].permitted;
    data[1].effective = data[1].permitted;
    for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return bt_fail_errno(err, errno, "drop capability %u", cap);
    }
    if (syscall(SYS_capset, &head, data) < 0)
        return bt_fail_errno(err, errno, "capset");
    return 0;
}

int unpack_jail(int dirfd, struct bt_err *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGXFSZ, &ignore, NULL); /* EFBIG, and a proper answer, instead */
    (void)close_range((unsigned)dirfd + 1, ~0u, 0);
    if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
        return bt_fail_errno(err, errno, "unshare");
    if (fchdir(dirfd) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return bt_fail_errno(err, errno, "chroot into the target");
    for (size_t i = 0; i < BT_ARRAY_LEN(limits); i++) {
        const struct rlimit l = {limits[i].limit, limits[i].limit};
        if (setrlimit(limits[i].what, &l) < 0)
            return bt_fail_errno(err, errno, "setrlimit %d", (int)limits[i].what);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return bt_fail_errno(err, errno, "prctl");
    int rc = drop_capabilities(err);
    return rc < 0 ? rc : unpack_seccomp(err);
}
