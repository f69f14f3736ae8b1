/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * Every enumeration of the API and the agent link: C names, wire names (NULL-terminated tables,
 * index = value). Append-only: databases and older peers know the order or the names.
 */
/* Lists read better as lists. */
/* clang-format off */
#define ENUM_INSTANCE_STATE(X)                                                                     \
    X(PENDING, "pending") X(INITIALIZING, "initializing") X(STOPPED, "stopped")                    \
    X(STARTING, "starting") X(RUNNING, "running") X(STOPPING, "stopping") X(PAUSED, "paused")      \
    X(REBUILDING, "rebuilding") X(MIGRATING, "migrating") X(RESTORING, "restoring")                \
    X(DELETING, "deleting") X(DELETED, "deleted") X(ERROR, "error") X(UNKNOWN, "unknown")
#define ENUM_DESIRED(X) X(RUNNING, "running") X(STOPPED, "stopped") X(DELETED, "deleted")
#define ENUM_DESIRED_BY(X) X(USER, "user") X(GUEST, "guest")
#define ENUM_SUSPEND(X) X(BILLING, "billing") X(TRAFFIC, "traffic") X(ABUSE, "abuse") X(ADMIN, "admin")
#define ENUM_DRIVER(X) X(CONTAINER, "container") X(KVM, "kvm")
#define ENUM_FEATURE(X)                                                                            \
    X(TUN, "tun") X(NET_ADMIN, "net_admin") X(NET_RAW, "net_raw") X(COMPAT32, "compat32")          \
    X(FUSE, "fuse") X(NESTING, "nesting")
#define ENUM_TASK_STATE(X)                                                                         \
    X(QUEUED, "queued") X(WAITING, "waiting") X(RUNNING, "running") X(CANCELLING, "cancelling")    \
    X(SUCCESS, "success") X(ERROR, "error") X(CANCELLED, "cancelled")
#define ENUM_ACTION(X)                                                                             \
    X(CREATE, "create") X(START, "start") X(STOP, "stop") X(KILL, "kill") X(RESTART, "restart")    \
    X(RESET, "reset") X(PAUSE, "pause") X(RESUME, "resume") X(SUSPEND, "suspend")                  \
    X(UNSUSPEND, "unsuspend") X(REBUILD, "rebuild") X(RESIZE, "resize") X(SET, "set")              \
    X(RESET_PASSWORD, "reset_password") X(DELETE, "delete") X(RESTORE, "restore")                  \
    X(PURGE, "purge") X(ADOPT, "adopt") X(SYNC, "sync") X(IMPORT_IMAGE, "import_image")
#define ENUM_HOST_STATE(X)                                                                         \
    X(JOINING, "joining") X(ONLINE, "online") X(DRAINING, "draining")                              \
    X(MAINTENANCE, "maintenance") X(UNREACHABLE, "unreachable") X(FENCED, "fenced")                \
    X(REMOVED, "removed")
#define ENUM_IMAGE_STATE(X) X(IMPORTING, "importing") X(READY, "ready") X(ERROR, "error")
#define ENUM_IMAGE_KIND(X) X(ROOTFS, "rootfs") X(OCI, "oci") X(DISK, "disk")
#define ENUM_ADDRESS_STATE(X) X(USED, "used") X(HELD, "held") X(ORPHAN, "orphan")
#define ENUM_ADDRESS_KIND(X) X(PUBLIC, "public") X(NAT, "nat") X(PRIVATE, "private")
#define ENUM_DELIVERY(X) X(ROUTED, "routed") X(ONLINK, "onlink") X(NAT, "nat")
#define ENUM_POLICY(X) X(SPREAD, "spread") X(PACK, "pack")
#define ENUM_TRAFFIC_COUNT(X) X(TOTAL, "total") X(IN, "in") X(OUT, "out") X(MAX, "max")
#define ENUM_TRAFFIC_ACTION(X) X(THROTTLE, "throttle") X(SUSPEND, "suspend") X(NOTIFY, "notify")
#define ENUM_SEVERITY(X) X(INFO, "info") X(WARNING, "warning") X(CRITICAL, "critical")
#define ENUM_USAGE_STATE(X) X(PROVISIONAL, "provisional") X(CLOSED, "closed")
#define ENUM_SCOPE(X)                                                                              \
    X(OPERATOR, "operator") X(READ, "read") X(POWER, "power") X(CREATE, "create")                  \
    X(DESTROY, "destroy") X(BILLING, "billing") X(METRICS, "metrics")
#define ENUM_REPORT(X) X(RESULT, "result") X(STATE, "state") X(EVENT, "event")
#define ENUM_STREAM(X) X(EXEC, "exec") X(CONSOLE, "console")
#define ENUM_DOCTOR(X)                                                                             \
    X(LINK, "link") X(MOUNT, "mount") X(CGROUP, "cgroup") X(LOOP, "loop") X(RULE, "rule")          \
    X(ROUTE, "route") X(NEIGHBOUR, "neighbour") X(PROCESS, "process") X(FILE, "file")              \
    X(SYSCTL, "sysctl") X(ROW, "row") X(CLOCK, "clock") X(CERTIFICATE, "certificate")

#define ENUM_ALL(X)                                                                                \
    X(instance_state, INSTANCE_STATE) X(desired, DESIRED) X(desired_by, DESIRED_BY)                \
    X(suspend, SUSPEND) X(driver, DRIVER) X(feature, FEATURE) X(task_state, TASK_STATE)            \
    X(action, ACTION) X(host_state, HOST_STATE) X(image_state, IMAGE_STATE)                        \
    X(image_kind, IMAGE_KIND) X(address_state, ADDRESS_STATE) X(address_kind, ADDRESS_KIND)        \
    X(delivery, DELIVERY) X(policy, POLICY) X(traffic_count, TRAFFIC_COUNT)                        \
    X(traffic_action, TRAFFIC_ACTION) X(severity, SEVERITY) X(usage_state, USAGE_STATE)            \
    X(scope, SCOPE) X(report, REPORT) X(stream, STREAM) X(doctor, DOCTOR)

/* clang-format on */

#define ENUM_DECLARE_ROW_INSTANCE_STATE(c, s) INSTANCE_##c,
enum instance_state { ENUM_INSTANCE_STATE(ENUM_DECLARE_ROW_INSTANCE_STATE) };
#define ENUM_DECLARE_ROW_DESIRED(c, s) DESIRED_##c,
enum desired { ENUM_DESIRED(ENUM_DECLARE_ROW_DESIRED) };
#define ENUM_DECLARE_ROW_DESIRED_BY(c, s) DESIRED_BY_##c,
enum desired_by { ENUM_DESIRED_BY(ENUM_DECLARE_ROW_DESIRED_BY) };
#define ENUM_DECLARE_ROW_SUSPEND(c, s) SUSPEND_##c,
enum suspend { ENUM_SUSPEND(ENUM_DECLARE_ROW_SUSPEND) };
#define ENUM_DECLARE_ROW_DRIVER(c, s) DRIVER_##c,
enum driver_kind { ENUM_DRIVER(ENUM_DECLARE_ROW_DRIVER) };
#define ENUM_DECLARE_ROW_FEATURE(c, s) FEATURE_##c,
enum feature { ENUM_FEATURE(ENUM_DECLARE_ROW_FEATURE) };
#define ENUM_DECLARE_ROW_TASK_STATE(c, s) TASK_##c,
enum task_state { ENUM_TASK_STATE(ENUM_DECLARE_ROW_TASK_STATE) };
#define ENUM_DECLARE_ROW_ACTION(c, s) ACTION_##c,
enum action { ENUM_ACTION(ENUM_DECLARE_ROW_ACTION) };
#define ENUM_DECLARE_ROW_HOST_STATE(c, s) HOST_##c,
enum host_state { ENUM_HOST_STATE(ENUM_DECLARE_ROW_HOST_STATE) };
#define ENUM_DECLARE_ROW_IMAGE_STATE(c, s) IMAGE_##c,
enum image_state { ENUM_IMAGE_STATE(ENUM_DECLARE_ROW_IMAGE_STATE) };
#define ENUM_DECLARE_ROW_IMAGE_KIND(c, s) IMAGE_KIND_##c,
enum image_kind { ENUM_IMAGE_KIND(ENUM_DECLARE_ROW_IMAGE_KIND) };
#define ENUM_DECLARE_ROW_ADDRESS_STATE(c, s) ADDRESS_##c,
enum address_state { ENUM_ADDRESS_STATE(ENUM_DECLARE_ROW_ADDRESS_STATE) };
#define ENUM_DECLARE_ROW_ADDRESS_KIND(c, s) ADDRESS_KIND_##c,
enum address_kind { ENUM_ADDRESS_KIND(ENUM_DECLARE_ROW_ADDRESS_KIND) };
#define ENUM_DECLARE_ROW_DELIVERY(c, s) DELIVERY_##c,
enum delivery { ENUM_DELIVERY(ENUM_DECLARE_ROW_DELIVERY) };
#define ENUM_DECLARE_ROW_POLICY(c, s) POLICY_##c,
enum policy { ENUM_POLICY(ENUM_DECLARE_ROW_POLICY) };
#define ENUM_DECLARE_ROW_TRAFFIC_COUNT(c, s) TRAFFIC_COUNT_##c,
enum traffic_count { ENUM_TRAFFIC_COUNT(ENUM_DECLARE_ROW_TRAFFIC_COUNT) };
#define ENUM_DECLARE_ROW_TRAFFIC_ACTION(c, s) TRAFFIC_ACTION_##c,
enum traffic_action { ENUM_TRAFFIC_ACTION(ENUM_DECLARE_ROW_TRAFFIC_ACTION) };
#define ENUM_DECLARE_ROW_SEVERITY(c, s) SEVERITY_##c,
enum severity { ENUM_SEVERITY(ENUM_DECLARE_ROW_SEVERITY) };
#define ENUM_DECLARE_ROW_USAGE_STATE(c, s) USAGE_##c,
enum usage_state { ENUM_USAGE_STATE(ENUM_DECLARE_ROW_USAGE_STATE) };
#define ENUM_DECLARE_ROW_SCOPE(c, s) SCOPE_##c,
enum scope { ENUM_SCOPE(ENUM_DECLARE_ROW_SCOPE) };
#define ENUM_DECLARE_ROW_REPORT(c, s) REPORT_##c,
enum report_kind { ENUM_REPORT(ENUM_DECLARE_ROW_REPORT) };
#define ENUM_DECLARE_ROW_STREAM(c, s) STREAM_##c,
enum stream_kind { ENUM_STREAM(ENUM_DECLARE_ROW_STREAM) };
#define ENUM_DECLARE_ROW_DOCTOR(c, s) DOCTOR_##c,
enum doctor_kind { ENUM_DOCTOR(ENUM_DECLARE_ROW_DOCTOR) };

/* enum_instance_state[], enum_desired[], ...: wire names, NULL at the end. */
#define ENUM_EXTERN(lower, UPPER) extern const char *const enum_##lower[];
/** The tables, by ENUM_ALL. */
ENUM_ALL(ENUM_EXTERN)
#undef ENUM_EXTERN

/** Index of @s in @names, -1 when it is not there (or NULL). */
int enum_from_str(const char *const *names, const char *s);
