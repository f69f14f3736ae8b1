/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hook of every boot: liblxc runs it (lxc.hook.start-host) when the namespaces, groups and
 * addresses of init are there and init waits to be executed. So limits, usable addresses and the
 * record of the boot are in place at the first one and after each reboot inside, with no agent
 * alive.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/world.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_limits.h"
#include "runtime/container/ct_proc.h"

#define CONF_DIR "/proc/sys/net/ipv6/conf"
#define ADDRESSES "/proc/self/net/if_inet6"
#define ADDRESSES_MAX 65536
#define TENTATIVE 0x40 /* IFA_F_TENTATIVE */

/* One line of if_inet6: ADDRESS INDEX PREFIX SCOPE FLAGS NAME, all hex but the name. */
struct address6 {
    struct in6_ifreq ifr;
    bool tentative;
};

static bool parse_address6(char *line, struct address6 *ret)
{
    char *word[6] = {0};
    char *save = NULL;
    unsigned char prefix;
    unsigned char flags;
    size_t n = 0;
    for (char *w = strtok_r(line, " ", &save); w && n < BT_ARRAY_LEN(word);
         w = strtok_r(NULL, " ", &save))
        word[n++] = w;
    if (n < BT_ARRAY_LEN(word) || !bt_unhex(word[0], &ret->ifr.ifr6_addr, 16) ||
        !bt_unhex(word[2], &prefix, 1) || !bt_unhex(word[4], &flags, 1))
        return false;
    ret->ifr.ifr6_prefixlen = prefix;
    ret->ifr.ifr6_ifindex = (int)if_nametoindex(word[5]);
    ret->tentative = flags & TENTATIVE;
    return ret->ifr.ifr6_ifindex > 0;
}

/* Files under /proc/sys/net follow the caller's network namespace. */
static int no_detection(struct bt_err *err)
{
    DIR *d = opendir(CONF_DIR);
    if (!d)
        return 0; /* a kernel without IPv6 */
    int rc = 0;
    for (struct dirent *e = readdir(d); e && rc == 0; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        _cleanup_free_ char *file = bt_xasprintf("%s/accept_dad", e->d_name);
        rc = bt_write_kernel_file(dirfd(d), file, "0", err);
    }
    (void)closedir(d);
    return rc;
}

/* Set again now, an address is there at once. */
static int settle(struct bt_err *err)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(ADDRESSES_MAX);
    _cleanup_close_ int sock = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || bt_read_file(AT_FDCWD, ADDRESSES, ADDRESSES_MAX, &b, NULL) < 0)
        return 0;
    for (char *line = b.data, *next = NULL; line && *line; line = next) {
        struct address6 a;
        char *end = strchr(line, '\n');
        next = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        if (!parse_address6(line, &a) || !a.tentative)
            continue;
        if (ioctl(sock, SIOCDIFADDR, &a.ifr) < 0 || ioctl(sock, SIOCSIFADDR, &a.ifr) < 0)
            return bt_fail_errno(err, errno, "set an IPv6 address");
    }
    return 0;
}

/* All groups of the instance may ping without CAP_NET_RAW (icmp(7)); ids as this process sees them.
 */
static int allow_ping(const struct helper_container_place *p, struct bt_err *err)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%lld %lld", (long long)p->id_base,
                   (long long)(p->id_base + p->id_count - 1));
    return bt_write_kernel_file(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", text, err);
}

/*
 * Addresses that the pool has given out need no duplicate detection, which would hold them back for
 * a second or two (RFC 4862 section 5.4); liblxc can only set them with it. It is off when both
 * `all` and the interface say so.
 */
static int quiet_addresses(struct bt_err *err)
{
    int rc = no_detection(err);
    return rc < 0 ? rc : settle(err);
}

static int enter_network(pid_t init, struct bt_err *err)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)init);
    _cleanup_close_ int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
        return bt_fail_errno(err, errno, "enter the network namespace of %d", (int)init);
    return 0;
}

static int record_boot(int dir, const struct helper_container_place *place, pid_t init,
                       struct bt_err *err)
{
    struct helper_container_boot last = {0};
    struct helper_container_boot now = {.boot = place->boot,
                                        .pid = init,
                                        .pid_start = ct_pid_start(init),
                                        .started_at = bt_utc_ms(bt_clock_real())};
    if (ct_get(dir, CT_F_BOOT, &helper_container_boot_schema, &last, NULL) == 0)
        now.boot = last.boot + 1;
    return ct_put(dir, CT_F_BOOT, &helper_container_boot_schema, &now, err);
}

int ct_boot(const char *path, struct bt_err *err)
{
    struct helper_container_place place = {0};
    const char *text = getenv("LXC_PID");
    int64_t init;
    if (!text || bt_parse_i64(text, 1, INT32_MAX, &init, NULL) < 0)
        return bt_fail(err, BT_E_INVALID, "LXC_PID");
    _cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return bt_fail_errno(err, errno, "open %s", path);
    int rc = ct_get(dir, CT_F_PLACE, &helper_container_place_schema, &place, err);
    if (rc == 0)
        rc = ct_limits_at_boot(dir, &place, err);
    if (rc == 0)
        rc = record_boot(dir, &place, (pid_t)init, err);
    if (rc == 0)
        rc = enter_network((pid_t)init, err);
    if (rc == 0)
        rc = quiet_addresses(err);
    if (rc == 0)
        rc = allow_ping(&place, err);
    bt_schema_free(&helper_container_place_schema, &place);
    return rc;
}
