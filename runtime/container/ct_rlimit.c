/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_rlimit.h"

#include <stddef.h>
#include <sys/resource.h>

#include "common/base/mem.h"

void ct_rlimits_set(void)
{
    static const struct {
        int which;
        rlim_t soft, hard;
    } rows[] = {
        {RLIMIT_NOFILE, 1024, 1048576},
        {RLIMIT_CORE, 0, RLIM_INFINITY},
        {RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY},
        {RLIMIT_MEMLOCK, 8u << 20, 8u << 20},
        {RLIMIT_MSGQUEUE, 819200, 819200},
        {RLIMIT_SIGPENDING, 65536, 65536},
        {RLIMIT_RTPRIO, 0, 0},
    };
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct rlimit want = {rows[i].soft, rows[i].hard};
        struct rlimit now;
        if (setrlimit((__rlimit_resource_t)rows[i].which, &want) == 0 ||
            getrlimit((__rlimit_resource_t)rows[i].which, &now) < 0)
            continue;
        now.rlim_cur = now.rlim_max < want.rlim_cur ? now.rlim_max : want.rlim_cur;
        (void)setrlimit((__rlimit_resource_t)rows[i].which, &now);
    }
}
