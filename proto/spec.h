/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/json/json.h"
#include "proto/enums.h"
#include "proto/limits.h"

/* What one instance shall be: the controller's word to an agent, kept in the agent's journal. */

struct spec_address {
    char *address;  /* v4 address, or first address of the v6 prefix (PREFIX::1) */
    int64_t prefix; /* v4: the pool's length; v6: the instance's own prefix length */
    int64_t family; /* 4 or 6 */
    char *gateway;  /* v4: in-prefix gateway; v6: fe80::1 */
    char *pool;
    int delivery; /* enum delivery */
};

struct spec_nic {
    char *mac;
    struct bt_arr addresses; /* struct spec_address */
};

struct spec_image {
    char *name;
    char *sha256;
    int kind; /* enum image_kind */
    int64_t bytes;
    char *stop_signal;
    char *os_type;
};

struct spec_tombstone {
    char *reason;
    int64_t created_at;
    int64_t purge_at; /* when the trash may be emptied */
    bool purge_now;   /* operator's --purge: past trash time, still through the brake */
};

struct instance_spec {
    int64_t id; /* controller's row id */
    char *uuid;
    char *name;
    char *hostname;
    char *tenant;
    char *plan;
    int64_t generation;
    int driver; /* enum driver_kind */
    int desired;
    bool paused;
    uint64_t suspended; /* bit set of enum suspend */
    int64_t restart_seq, reset_seq, rebuild_seq, password_seq;
    struct spec_image image;
    struct limits limits; /* merged: what counts */
    uint64_t features;
    struct bt_arr nics;      /* struct spec_nic */
    struct bt_arr resolvers; /* char * */
    struct bt_arr ssh_keys;  /* char * */
    char *password_hash;     /* crypt(3), NULL = locked */
    char *user_data;
    struct spec_tombstone *tombstone; /* with desired = deleted only */
};

extern const struct bt_schema spec_address_schema, spec_nic_schema, spec_image_schema,
    spec_tombstone_schema, instance_spec_schema;
