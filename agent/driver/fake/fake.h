/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/driver/driver.h"
#include "common/loop/loop.h"

/*
 * A driver without a kernel: deterministic, with latency and faults, for simulations and for suites
 * that need real daemons but no real instances. The fake kernel is apart from the driver: it lives
 * on when an agent dies, keeps what runs running, and tells the next agent what became of it.
 * Loop thread only.
 */
struct fake_kernel;

/* A fault at one call of the driver. */
enum fake_fault {
    FAKE_FAIL,         /* it ends with an error, without effect */
    FAKE_FAIL_AFTER,   /* it ends with an error although it took effect */
    FAKE_HANG,         /* it never ends */
    FAKE_CRASH_BEFORE, /* the agent dies before it takes effect ... */
    FAKE_CRASH_AFTER,  /* ... or after, without hearing of it */
};

struct fake_config {
    struct bt_loop *loop;
    const struct bt_random *random;
    int64_t latency_min_ms, latency_max_ms;
    const char *state_file; /* kept over processes; NULL = memory only */
    /* The agent shall die (FAKE_CRASH_*): called from a call or a timer of the driver; the driver
     * is silent from then on until it is freed. */
    void (*crash)(void *ctx);
    void *ctx;
};

/** A kernel with nothing in it, or with what @cfg's state_file says. */
struct fake_kernel *fake_kernel_new(const struct fake_config *cfg);

/** Free; the drivers on it must be freed. NULL is fine. */
void fake_kernel_free(struct fake_kernel *k);

/** A driver on @k, for one life of an agent; one at a time. Its free() drops what was under way:
 * each such call took effect or not, by the toss of a coin. */
struct driver *fake_driver_new(struct fake_kernel *k);

/* What the kernel has of an instance. */
struct fake_instance {
    char *uuid;
    bool disk, trash, port, running, frozen, monitor_lost;
    int64_t id_base; /* with which the disk was made */
    int64_t disk_bytes, memory_bytes;
    int64_t rebuild_seq; /* of the disk */
    char *mac;
    int64_t pid, pid_start, started_at, ended_at;
    char *cause;
    int64_t starts, disks; /* how often it was started, and a disk made */
    bool deaf;             /* the guest ignores requests to stop */
};

/** What is there of @uuid, NULL when nothing is. Valid until the next turn of the loop. */
struct fake_instance *fake_kernel_find(struct fake_kernel *k, const char *uuid);

/** Walk: start with *@pos = 0. */
struct fake_instance *fake_kernel_next(struct fake_kernel *k, size_t *pos);

/** Calls of the drivers so far; the next one is this plus 1. */
int64_t fake_kernel_calls(const struct fake_kernel *k);

/** Those of them that may change something: all but probes. */
int64_t fake_kernel_changes(const struct fake_kernel *k);

/** Let call number @call (counted from 1) have a fault with error @code. Only one waits at a time;
 * 0 = none. */
void fake_kernel_fault(struct fake_kernel *k, int64_t call, enum fake_fault fault,
                       enum bt_code code);

/** Let every call of @verb ("start", "disk_ensure", ...) fail with @code; NULL = none. */
void fake_kernel_fail_verb(struct fake_kernel *k, const char *verb, enum bt_code code);

/** Probes cannot tell (UNKNOWN) while @on. */
void fake_kernel_blind(struct fake_kernel *k, bool on);

/** Power-off typed inside. NOT_FOUND when it does not run. */
int fake_guest_poweroff(struct fake_kernel *k, const char *uuid);

/** Reboot typed inside. */
int fake_guest_reboot(struct fake_kernel *k, const char *uuid);

/** The guest dies by itself (panic, killed init). */
int fake_guest_crash(struct fake_kernel *k, const char *uuid);

/** Its monitor dies, the guest runs on. */
int fake_guest_lose_monitor(struct fake_kernel *k, const char *uuid);

/** The host restarts: whatever ran has ended (cause host_reboot), ports are gone. No agent may be
 * alive. */
void fake_kernel_host_reboot(struct fake_kernel *k);
