/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "proto/helper_container.h"
#include "runtime/container/ct_cgroup.h"

/*
 * Root file system of an instance, in the monitor's private mount namespace, below RUN_DIR/UUID:
 *   lower/  the image, id-mapped      upper/  the instance's disk: root/ work/ seed
 *   root/   overlay of both           plain/  /proc again, uncovered (ct_mount.c)
 *   stage/  where liblxc puts the root together
 */
struct ct_root {
    int fd;    /* O_PATH of root/ */
    int upper; /* of upper/, where the marker of the seed lies */
    struct ct_cg_disk disk;
};

#define CT_ROOT_INIT ((struct ct_root){.fd = -1, .upper = -1})

/**
 * Enter a mount namespace of our own, slave to the host's, working directory *@dir (RUN_DIR/UUID),
 * which is opened again in it. /proc/1/cgroup then says "/" everywhere: liblxc takes it as the base
 * of cgroup names.
 */
int ct_mount_private(int *dir, struct bt_err *err);

/** Mount lower, upper and root of @spec. On failure what was mounted dies with this process. */
int ct_mount_root(int dir, const struct helper_container_spec *spec, struct ct_root *ret,
                  struct bt_err *err);

/**
 * Where the host's nodes of devices that @features give are not open to everybody (no udev), make
 * our own in dev/, on a tmpfs, for root of the instance (@base). *@ret: were any made?
 */
int ct_mount_nodes(int dir, uint64_t features, int64_t base, bool *ret, struct bt_err *err);

/** Descriptor of an unattached mount of the ext4 on @device. */
int ct_mount_ext4(const char *device, struct bt_err *err);

/** Unmount all of it and remove the mount points. */
void ct_mount_drop(int dir);

/** Close the descriptors. */
void ct_root_fini(struct ct_root *r);

/** Block device whose limits throttle the directory @fd (a whole disk, never a partition). */
struct ct_cg_disk ct_mount_disk_of(int fd);
