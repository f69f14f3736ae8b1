/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/json/json.h"
#include "proto/enums.h"
#include "proto/limits.h"

/*
 * Frames between an agent and `berth-container VERB UUID` (common/base/frame.h, the socket is
 * descriptor 3): one request {op, run_dir, VERB: {...}}, then one reply {"ok": {...}} or {"err":
 * {...}}; exec and console send their descriptors with the reply, exec sends {"exit": {...}} later.
 * Both sides are of one version: parsing is strict.
 *
 * RUN_DIR/UUID (docs/decisions/0015-container-runtime.md) is what outlives everybody:
 *   lock       flock(2) held by the monitor for life
 *   place      struct helper_container_place: where the instance is, without secrets
 *   boot       struct helper_container_boot: the present boot; replaced at every reboot inside
 *   exit.json  struct helper_container_exit: how the last run ended; absent while it runs
 */
/* clang-format off */
#define HELPER_CONTAINER_OPS(X)                                                                    \
    X(RUN, run) X(STOP, stop) X(EXEC, exec) X(CONSOLE, console) X(GROW, grow) X(STAT, stat)        \
    X(LIMITS, limits) X(FREEZE, freeze) X(PROBE, probe)
#define HELPER_CONTAINER_CAUSES(X)                                                                 \
    X(POWEROFF, poweroff) X(REBOOT, reboot) X(KILLED, killed) X(EXIT, exit) X(CRASH, crash)        \
    X(OOM, oom) X(START_FAILED, start_failed)
/* clang-format on */

#define HELPER_CONTAINER_OP_ENUM(c, s) HELPER_CONTAINER_##c,
enum helper_container_op { HELPER_CONTAINER_OPS(HELPER_CONTAINER_OP_ENUM) };
#define HELPER_CONTAINER_CAUSE_ENUM(c, s) HELPER_CONTAINER_CAUSE_##c,
enum helper_container_cause { HELPER_CONTAINER_CAUSES(HELPER_CONTAINER_CAUSE_ENUM) };

enum helper_upper { HELPER_UPPER_LOOP, HELPER_UPPER_PROJECT, HELPER_UPPER_DIR };
enum helper_file_op { HELPER_FILE_WRITE, HELPER_FILE_SHADOW_ROOT, HELPER_FILE_REMOVE };
enum helper_stop_how { HELPER_STOP_SIGNAL, HELPER_STOP_KILL };
enum helper_container_state {
    HELPER_CONTAINER_STOPPED,
    HELPER_CONTAINER_RUNNING,
    HELPER_CONTAINER_PAUSED,
    HELPER_CONTAINER_CHANGING, /* a monitor lives, init not yet or no more */
};

/* Wire names by index, NULL at the end. */
extern const char *const helper_container_op[],
    *const helper_container_cause[], *const helper_upper[], *const helper_file_op[],
                                                                *const helper_stop_how[],
                                                                    *const helper_container_state[];

struct helper_address {
    char *address;
    int64_t prefix;
};

struct helper_nic {
    char *ifname;            /* our peer end, lying in the host's network namespace */
    char *guest_name;        /* eth0 */
    char *mac;               /* NULL = as it is */
    int64_t mtu;             /* 0 = as it is */
    struct bt_arr addresses; /* struct helper_address, either family */
    char *gateway4, *gateway6;
};

struct helper_file {
    char *path; /* absolute, in the guest; links on the way stay inside the guest */
    int op;     /* enum helper_file_op; SHADOW_ROOT: content = crypt(3) hash of root, path unused */
    char *content;
    int64_t mode;     /* permission bits of the file, 0 = 0644 */
    int64_t dir_mode; /* of parents that are missing, 0 = 0755 */
    bool every_boot;  /* else only when the seed is new */
};

struct helper_upper_spec {
    int backend;        /* enum helper_upper */
    char *path;         /* LOOP: ext4 image file; PROJECT, DIR: directory, quota set by the agent */
    int64_t size_bytes; /* LOOP: grown to it before mounting when the file system is smaller */
};

struct helper_container_spec {
    char *name;     /* for people: process title, log lines */
    char *hostname; /* UTS name */
    char *lower;    /* absolute directory of the unpacked image, on-disk ids from 0 */
    struct helper_upper_spec upper;
    int64_t id_base, id_count;
    char *cgroup_parent; /* "/berth-instances", below the root of the cgroup namespace */
    char *cgroup;        /* the instance's group below it; one name, no slash */
    char *stop_signal;   /* "SIGRTMIN+3", "SIGPWR" ... */
    char *init;          /* NULL = /sbin/init */
    char *cpuset;        /* "0-1,4", NULL = all of the parent's */
    struct limits limits;
    uint64_t features;   /* bit set of enum feature */
    struct bt_arr nics;  /* struct helper_nic */
    struct bt_arr files; /* struct helper_file */
    char *seed_id;       /* uuid + rebuild_seq: see helper_file.every_boot */
    bool ssh_host_keys;  /* make fresh ed25519 and ecdsa keys with a new seed */
    int64_t boot;        /* number of this start, >= 1; guest reboots count on */
    char *log;           /* file for liblxc's log, NULL = none */
    char *log_level;     /* NULL = ERROR */
};

struct helper_container_stop {
    int how;            /* enum helper_stop_how */
    int64_t timeout_ms; /* SIGNAL: then GUEST_TIMEOUT; KILL: until all processes are gone */
};

struct helper_container_exec {
    struct bt_arr argv; /* char * */
    struct bt_arr env;  /* char *, NAME=VALUE */
    bool tty;
    int64_t rows, cols;
};

struct helper_container_console {
    int64_t rows, cols; /* 0 = leave */
    bool replay;        /* first what the ring buffer holds */
};

struct helper_container_grow {
    char *path; /* the image file */
    int64_t size_bytes;
};

struct helper_container_limits {
    struct limits limits; /* absent members stay as they are */
    char *cpuset;         /* NULL = as it is, "" = all of the parent's */
};

struct helper_container_freeze {
    bool on;
};

struct helper_container_probe {
    char *dir;           /* where instances' disks would lie; probed by real limits */
    char *cgroup_parent; /* as in the spec */
};

struct helper_container_request {
    int op;        /* enum helper_container_op */
    char *run_dir; /* absolute, of the host; RUN_DIR/UUID is the instance's */
    struct helper_container_spec *run;
    struct helper_container_stop *stop;
    struct helper_container_exec *exec;
    struct helper_container_console *console;
    struct helper_container_grow *grow;
    struct helper_container_limits *limits;
    struct helper_container_freeze *freeze;
    struct helper_container_probe *probe;
};

struct helper_err {
    char *code; /* common/base/err.def */
    char *message, *hint;
    char *step; /* where: spec, cgroup, mount, files, network, start, ... */
};

struct helper_exit {
    int64_t status; /* 0..255; 128 + signal when it was killed by one */
};

/* ok of run. */
struct helper_container_started {
    int64_t pid, pid_start;         /* init and its start time (field 22 of /proc/PID/stat) */
    int64_t monitor, monitor_start; /* likewise */
    int64_t boot, started_at;       /* ms UTC */
    struct limits effective;        /* as read back */
    bool seeded;                    /* the seed was new: first-boot files were written */
};

/* ok of exec and console: fds come along, one (a terminal) or three (in, out, err). */
struct helper_container_stream {
    int64_t fds;
    int64_t pid; /* exec: host pid of the command */
};

/* ok of grow. */
struct helper_container_grown {
    int64_t size_bytes; /* of the image now */
    bool online;
};

struct helper_container_usage {
    int64_t cpu_ms, memory_bytes, swap_bytes, pids;
    int64_t memory_limit_hits, oom_kills;
    int64_t disk_bytes, disk_free_bytes, inodes, inodes_free;
};

/* ok of stat, stop, limits and freeze. */
struct helper_container_stat {
    int state;         /* enum helper_container_state */
    bool monitor_lost; /* init lives without its monitor */
    int64_t pid, pid_start, monitor, monitor_start;
    int64_t boot, started_at;
    struct limits effective;
    struct helper_container_usage *usage;
    struct helper_container_exit *exit; /* state stopped and exit.json is there */
};

struct helper_quota_backend {
    char *name; /* loop, xfs, ext4 */
    bool works, inodes, grows, shrinks;
    char *reason; /* when it does not work */
};

/* ok of probe. */
struct helper_container_probed {
    struct bt_arr backends; /* struct helper_quota_backend, best first */
    char *cgroup;           /* v1, hybrid, v2 */
    uint64_t features;      /* bit set of enum feature that this host can give */
    bool swap;              /* swap can be limited */
    bool io_limits;         /* I/O limits hold for buffered writes too (v2) */
    char *kernel, *engine;  /* uname -r; liblxc's version */
    bool apparmor;
};

/* RUN_DIR/UUID/place */
struct helper_container_place {
    char *uuid, *name, *cgroup_parent, *cgroup, *lower, *upper_path;
    int upper_backend;
    int64_t id_base, id_count;
    uint64_t features;
    char *stop_signal;
    struct bt_arr nics; /* struct helper_nic */
    int64_t monitor, monitor_start, boot;
    int64_t disk_major, disk_minor; /* block device whose I/O is limited, 0 = none */
    bool seeded;                    /* this start wrote the first-boot files */
};

/* RUN_DIR/UUID/boot */
struct helper_container_boot {
    int64_t boot, started_at, pid, pid_start;
};

/* RUN_DIR/UUID/exit.json */
struct helper_container_exit {
    int64_t boot, started_at, ended_at;
    int64_t error_num; /* wait status of init as the engine gives it */
    int cause;         /* enum helper_container_cause */
};

struct helper_container_reply {
    char *ok; /* raw JSON of the verb's ok struct */
    struct helper_err *err;
    struct helper_exit *exit;
};

extern const struct bt_schema helper_address_schema, helper_nic_schema, helper_file_schema,
    helper_upper_spec_schema, helper_container_spec_schema, helper_container_stop_schema,
    helper_container_exec_schema, helper_container_console_schema, helper_container_grow_schema,
    helper_container_limits_schema, helper_container_freeze_schema, helper_container_probe_schema,
    helper_container_request_schema, helper_err_schema, helper_exit_schema,
    helper_container_started_schema, helper_container_stream_schema, helper_container_grown_schema,
    helper_container_usage_schema, helper_container_stat_schema, helper_quota_backend_schema,
    helper_container_probed_schema, helper_container_place_schema, helper_container_boot_schema,
    helper_container_exit_schema, helper_container_reply_schema;
