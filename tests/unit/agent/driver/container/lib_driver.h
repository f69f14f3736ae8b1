/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "agent/driver/container/container_priv.h"
#include "agent/sys/sys_record.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include <cmocka.h>

#define UUID "11111111-2222-4333-8444-555555555555"
#define RUN_DIR "/run/berth"
#define RUNNING                                                                                    \
    "{\"ok\":{\"state\":\"running\",\"pid\":200,\"pid_start\":20,\"monitor\":100,"                 \
    "\"monitor_start\":10,\"boot\":1,\"started_at\":1700000000123}}"
#define LOST                                                                                       \
    "{\"ok\":{\"state\":\"running\",\"monitor_lost\":true,\"pid\":200,\"pid_start\":20,"           \
    "\"monitor\":100,\"monitor_start\":10,\"boot\":1,\"started_at\":1700000000123}}"
#define STOPPED                                                                                    \
    "{\"ok\":{\"state\":\"stopped\",\"exit\":{\"boot\":1,\"started_at\":1,\"ended_at\":99,"        \
    "\"error_num\":639,\"cause\":\"poweroff\"}}}"
#define STARTED                                                                                    \
    "{\"ok\":{\"pid\":200,\"pid_start\":20,\"monitor\":100,\"monitor_start\":10,\"boot\":1,"       \
    "\"started_at\":1700000000123,\"effective\":{\"pids\":2048},\"seeded\":true}}"

/* What the played helper does for one verb. */
struct lib_answer {
    const char *reply; /* NULL = none */
    int status, signum;
    bool stays; /* it does not end by itself */
};

struct lib_driver {
    struct bt_loop *loop;
    struct sys *sys;
    struct net *net;
    struct image_store *images;
    struct storage *storage;
    struct driver *d;
    struct container_driver *cd;
    struct lib_answer answers[HELPER_CONTAINER_PROBE + 1];
    char last[32768]; /* the last request */
    char verbs[512];  /* of all helpers, in order */
    bool detached;    /* the last one */
    struct sys_helper *helper;
    char events[1024]; /* what the driver told */
};

/** A driver over the recording kernel; every verb of the helper answers RUNNING but run. */
int lib_driver_open(void **state);

/** Free all of it. */
int lib_driver_close(void **state);

/** Let the loop do what is due now. */
void lib_driver_settle(struct lib_driver *l);

/** As above, for @ms of virtual time. */
void lib_driver_pass(struct lib_driver *l, int64_t ms);

/** RUN_DIR/UUID exists: the instance has run since this host's boot. */
void lib_driver_has_run(struct lib_driver *l);

/** RUN_DIR/UUID/boot says @json. */
void lib_driver_boot(struct lib_driver *l, const char *json);

/** Parse a spec; free with bt_schema_free(&instance_spec_schema). */
void lib_driver_spec(const char *json, struct instance_spec *ret);

struct lib_end {
    struct driver_req req;
    bool over;
    enum bt_code code;
    struct bt_err err;
};

/** Start @verb for @spec; @e is told. */
void lib_driver_begin(struct lib_driver *l, void (*verb)(struct driver *, struct driver_req *),
                      const struct instance_spec *spec, struct lib_end *e);

/** Hold @text against golden/@name (BERTH_GOLDEN_WRITE=1 writes it). */
void lib_driver_golden(const char *name, const char *text);

/* A spec that is as plain as can be. */
extern const char *const lib_driver_plain;
