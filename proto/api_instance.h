/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "proto/api_common.h"
#include "proto/api_task.h"
#include "proto/limits.h"

struct api_address {
    int64_t id;
    char *address;
    int64_t prefix, family;
    int kind; /* enum address_kind */
    struct bt_ref network;
    struct bt_ref pool;
    char *mac, *rdns, *gateway;
    int state; /* enum address_state, in address lists */
    struct bt_ref instance;
};

struct api_nat_port {
    char *public_address;
    int64_t public_port;
    char *proto;
    int64_t port;
};

struct api_protection {
    bool del, rebuild;
};

struct api_instance {
    int64_t id;
    char *uuid, *external_id, *source, *name, *hostname;
    struct bt_ref tenant, plan, image, host, location;
    int driver;
    int desired, state;
    bool paused;
    uint64_t suspended;
    char *suspend_text;
    struct bt_opt_int locked_by; /* task id or null */
    struct api_protection protection;
    struct bt_arr addresses; /* struct api_address */
    struct bt_arr nat_ports; /* struct api_nat_port */
    struct limit_views limits;
    uint64_t features;
    int64_t generation, observed_generation;
    int64_t created_at;
    struct bt_opt_int started_at, delete_at;
    struct api_error *last_error;
    struct bt_arr labels; /* struct bt_pair */
    char *notes;
};

struct api_instance_create {
    char *name;
    struct bt_ref plan, image, tenant, host, location;
    int driver; /* -1 = the plan's first that a host has */
    char *hostname;
    struct bt_arr ssh_keys; /* char *: key text or a stored name */
    char *password, *user_data, *source, *external_id;
    struct bt_arr networks, addresses; /* char * */
    char *mac;
    struct bt_arr features; /* char *, "none" alone = strict */
    struct limits limits;
    struct bt_opt_int start;
    struct bt_arr labels;
    char *notes;
};

/* PATCH /instances/ID: an absent field is unchanged. */
struct api_instance_patch {
    char *name, *hostname, *notes, *external_id;
    struct bt_opt_int protect_delete, protect_rebuild;
    struct bt_arr labels;
};

/* Arguments of POST /instances/ID/actions/VERB; each verb takes the ones its row of the verb table
 * names. */
struct api_action {
    bool force;
    struct bt_opt_int timeout_ms;
    uint64_t reasons; /* suspend, unsuspend */
    char *text;
    struct bt_ref image; /* rebuild */
    struct bt_arr ssh_keys;
    char *password;
    struct bt_ref plan; /* resize */
    struct limits limits;
    bool purge;               /* delete: past trash and grace (operator) */
    char *uuid, *external_id; /* delete by billing: must match */
};

struct api_instance_task {
    struct api_task task;
    struct api_instance instance;
};

struct api_exec {
    struct bt_arr argv;
    bool tty;
    int64_t rows, cols;
};

struct api_ticket {
    char *ticket, *url;
    int64_t expires_at;
};

extern const struct bt_schema api_address_schema, api_instance_schema, api_instance_create_schema,
    api_instance_patch_schema, api_action_schema, api_instance_task_schema, api_exec_schema,
    api_ticket_schema;
