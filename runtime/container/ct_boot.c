/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hook of every boot: liblxc runs it (lxc.hook.start-host) when init's namespaces and groups
 * are there and its addresses are not; init waits. Thereby limits, and the record of the boot, are
 * in place at the first one and after each reboot inside, with no agent alive.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/world.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_config.h"
#include "runtime/container/ct_limits.h"
#include "runtime/container/ct_proc.h"

/* Addresses that the pool has given out need no duplicate detection, which would hold them back for
 * a second (RFC 4862 section 5.4). The files under /proc/sys/net follow the caller's namespace. */
static int quiet_addresses(pid_t init, struct bt_err *err)
{
    static const char *const files[] = {"/proc/sys/net/ipv6/conf/all/accept_dad",
                                        "/proc/sys/net/ipv6/conf/default/accept_dad"};
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)init);
    _cleanup_close_ int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
        return bt_fail_errno(err, errno, "enter the network namespace of %d", (int)init);
    for (size_t i = 0; i < BT_ARRAY_LEN(files); i++) {
        int rc = bt_write_kernel_file(AT_FDCWD, files[i], "0", err);
        if (rc < 0 && rc != -BT_E_NOT_FOUND) /* a kernel without IPv6 */
            return rc;
    }
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
    bt_schema_free(&helper_container_boot_schema, &last);
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
        rc = quiet_addresses((pid_t)init, err);
    bt_schema_free(&helper_container_place_schema, &place);
    return rc;
}
