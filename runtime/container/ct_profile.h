/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/helper_container.h"

/* What an instance's features (bit set of enum feature) let its processes do. */

/** Is feature @f in @set? */
static inline bool ct_has(uint64_t set, enum feature f)
{
    return set & (UINT64_C(1) << f);
}

/** Names of the capabilities that are dropped, space-separated, as lxc.cap.drop takes them. */
void ct_caps_emit(uint64_t features, struct bt_buf *out);

/** liblxc's seccomp profile, version 2 (lxc.container.conf(5)). */
void ct_seccomp_emit(uint64_t features, struct bt_buf *out);

/**
 * Take from this process and all that it starts the calls of other architectures: x32 always,
 * 32-bit ones without compat32 (SIGSYS). liblxc adds both to every profile and has no way to refuse
 * them.
 */
int ct_seccomp_architectures(uint64_t features, struct bt_err *err);
