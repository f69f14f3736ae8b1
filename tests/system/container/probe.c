/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks the kernel for what a container may not have; prints "NAME ERRNO" a line (0 = allowed, a
 * signal as SIG + number). Linked statically, run inside by test_confine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static long call(long n, long a, long b, long c, long d)
{
    return syscall(n, a, b, c, d, 0, 0);
}

#define SIMPLE(name, ...)                                                                          \
    static long do_##name(void)                                                                    \
    {                                                                                              \
        return call(__VA_ARGS__);                                                                  \
    }

static struct perf_event_attr perf = {.type = 1, .size = sizeof(struct perf_event_attr)};
static char page[4096];

SIMPLE(kexec_load, SYS_kexec_load, 0, 0, 0, 0)
SIMPLE(init_module, SYS_init_module, (long)page, 16, (long)"", 0)
SIMPLE(finit_module, SYS_finit_module, 0, (long)"", 0, 0)
SIMPLE(delete_module, SYS_delete_module, (long)"x", 0, 0, 0)
SIMPLE(open_by_handle_at, SYS_open_by_handle_at, AT_FDCWD, (long)page, O_RDONLY, 0)
SIMPLE(bpf, SYS_bpf, BPF_MAP_CREATE, (long)page, 64, 0)
SIMPLE(perf_event_open, SYS_perf_event_open, (long)&perf, 0, -1, -1)
SIMPLE(userfaultfd, SYS_userfaultfd, O_CLOEXEC, 0, 0, 0)
SIMPLE(io_uring_setup, 425, 1, (long)page, 0, 0)
SIMPLE(add_key, SYS_add_key, (long)"user", (long)"x", (long)"y", 1)
SIMPLE(request_key, SYS_request_key, (long)"user", (long)"x", 0, 0)
SIMPLE(keyctl, SYS_keyctl, 0, -3, 1, 0)
SIMPLE(acct, SYS_acct, 0, 0, 0, 0)
SIMPLE(swapon, SYS_swapon, (long)"/x", 0, 0, 0)
SIMPLE(quotactl, SYS_quotactl, 0, 0, 0, 0)
SIMPLE(settimeofday, SYS_settimeofday, (long)page, 0, 0, 0)
SIMPLE(clock_settime, SYS_clock_settime, 0, (long)page, 0, 0)
SIMPLE(syslog, SYS_syslog, 3, (long)page, sizeof page, 0)
SIMPLE(iopl, SYS_iopl, 3, 0, 0, 0)
SIMPLE(kcmp, SYS_kcmp, 1, 1, 0, 0)
SIMPLE(fsopen, 430, (long)"tmpfs", 0, 0, 0)
SIMPLE(open_tree, 428, AT_FDCWD, (long)"/", 1, 0)
SIMPLE(clone3, 435, 0, 0, 0, 0)
SIMPLE(unshare_user, SYS_unshare, CLONE_NEWUSER, 0, 0, 0)
SIMPLE(unshare_net, SYS_unshare, CLONE_NEWNET, 0, 0, 0)
SIMPLE(reboot_kexec, SYS_reboot, 0xfee1dead, 672274793, 0x45584543, 0)
SIMPLE(fanotify_init, SYS_fanotify_init, 0, 0, 0, 0)
SIMPLE(memfd_create, SYS_memfd_create, (long)"x", 0, 0, 0)
SIMPLE(listener, SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0, 0)

static long sock(int family, int type, int proto)
{
    return socket(family, type, proto);
}

static long do_af_alg(void)
{
    return sock(AF_ALG, SOCK_SEQPACKET, 0);
}
static long do_af_vsock(void)
{
    return sock(AF_VSOCK, SOCK_STREAM, 0);
}
static long do_af_packet(void)
{
    return sock(AF_PACKET, SOCK_RAW, 0);
}
static long do_af_xdp(void)
{
    return sock(AF_XDP, SOCK_RAW, 0);
}
static long do_af_inet_raw(void)
{
    return sock(AF_INET, SOCK_RAW, 1);
}
static long do_af_inet_ping(void)
{
    return sock(AF_INET, SOCK_DGRAM, 1);
}
static long do_af_unix(void)
{
    return sock(AF_UNIX, SOCK_STREAM, 0);
}
static long do_nf(void)
{
    return sock(AF_NETLINK, SOCK_RAW, 12);
}
static long do_rtnetlink(void)
{
    return sock(AF_NETLINK, SOCK_RAW, 0);
}
static long do_tiocsti(void)
{
    return ioctl(0, TIOCSTI, "x");
}
static long do_force_umount(void)
{
    return umount2("/proc/sys", MNT_FORCE);
}
static long do_mknod_disk(void)
{
    return mknod("/dev/evil", S_IFBLK | 0666, makedev(7, 0));
}
static long do_mount_ext4(void)
{
    return mount("/dev/loop0", "/mnt", "ext4", 0, NULL);
}
static long do_tmpfs(void)
{
    return mount("tmpfs", "/mnt", "tmpfs", 0, NULL);
}
static long do_sethostname(void)
{
    return sethostname("x", 1);
}
static long do_tun(void)
{
    return open("/dev/net/tun", O_RDWR);
}

static long do_i386(void)
{
    long r = -1;
#ifdef __x86_64__
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
#endif
    return r;
}

static long do_x32(void)
{
    return syscall(0x40000000 | SYS_getpid);
}

static long do_setuid_works(void)
{
    return setgid(1000) == 0 && setuid(1000) == 0 && getuid() == 1000 ? 0 : -1;
}

static long write_to(const char *path)
{
    int fd = open(path, O_WRONLY);
    return fd < 0 ? -1 : write(fd, "0", 1);
}

static long do_core_pattern(void)
{
    return write_to("/proc/sys/kernel/core_pattern");
}
static long do_sysrq(void)
{
    return write_to("/proc/sysrq-trigger");
}
static long do_kptr(void)
{
    return write_to("/proc/sys/kernel/kptr_restrict");
}
static long do_uevent_helper(void)
{
    return write_to("/sys/kernel/uevent_helper");
}
static long do_kmsg(void)
{
    return open("/dev/kmsg", O_RDWR);
}
static long do_devmem(void)
{
    return open("/dev/mem", O_RDWR);
}

static const struct {
    const char *name;
    long (*fn)(void);
} probes[] = {
#define P(name)                                                                                    \
    {                                                                                              \
#name, do_##name                                                                           \
    }
    P(kexec_load),
    P(init_module),
    P(finit_module),
    P(delete_module),
    P(open_by_handle_at),
    P(bpf),
    P(perf_event_open),
    P(userfaultfd),
    P(io_uring_setup),
    P(add_key),
    P(request_key),
    P(keyctl),
    P(acct),
    P(swapon),
    P(quotactl),
    P(settimeofday),
    P(clock_settime),
    P(syslog),
    P(iopl),
    P(kcmp),
    P(fsopen),
    P(open_tree),
    P(clone3),
    P(unshare_user),
    P(unshare_net),
    P(reboot_kexec),
    P(fanotify_init),
    P(memfd_create),
    P(listener),
    P(af_alg),
    P(af_vsock),
    P(af_packet),
    P(af_xdp),
    P(af_inet_raw),
    P(af_inet_ping),
    P(af_unix),
    P(nf),
    P(rtnetlink),
    P(tiocsti),
    P(force_umount),
    P(mknod_disk),
    P(mount_ext4),
    P(tmpfs),
    P(sethostname),
    P(tun),
    P(i386),
    P(x32),
    P(setuid_works),
    P(core_pattern),
    P(sysrq),
    P(kptr),
    P(uevent_helper),
    P(kmsg),
    P(devmem),
};

int main(void)
{
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        int status = 0;
        (void)fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            errno = 0;
            long r = probes[i].fn();
            (void)printf("%s %d\n", probes[i].name, r < 0 ? errno : 0);
            (void)fflush(stdout);
            _exit(0);
        }
        if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
            (void)printf("%s SIG%d\n", probes[i].name, WTERMSIG(status));
    }
    return 0;
}
