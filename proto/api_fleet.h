/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "proto/api_common.h"
#include "proto/enums.h"
#include "proto/limits.h"
#include "proto/link.h"

/* Operators' resources: hosts, groups, locations, plans, images, pools, tokens, tenants. */

struct api_amount {
    int64_t cpus, memory_bytes, disk_bytes;
    struct bt_opt_int instances; /* null = no maximum */
};

struct api_capacity4 {
    struct api_amount physical, sellable, allocated, used;
};

struct api_overcommit {
    struct bt_opt_int cpu_milli, memory_milli,
        disk_milli; /* thousandths; null = from group or default */
    struct bt_opt_int reserve_memory_bytes, reserve_disk_bytes;
    struct bt_opt_int max_instances; /* null = no maximum */
};

struct api_host {
    int64_t id;
    char *name;
    struct bt_ref location, host_group;
    int state;
    bool cordoned;
    struct bt_arr drivers; /* struct link_driver */
    struct api_capacity4 capacity;
    struct api_overcommit overcommit;
    char *agent_version;
    int64_t protocol, clock_skew_ms;
    struct bt_opt_int last_seen_at;
    char *boot_id;
    char *facts; /* raw */
    int64_t created_at;
};

struct api_host_patch {
    struct bt_ref location, host_group;
    struct api_overcommit overcommit;
};

struct api_host_join {
    char *token, *csr, *name;
};

struct api_host_joined {
    char *name, *cert, *ca;
    int64_t agent_port;
    char *url;
};

struct api_join_token_create {
    char *host; /* name of the new host */
    struct bt_ref location, host_group;
};

struct api_join_token {
    int64_t id;
    char *token; /* once, in the answer to POST */
    char *host;
    int64_t created_at, expires_at;
    struct bt_opt_int used_at;
};

struct api_location {
    int64_t id;
    char *name, *description;
    int64_t created_at;
};

struct api_host_group {
    int64_t id;
    char *name;
    int policy;
    struct api_overcommit overcommit;
    int64_t created_at;
};

struct api_plan {
    struct limits limits; /* flattened into the object */
    int64_t id;
    char *name;
    uint64_t drivers;
    struct bt_arr features; /* char *; "none" = strict; absent on create = the ordinary ones */
    struct bt_arr images, host_groups; /* char * names */
    int64_t created_at;
};

struct api_image_kind {
    int kind;
    char *sha256;
    int64_t bytes;
};

struct api_image {
    int64_t id;
    char *name, *family, *version;
    int state;
    struct bt_arr kinds; /* struct api_image_kind */
    int64_t min_memory_bytes, min_disk_bytes;
    char *os_type, *default_user, *stop_signal;
    bool hidden;
    char *error;
    int64_t created_at;
};

struct api_image_create {
    char *name, *family, *version, *sha256, *url, *os_type, *default_user, *stop_signal;
    int kind;
    int64_t min_memory_bytes, min_disk_bytes;
    bool hidden;
};

struct api_pool {
    int64_t id;
    char *name, *cidr, *gateway;
    int delivery;
    char *uplink;
    struct bt_ref host, host_group, location;
    int64_t ipv6_prefix_len;
    struct bt_arr resolvers;
    char *rdns_pattern;
    int64_t free, used; /* free is capped at 2^53-1 */
    int64_t created_at;
};

struct api_token {
    int64_t id;
    char *name;
    struct bt_ref tenant;
    uint64_t scopes;
    char *source;
    char *token; /* once */
    int64_t created_at;
    struct bt_opt_int expires_at, last_used_at;
};

struct api_token_create {
    char *name;
    struct bt_ref tenant;
    uint64_t scopes;
    char *source;
    struct bt_opt_int expires_ms; /* life from now */
};

struct api_tenant {
    int64_t id;
    char *name, *display_name, *external_id, *source;
    uint64_t suspended;
    struct limits limits;
    struct bt_opt_int max_instances;
    int64_t created_at;
};

struct api_ssh_key {
    int64_t id;
    char *name, *public_key;
    struct bt_ref tenant;
    int64_t created_at;
};

struct api_orphan {
    char *id, *uuid;
    struct bt_ref host;
    char *name, *plan, *image;
    struct bt_arr addresses; /* char * */
    int state;
    struct limits limits;
    int64_t seen_at;
};

struct api_orphan_adopt {
    struct bt_ref tenant;
    char *name;
};

struct api_capacity {
    char *host, *plan;
    int64_t fits;
    char *limited_by;
};

struct api_explain {
    char *host;
    bool ok;
    char *reason, *detail;
};

struct api_explain_request {
    struct bt_ref plan, image, host, location, tenant;
    int driver;
    struct limits limits;
};

struct api_finding {
    char *host;
    int kind;
    char *object, *expected, *found, *fix;
};

struct api_note {
    char *note;
};

struct api_setting {
    char *key, *value;
};

extern const struct bt_schema api_host_schema, api_host_patch_schema, api_host_join_schema,
    api_host_joined_schema, api_join_token_create_schema, api_join_token_schema,
    api_location_schema, api_host_group_schema, api_plan_schema, api_image_schema,
    api_image_create_schema, api_pool_schema, api_token_schema, api_token_create_schema,
    api_tenant_schema, api_ssh_key_schema, api_orphan_schema, api_orphan_adopt_schema,
    api_capacity_schema, api_explain_schema, api_explain_request_schema, api_finding_schema,
    api_setting_schema, api_note_schema;
