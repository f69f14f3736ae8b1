/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/driver/driver.h"
#include "agent/image/image.h"
#include "agent/net/net.h"
#include "agent/storage/storage.h"
#include "agent/sys/sys.h"

/*
 * System containers through `berth-container`: ports by agent/net, images by agent/image, disks by
 * agent/storage; everything that mounts or forks happens in the helper.
 */
struct container_config {
    struct sys *sys;
    struct net *net;
    struct image_store *images;
    struct storage *storage;
    const char *helper;  /* berth-container, absolute */
    const char *run_dir; /* RUN_DIR: one directory an instance */
    const char *state_dir;
    const char *cgroup_parent; /* "/berth-instances" */
    const char *log_dir;       /* liblxc's logs; NULL = none */
    int64_t id_count;          /* ids of an instance, 65,536 */
    int64_t cpus;              /* of the host, for cpusets */
};

/** Make the driver; everything in @cfg is copied, what it points to is borrowed for life. */
struct driver *driver_container_new(const struct container_config *cfg);

/** Ask the helper what this host can do; available() says "probing" until it has answered. */
void driver_container_probe(struct driver *d, void (*done)(void *ctx), void *ctx);

/** What the probe found: features of instances, quota back end, cgroup kind. Static until the next
 * probe. */
struct container_facts {
    uint64_t features;
    char backend[16], cgroup[16];
};

/** Facts of the last probe; zeros before. */
const struct container_facts *driver_container_facts(const struct driver *d);
