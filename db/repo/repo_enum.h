/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * The enums of the columns that have a CHECK, each with its NULL-terminated names in the same order
 * (append-only; tests/unit/db/repo proves that the schema accepts exactly these). In a row an enum
 * is an int; in filters -1 means any.
 */
enum repo_desired { REPO_DESIRED_RUNNING, REPO_DESIRED_STOPPED, REPO_DESIRED_DELETED };
extern const char *const repo_desired_names[];

enum repo_desired_by { REPO_BY_USER, REPO_BY_GUEST };
extern const char *const repo_desired_by_names[];

enum repo_instance_state {
    REPO_ST_PENDING,
    REPO_ST_INITIALIZING,
    REPO_ST_STOPPED,
    REPO_ST_STARTING,
    REPO_ST_RUNNING,
    REPO_ST_STOPPING,
    REPO_ST_PAUSED,
    REPO_ST_REBUILDING,
    REPO_ST_MIGRATING,
    REPO_ST_RESTORING,
    REPO_ST_DELETING,
    REPO_ST_DELETED,
    REPO_ST_ERROR,
    REPO_ST_UNKNOWN,
};
extern const char *const repo_instance_state_names[];

enum repo_driver { REPO_DRIVER_CONTAINER, REPO_DRIVER_KVM };
extern const char *const repo_driver_names[];

/* Bits of instances.suspended. */
enum repo_suspend {
    REPO_SUSPEND_BILLING = 1,
    REPO_SUSPEND_TRAFFIC = 2,
    REPO_SUSPEND_ABUSE = 4,
    REPO_SUSPEND_ADMIN = 8
};

enum repo_host_state {
    REPO_HOST_JOINING,
    REPO_HOST_ONLINE,
    REPO_HOST_DRAINING,
    REPO_HOST_MAINTENANCE,
    REPO_HOST_UNREACHABLE,
    REPO_HOST_FENCED,
    REPO_HOST_REMOVED,
};
extern const char *const repo_host_state_names[];

enum repo_policy { REPO_POLICY_SPREAD, REPO_POLICY_PACK };
extern const char *const repo_policy_names[];

enum repo_image_state { REPO_IMAGE_IMPORTING, REPO_IMAGE_READY, REPO_IMAGE_ERROR };
extern const char *const repo_image_state_names[];

enum repo_kind { REPO_KIND_ROOTFS, REPO_KIND_OCI, REPO_KIND_DISK };
extern const char *const repo_kind_names[];

enum repo_delivery { REPO_DELIVERY_ROUTED, REPO_DELIVERY_ONLINK, REPO_DELIVERY_NAT };
extern const char *const repo_delivery_names[];

enum repo_address_state { REPO_ADDRESS_USED, REPO_ADDRESS_HELD, REPO_ADDRESS_ORPHAN };
extern const char *const repo_address_state_names[];

enum repo_task_state {
    REPO_TASK_QUEUED,
    REPO_TASK_WAITING,
    REPO_TASK_RUNNING,
    REPO_TASK_CANCELLING,
    REPO_TASK_SUCCESS,
    REPO_TASK_ERROR,
    REPO_TASK_CANCELLED,
};
extern const char *const repo_task_state_names[];

enum repo_user_role { REPO_ROLE_OPERATOR, REPO_ROLE_TENANT };
extern const char *const repo_user_role_names[];

enum repo_member_role {
    REPO_MEMBER_OWNER,
    REPO_MEMBER_ADMIN,
    REPO_MEMBER_MEMBER,
    REPO_MEMBER_VIEWER
};
extern const char *const repo_member_role_names[];

enum repo_usage_state { REPO_USAGE_PROVISIONAL, REPO_USAGE_CLOSED };
extern const char *const repo_usage_state_names[];

enum repo_severity { REPO_SEVERITY_INFO, REPO_SEVERITY_WARNING, REPO_SEVERITY_CRITICAL };
extern const char *const repo_severity_names[];
