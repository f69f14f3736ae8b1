/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent/driver/fake/fake.h"
#include "common/base/list.h"
#include "common/base/map.h"

/* Inside of the fake: instances, the driver of one agent's life, its calls and streams. */

struct fake_driver;

struct fake_kernel {
    struct fake_config cfg;
    char *state_file;
    struct bt_map instances; /* by uuid */
    int64_t calls, changes;
    int64_t fault_call;
    enum fake_fault fault;
    enum bt_code fault_code;
    const char *fail_verb;
    enum bt_code fail_code;
    bool blind;
    int64_t next_pid;
    struct fake_driver *driver; /* of the living agent */
};

struct fake_driver {
    struct driver base;
    struct fake_kernel *kernel;
    struct bt_list calls;   /* struct fake_call */
    struct bt_list streams; /* struct fake_stream */
    struct bt_list notes;   /* struct fake_note: events under way */
    struct bt_map watched;  /* by uuid */
    bool dead;              /* a crash was ordered: nothing is heard any more */
};

/** Now, UTC. */
int64_t fake_now(const struct fake_kernel *k);

/** The record of @uuid, made when there is none. */
struct fake_instance *fake_instance_get(struct fake_kernel *k, const char *uuid);

/** Forget a record in which nothing is left. */
void fake_instance_drop_empty(struct fake_kernel *k, struct fake_instance *in);

/** It has ended, by @cause. */
void fake_instance_end(struct fake_kernel *k, struct fake_instance *in, const char *cause);

/** What a probe sees; @in may be NULL. */
void fake_instance_observe(const struct fake_kernel *k, const struct fake_instance *in,
                           struct driver_observed *ret);

/** Write the state file, when there is one. */
void fake_kernel_save(struct fake_kernel *k);

/** Read it. */
void fake_kernel_load(struct fake_kernel *k);

/** Free one record. */
void fake_instance_free(struct fake_instance *in);

/* ---- fake_stream.c ---- */

/** driver_ops.stream_open: an echo; argv "exit N" ends with N. */
int fake_stream_open(struct driver *d, const struct link_stream_open *open, struct driver_stream *s,
                     struct bt_err *err);

/** Drop every stream without a word. */
void fake_stream_drop_all(struct fake_driver *d);
