/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/driver/fake/fake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/driver/fake/fake_priv.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "proto/field.h"

/* The kernel of the fake: what outlives an agent. */
#define STATE_FILE_MAX (8u << 20)
#define FIRST_PID 1000

#define FT fake_instance
static const struct bt_field fake_instance_schema_fields[] = {
    F_STR(uuid, 36, "uuid", BT_REQUIRED, NULL),
    F_BOOL(disk, 0, NULL),
    F_BOOL(trash, 0, NULL),
    F_BOOL(port, 0, NULL),
    F_BOOL(running, 0, NULL),
    F_BOOL(frozen, 0, NULL),
    F_BOOL(monitor_lost, 0, NULL),
    F_BOOL(deaf, 0, NULL),
    F_ID(id_base, 0, NULL),
    F_ID(disk_bytes, 0, NULL),
    F_ID(memory_bytes, 0, NULL),
    F_ID(rebuild_seq, 0, NULL),
    F_STR(mac, 17, "", 0, NULL),
    F_ID(pid, 0, NULL),
    F_ID(pid_start, 0, NULL),
    F_ID(started_at, 0, NULL),
    F_ID(ended_at, 0, NULL),
    F_STR(cause, 15, "", 0, NULL),
    F_ID(starts, 0, NULL),
    F_ID(disks, 0, NULL),
    F_END};
static F_SCHEMA(fake_instance_schema, "FakeInstance", NULL);
#undef FT

struct fake_state {
    struct bt_arr instances;
};

#define FT fake_state
static const struct bt_field fake_state_schema_fields[] = {
    F_AOBJ(instances, &fake_instance_schema, 100000, 0, NULL), F_END};
static F_SCHEMA(fake_state_schema, "FakeState", NULL);
#undef FT

int64_t fake_now(const struct fake_kernel *k)
{
    return bt_utc_ms(bt_loop_clock(k->cfg.loop));
}

void fake_instance_free(struct fake_instance *in)
{
    if (in)
        bt_schema_free(&fake_instance_schema, in);
    free(in);
}

struct fake_instance *fake_kernel_find(struct fake_kernel *k, const char *uuid)
{
    return bt_map_find(&k->instances, uuid);
}

struct fake_instance *fake_kernel_next(struct fake_kernel *k, size_t *pos)
{
    return bt_map_next(&k->instances, pos);
}

struct fake_instance *fake_instance_get(struct fake_kernel *k, const char *uuid)
{
    struct fake_instance *in = bt_map_find(&k->instances, uuid);
    if (in)
        return in;
    in = bt_xcalloc(1, sizeof *in);
    in->uuid = bt_xstrdup(uuid);
    (void)bt_map_set(&k->instances, uuid, in);
    return in;
}

void fake_instance_drop_empty(struct fake_kernel *k, struct fake_instance *in)
{
    if (in->disk || in->trash || in->port || in->running)
        return;
    (void)bt_map_remove(&k->instances, in->uuid);
    fake_instance_free(in);
}

void fake_instance_end(struct fake_kernel *k, struct fake_instance *in, const char *cause)
{
    in->running = false;
    in->frozen = false;
    in->monitor_lost = false;
    in->pid = in->pid_start = 0;
    in->ended_at = fake_now(k);
    free(in->cause);
    in->cause = bt_xstrdup(cause);
}

void fake_instance_observe(const struct fake_kernel *k, const struct fake_instance *in,
                           struct driver_observed *ret)
{
    *ret = (struct driver_observed){.state = INSTANCE_STOPPED};
    if (k->blind) {
        ret->state = INSTANCE_UNKNOWN;
        return;
    }
    if (!in)
        return;
    ret->disk = in->disk;
    ret->port = in->port;
    ret->monitor_lost = in->monitor_lost;
    if (in->running) {
        ret->state = in->frozen ? INSTANCE_PAUSED : INSTANCE_RUNNING;
        ret->pid = in->pid;
        ret->pid_start = in->pid_start;
        ret->started_at = in->started_at;
    } else {
        ret->ended_at = in->ended_at;
        (void)bt_strcpy(ret->cause, sizeof ret->cause, in->cause ? in->cause : "");
    }
}

void fake_kernel_save(struct fake_kernel *k)
{
    if (!k->state_file)
        return;
    struct fake_state st = {0};
    size_t pos = 0;
    for (struct fake_instance *in; (in = bt_map_next(&k->instances, &pos));)
        *(struct fake_instance *)bt_arr_push(&st.instances, sizeof *in) = *in;
    _cleanup_free_ char *text = bt_schema_emit_str(&fake_state_schema, &st);
    free(st.instances.items);
    (void)bt_write_file_atomic(AT_FDCWD, k->state_file, text, strlen(text), 0600, NULL);
}

void fake_kernel_load(struct fake_kernel *k)
{
    _cleanup_buf_ struct bt_buf b = BT_BUF(STATE_FILE_MAX);
    struct fake_state st = {0};
    if (!k->state_file || bt_read_file(AT_FDCWD, k->state_file, STATE_FILE_MAX, &b, NULL) < 0 ||
        bt_schema_parse(&fake_state_schema, b.data, b.len, BT_LENIENT, &st, NULL, NULL) < 0)
        return;
    for (size_t i = 0; i < st.instances.len; i++) {
        struct fake_instance *in = bt_xmalloc(sizeof *in);
        *in = ((struct fake_instance *)st.instances.items)[i];
        (void)bt_map_set(&k->instances, in->uuid, in);
        if (in->pid >= k->next_pid)
            k->next_pid = in->pid + 1;
    }
    free(st.instances.items); /* its elements have moved */
}

struct fake_kernel *fake_kernel_new(const struct fake_config *cfg)
{
    struct fake_kernel *k = bt_xcalloc(1, sizeof *k);
    k->cfg = *cfg;
    k->state_file = bt_xstrdup(cfg->state_file);
    k->next_pid = FIRST_PID;
    fake_kernel_load(k);
    return k;
}

void fake_kernel_free(struct fake_kernel *k)
{
    if (!k)
        return;
    size_t pos = 0;
    for (struct fake_instance *in; (in = bt_map_next(&k->instances, &pos));)
        fake_instance_free(in);
    bt_map_fini(&k->instances);
    free(k->state_file);
    free(k);
}

int64_t fake_kernel_calls(const struct fake_kernel *k)
{
    return k->calls;
}

int64_t fake_kernel_changes(const struct fake_kernel *k)
{
    return k->changes;
}

void fake_kernel_fault(struct fake_kernel *k, int64_t call, enum fake_fault fault,
                       enum bt_code code)
{
    k->fault_call = call;
    k->fault = fault;
    k->fault_code = code;
}

void fake_kernel_fail_verb(struct fake_kernel *k, const char *verb, enum bt_code code)
{
    k->fail_verb = verb;
    k->fail_code = code;
}

void fake_kernel_blind(struct fake_kernel *k, bool on)
{
    k->blind = on;
}

void fake_kernel_host_reboot(struct fake_kernel *k)
{
    size_t pos = 0;
    for (struct fake_instance *in; (in = bt_map_next(&k->instances, &pos));) {
        in->port = false;
        if (in->running)
            fake_instance_end(k, in, "host_reboot");
    }
    fake_kernel_save(k);
}
