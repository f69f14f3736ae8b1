/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "proto/helper_container.h"

/*
 * The guest's own files, written before it starts. Its tree belongs to the tenant: every path is
 * resolved inside it (openat2(2), RESOLVE_IN_ROOT), the last component is replaced, never followed.
 */
struct ct_files {
    int root;        /* of the guest, nothing mounted inside */
    int64_t id_base; /* host id of its root */
    bool seeded;     /* the seed is new */
};

/**
 * Write the files of @spec. With a new seed also those of the first boot, and errors are the
 * image's (BAD_IMAGE); later a tree that its owner made unfit is left alone.
 */
int ct_files_apply(const struct ct_files *f, const struct helper_container_spec *spec,
                   struct bt_err *err);

/** Does the marker in @upper differ from @seed_id (or is it absent)? */
bool ct_files_seed_is_new(int upper, const char *seed_id);

/** Write the marker, after everything else. */
int ct_files_mark(int upper, const char *seed_id, struct bt_err *err);

/** Make sure that the engine's mount points are real directories: BAD_STATE when the guest replaced
 * one (CVE-2026-41579 and its kind). */
int ct_files_check_points(const struct ct_files *f, struct bt_err *err);
