/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_exit.h"

#include <signal.h>

#include "common/base/world.h"
#include "runtime/container/ct.h"

enum helper_container_cause ct_exit_cause(int error_num)
{
    int low = error_num & 0xff;
    int high = (error_num >> 8) & 0xff;
    if (low == 0)
        return HELPER_CONTAINER_CAUSE_EXIT;
    switch (low == 0x7f ? high : low & 0x7f) {
    case SIGINT:
        return HELPER_CONTAINER_CAUSE_POWEROFF;
    case SIGHUP:
        return HELPER_CONTAINER_CAUSE_REBOOT;
    case SIGKILL:
        return HELPER_CONTAINER_CAUSE_KILLED;
    default:
        return HELPER_CONTAINER_CAUSE_CRASH;
    }
}

int ct_exit_write(int dir, int error_num, enum helper_container_cause cause, int64_t fallback,
                  struct bt_err *err)
{
    struct helper_container_boot b = {.boot = fallback};
    struct helper_container_exit x = {.error_num = error_num, .cause = (int)cause};
    x.ended_at = bt_utc_ms(bt_clock_real());
    if (ct_get(dir, CT_F_BOOT, &helper_container_boot_schema, &b, NULL) < 0)
        b.boot = fallback;
    x.boot = b.boot;
    x.started_at = b.started_at ? b.started_at : x.ended_at;
    return ct_put(dir, CT_F_EXIT, &helper_container_exit_schema, &x, err);
}
