/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a container may not ask the kernel for (docs/decisions/0016-container-seccomp.md). A deny
 * list: a VPS runs what nobody foresaw; the id map is the wall, this makes the target smaller.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "runtime/container/ct_profile.h"

/* A rule without a condition; `unless`: a feature that lifts it. -1 = none. */
struct deny {
    const char *name;
    int errnum;
    int unless;
};

static const struct deny denied[] = {
    {"kexec_load", EPERM, -1},
    {"kexec_file_load", EPERM, -1},
    {"init_module", EPERM, -1},
    {"finit_module", EPERM, -1},
    {"delete_module", EPERM, -1},
    {"open_by_handle_at", EPERM, -1},
    {"bpf", EPERM, -1},
    {"perf_event_open", EPERM, -1},
    {"userfaultfd", EPERM, -1},
    {"io_uring_setup", EPERM, -1},
    {"io_uring_enter", EPERM, -1},
    {"io_uring_register", EPERM, -1},
    {"add_key", ENOSYS, -1},
    {"request_key", ENOSYS, -1},
    {"keyctl", ENOSYS, -1},
    {"acct", EPERM, -1},
    {"swapon", EPERM, -1},
    {"swapoff", EPERM, -1},
    {"quotactl", EPERM, -1},
    {"quotactl_fd", EPERM, -1},
    {"lookup_dcookie", EPERM, -1},
    {"fanotify_init", EPERM, -1},
    {"iopl", EPERM, -1},
    {"ioperm", EPERM, -1},
    {"modify_ldt", EPERM, FEATURE_COMPAT32},
    {"settimeofday", EPERM, -1},
    {"clock_settime", EPERM, -1},
    {"clock_adjtime", EPERM, -1},
    {"adjtimex", EPERM, -1},
    {"vhangup", EPERM, -1},
    {"move_pages", EPERM, -1},
    {"migrate_pages", EPERM, -1},
    {"mbind", EPERM, -1},
    {"set_mempolicy", EPERM, -1},
    {"pidfd_getfd", EPERM, FEATURE_NESTING},
    {"kcmp", EPERM, -1},
    {"process_madvise", EPERM, -1},
    {"syslog", EPERM, -1},
    {"sysfs", EPERM, -1},
    {"ustat", EPERM, -1},
    {"uselib", EPERM, -1},
    {"nfsservctl", EPERM, -1},
    {"memfd_secret", EPERM, -1},
    /* libc falls back to clone, whose flags can be looked at. */
    {"clone3", ENOSYS, FEATURE_NESTING},
    {"fsopen", ENOSYS, FEATURE_NESTING},
    {"fsconfig", ENOSYS, FEATURE_NESTING},
    {"fsmount", ENOSYS, FEATURE_NESTING},
    {"fspick", ENOSYS, FEATURE_NESTING},
    {"open_tree", ENOSYS, FEATURE_NESTING},
    {"move_mount", ENOSYS, FEATURE_NESTING},
    {"mount_setattr", ENOSYS, FEATURE_NESTING},
};

/* On one argument: equal to @value, or all bits of @value set when @mask. */
struct deny_arg {
    const char *name;
    int errnum;
    int unless;
    int arg;
    unsigned long value;
    bool mask;
};

#define IOCTL_TIOCLINUX 0x541C
#define SECCOMP_LISTENER 8 /* SECCOMP_FILTER_FLAG_NEW_LISTENER */
#define AF_QIPCRTR_ 42
#define AF_SMC_ 43

static const struct deny_arg denied_args[] = {
    {"clone", EPERM, FEATURE_NESTING, 0, CLONE_NEWUSER, true},
    {"unshare", EPERM, FEATURE_NESTING, 0, CLONE_NEWUSER, true},
    {"umount2", EACCES, -1, 1, MNT_FORCE, true},
    {"seccomp", EINVAL, FEATURE_NESTING, 1, SECCOMP_LISTENER, true},
    {"ioctl", EPERM, -1, 1, TIOCSTI, false},
    {"ioctl", EPERM, -1, 1, IOCTL_TIOCLINUX, false},
    {"socket", EPERM, FEATURE_NET_RAW, 0, AF_PACKET, false},
    {"socket", EPERM, -1, 0, AF_ALG, false},
    {"socket", EPERM, -1, 0, AF_VSOCK, false},
    {"socket", EPERM, -1, 0, AF_XDP, false},
    {"socket", EPERM, -1, 0, AF_RDS, false},
    {"socket", EPERM, -1, 0, AF_TIPC, false},
    {"socket", EPERM, -1, 0, AF_CAN, false},
    {"socket", EPERM, -1, 0, AF_KCM, false},
    {"socket", EPERM, -1, 0, AF_NFC, false},
    {"socket", EPERM, -1, 0, AF_BLUETOOTH, false},
    {"socket", EPERM, -1, 0, AF_X25, false},
    {"socket", EPERM, -1, 0, AF_AX25, false},
    {"socket", EPERM, -1, 0, AF_ROSE, false},
    {"socket", EPERM, -1, 0, AF_NETROM, false},
    {"socket", EPERM, -1, 0, AF_DECnet, false},
    {"socket", EPERM, -1, 0, AF_APPLETALK, false},
    {"socket", EPERM, -1, 0, AF_IPX, false},
    {"socket", EPERM, -1, 0, AF_PHONET, false},
    {"socket", EPERM, -1, 0, AF_LLC, false},
    {"socket", EPERM, -1, 0, AF_IEEE802154, false},
    {"socket", EPERM, -1, 0, AF_CAIF, false},
    {"socket", EPERM, -1, 0, AF_QIPCRTR_, false},
    {"socket", EPERM, -1, 0, AF_SMC_, false},
};

/* Netfilter by hand is for those who have the whole of it. */
#define NETLINK_NETFILTER_ 12
#define IPT_SET_MIN 64
#define IPT_SET_MAX 65

static bool lifted(int unless, uint64_t features)
{
    return unless >= 0 && ct_has(features, (enum feature)unless);
}

static void emit_plain(uint64_t features, struct bt_buf *out)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(denied); i++) {
        if (!lifted(denied[i].unless, features))
            (void)bt_buf_addf(out, "%s errno %d\n", denied[i].name, denied[i].errnum);
    }
}

static void emit_args(uint64_t features, struct bt_buf *out)
{
    for (size_t i = 0; i < BT_ARRAY_LEN(denied_args); i++) {
        const struct deny_arg *d = &denied_args[i];
        if (lifted(d->unless, features))
            continue;
        if (d->mask)
            (void)bt_buf_addf(out, "%s errno %d [%d,%lu,SCMP_CMP_MASKED_EQ,%lu]\n", d->name,
                              d->errnum, d->arg, d->value, d->value);
        else
            (void)bt_buf_addf(out, "%s errno %d [%d,%lu,SCMP_CMP_EQ]\n", d->name, d->errnum, d->arg,
                              d->value);
    }
}

static void emit_netfilter(uint64_t features, struct bt_buf *out)
{
    static const int levels[] = {IPPROTO_IP, IPPROTO_IPV6};
    if (ct_has(features, FEATURE_NET_ADMIN))
        return;
    (void)bt_buf_addf(out, "socket errno %d [0,%d,SCMP_CMP_EQ] [2,%d,SCMP_CMP_EQ]\n", EPERM,
                      AF_NETLINK, NETLINK_NETFILTER_);
    for (size_t i = 0; i < BT_ARRAY_LEN(levels); i++) {
        for (int name = IPT_SET_MIN; name <= IPT_SET_MAX; name++)
            (void)bt_buf_addf(out, "setsockopt errno %d [1,%d,SCMP_CMP_EQ] [2,%d,SCMP_CMP_EQ]\n",
                              EPERM, levels[i], name);
    }
}

void ct_seccomp_emit(uint64_t features, struct bt_buf *out)
{
    (void)bt_buf_adds(out, "2\ndenylist allow\n[all]\n");
    emit_plain(features, out);
    emit_args(features, out);
    emit_netfilter(features, out);
}

#ifdef __x86_64__
#define X32_BIT 0x40000000u

int ct_seccomp_architectures(uint64_t features, struct bt_err *err)
{
    /* Offsets count from the next instruction; 6 allows, 7 kills. -1 is a call that a tracer skips.
     */
    unsigned char i386 = ct_has(features, FEATURE_COMPAT32) ? 3 : 4;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, i386, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = BT_ARRAY_LEN(code), .filter = code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return bt_fail_errno(err, errno, "seccomp filter");
    return 0;
}
#else
int ct_seccomp_architectures(uint64_t features, struct bt_err *err)
{
    (void)features;
    (void)err;
    return 0;
}
#endif
