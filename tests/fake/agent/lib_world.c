/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/agent/lib_world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/log/log.h"

#define GIB (1LL << 30)
#define MIB (1LL << 20)

const char *world_uuid(int i)
{
    static char uuids[WORLD_INSTANCES][BT_UUID_LEN + 1];
    (void)snprintf(uuids[i], sizeof uuids[i], "00000000-0000-4000-8000-%012d", i);
    return uuids[i];
}

struct fake_instance *world_fake(struct world *w, int i)
{
    return fake_kernel_find(w->kernel, world_uuid(i));
}

/* ---- the agent ---- */

static void agent_facts(void *ctx, struct link_host *ret)
{
    (void)ctx;
    *ret = (struct link_host){.cpus = 4, .memory_bytes = 8 * GIB, .disk_bytes = 100 * GIB};
}

static void agent_figures(void *ctx, struct link_renew *ret)
{
    (void)ctx;
    *ret = (struct link_renew){.memory_used_bytes = GIB};
}

static void agent_birth(struct world *w)
{
    struct bt_err err = BT_ERR_INIT;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/journal.db", w->dir);
    struct journal_config jc = {
        .path = path, .loop = w->loop, .random = &w->rnd.table, .sync_off = true};
    if (journal_open(&jc, &w->db, &w->meta, &err) < 0) {
        fprintf(stderr, "journal: %s\n", err.msg);
        abort();
    }
    w->driver = fake_driver_new(w->kernel);
    struct link_config lc = {.loop = w->loop,
                             .random = &w->rnd.table,
                             .dialer = rpc_sim_dialer(w->sim, "h1"),
                             .db = w->db,
                             .meta = &w->meta,
                             .boot_id = w->boot_id,
                             .version = "test",
                             .drivers = {w->driver, NULL},
                             .ids = w->ids,
                             .host = {.facts = agent_facts, .figures = agent_figures}};
    w->link = link_new(&lc);
    struct job_config cfg = {.loop = w->loop,
                             .db = w->db,
                             .meta = &w->meta,
                             .drivers = {w->driver, NULL},
                             .boot_id = w->boot_id,
                             .ids = w->ids,
                             .brake = w->brake,
                             .events = link_job_events(w->link),
                             .fault = &w->fault};
    w->job = job_new(&cfg);
    link_set_job(w->link, w->job);
    if (job_start(w->job, &err) < 0) {
        fprintf(stderr, "job_start: %s\n", err.msg);
        abort();
    }
    w->alive = true;
    w->lives++;
}

static void agent_death(struct world *w)
{
    if (!w->alive)
        return;
    w->alive = false;
    w->driver->ops->free(w->driver);
    link_free(w->link);
    job_free(w->job);
    db_close(w->db);
}

/* Posts are done when a timer fires: nothing of the dead agent is under way then. */
static void crash_fired(struct bt_timer *t)
{
    struct world *w = BT_CONTAINER_OF(t, struct world, crash_timer);
    agent_death(w);
    if (!w->keep_dead)
        agent_birth(w);
}

static void order_crash(void *ctx)
{
    struct world *w = ctx;
    bt_timer_start(&w->crash_timer, 0);
}

static bool fault_before(void *ctx)
{
    struct world *w = ctx;
    w->writes++;
    if (w->crash != CRASH_BEFORE_WRITE || w->writes != w->crash_at)
        return false;
    w->crash = CRASH_NEVER;
    order_crash(w);
    return true;
}

static bool fault_after(void *ctx)
{
    struct world *w = ctx;
    if (w->crash != CRASH_AFTER_WRITE || w->writes < w->crash_at)
        return false;
    w->crash = CRASH_NEVER;
    order_crash(w);
    return true;
}

void world_crash_at_write(struct world *w, int64_t n, enum world_crash how)
{
    w->crash_at = w->writes + n;
    w->crash = how;
}

static void kill_by_timer(struct world *w)
{
    if (!w->alive)
        return;
    bt_timer_start(&w->crash_timer, 0);
    bt_loop_run_until(w->loop, bt_mono_ms(bt_loop_clock(w->loop)));
}

void world_kill(struct world *w)
{
    w->keep_dead = true;
    kill_by_timer(w);
}

void world_restart(struct world *w)
{
    w->keep_dead = true;
    kill_by_timer(w);
    w->keep_dead = false;
    agent_birth(w);
}

void world_reboot(struct world *w)
{
    world_kill(w);
    fake_kernel_host_reboot(w->kernel);
    (void)snprintf(w->boot_id, sizeof w->boot_id, "boot-%d", w->lives);
    world_restart(w);
}

/* ---- the controller: frames ---- */

void world_send_raw(struct world *w, const char *text)
{
    if (w->peer)
        (void)rpc_send_text(w->peer, text, strlen(text));
}

static void send_re(struct world *w, const char *op, int64_t re, const struct bt_schema *s,
                    const void *body)
{
    struct link_envelope e = {.v = LINK_VERSION,
                              .id = ++w->next_id,
                              .re = re,
                              .epoch = w->epoch,
                              .op = (char *)op,
                              .body = bt_schema_emit_str(s, body)};
    char *text = bt_schema_emit_str(&link_envelope_schema, &e);
    world_send_raw(w, text);
    free(e.body);
    free(text);
}

void world_send(struct world *w, const char *op, const struct bt_schema *s, const void *body)
{
    send_re(w, op, 0, s, body);
}

/* ---- the controller: tasks ---- */

static struct world_task *task_by_id(struct world *w, int64_t id)
{
    for (int i = 0; i < w->n_tasks; i++) {
        if (w->tasks[i].id == id)
            return &w->tasks[i];
    }
    return NULL;
}

static int inst_by_uuid(const char *uuid)
{
    for (int i = 0; i < WORLD_INSTANCES; i++) {
        if (bt_streq(world_uuid(i), uuid))
            return i;
    }
    return -1;
}

static void change_spec(struct world *w, int i, int action)
{
    struct instance_spec *s = &w->insts[i].spec;
    bool stops = action == ACTION_STOP || action == ACTION_KILL;
    bool starts = action == ACTION_CREATE || action == ACTION_START || action == ACTION_RESTART ||
                  action == ACTION_RESET || action == ACTION_RESTORE;
    bool deletes = action == ACTION_DELETE || action == ACTION_PURGE;
    s->generation++;
    if (s->generation <= w->insts[i].generation)
        s->generation = w->insts[i].generation + 1;
    if (stops)
        s->desired = DESIRED_STOPPED;
    if (starts)
        s->desired = DESIRED_RUNNING;
    s->restart_seq += action == ACTION_RESTART;
    s->reset_seq += action == ACTION_RESET;
    s->rebuild_seq += action == ACTION_REBUILD;
    if (stops || action == ACTION_RESTART || action == ACTION_RESET)
        s->paused = false;
    if (action == ACTION_PAUSE || action == ACTION_RESUME)
        s->paused = action == ACTION_PAUSE;
    if (action == ACTION_SUSPEND)
        s->suspended |= 1u << SUSPEND_BILLING;
    if (action == ACTION_UNSUSPEND)
        s->suspended = 0;
    if (action == ACTION_RESIZE)
        s->limits.memory_bytes.v += MIB;
    if (deletes) {
        s->desired = DESIRED_DELETED;
        if (!s->tombstone)
            s->tombstone = bt_xcalloc(1, sizeof *s->tombstone);
        free(s->tombstone->reason);
        s->tombstone->reason = bt_xstrdup("asked for");
        s->tombstone->purge_now = action == ACTION_PURGE;
    } else if (s->tombstone) {
        bt_schema_free(&spec_tombstone_schema, s->tombstone);
        free(s->tombstone);
        s->tombstone = NULL;
    }
}

int world_task_with(struct world *w, int i, int action, bool force, int64_t timeout_ms)
{
    assert(w->n_tasks < WORLD_TASKS);
    struct world_task *t = &w->tasks[w->n_tasks++];
    change_spec(w, i, action);
    *t = (struct world_task){.id = w->n_tasks, .action = action, .inst = i};
    t->apply.task_id = t->id;
    t->apply.action = action;
    t->apply.force = force;
    t->apply.timeout_ms = timeout_ms;
    bt_schema_copy(&instance_spec_schema, &w->insts[i].spec, &t->apply.spec);
    world_send_task(w, w->n_tasks - 1);
    return w->n_tasks - 1;
}

int world_task(struct world *w, int i, int action)
{
    return world_task_with(w, i, action, false, 0);
}

void world_send_task(struct world *w, int t)
{
    if (!w->live || w->joining)
        return;
    world_send(w, "apply", &link_apply_schema, &w->tasks[t].apply);
    if (w->tasks[t].asked_cancel)
        world_send(w, "cancel", &link_cancel_schema, &(struct link_cancel){w->tasks[t].id});
}

void world_cancel(struct world *w, int t)
{
    w->tasks[t].asked_cancel = true;
    if (w->live)
        world_send(w, "cancel", &link_cancel_schema, &(struct link_cancel){w->tasks[t].id});
}

struct world_task *world_do(struct world *w, int i, int action, int64_t ms)
{
    int t = world_task(w, i, action);
    for (int64_t left = ms; left > 0 && !w->tasks[t].ended; left -= 100)
        world_run(w, 100);
    return &w->tasks[t];
}

/* ---- the controller: what comes ---- */

static void apply_item(struct world *w, const struct link_item *item)
{
    int i = inst_by_uuid(item->uuid);
    assert(i >= 0);
    struct world_inst *in = &w->insts[i];
    in->seen = true;
    in->state = item->state;
    in->desired = item->desired;
    in->desired_by = item->desired_by;
    in->paused = item->paused;
    in->trashed = item->trashed;
    in->generation = item->generation;
    in->done_generation = item->done_generation;
    in->started_at = item->started_at;
    in->purge_at = item->purge_at;
    if (item->effective)
        in->memory_bytes = item->effective->memory_bytes.v;
    /* The user of the controller takes over what the guest decided. */
    if (item->desired_by == DESIRED_BY_GUEST && in->spec.desired == DESIRED_RUNNING &&
        item->generation >= in->spec.generation)
        in->spec.desired = DESIRED_STOPPED;
}

static void apply_result(struct world *w, const struct link_result *r)
{
    struct world_task *t = task_by_id(w, r->task_id);
    assert(t);
    t->results++;
    if (t->ended) {
        /* Told again: it must be the same. */
        if (t->results > 1 && (t->ok != r->ok || t->cancelled != r->cancelled)) {
            w->wrong = "a task was told to end in two ways";
            printf("# task %lld %s: first ok %d cancelled %d %s, now ok %d cancelled %d %s\n",
                   (long long)t->id, enum_action[t->action], t->ok, t->cancelled, t->code, r->ok,
                   r->cancelled, r->code ? r->code : "");
        }
        return;
    }
    t->ended = true;
    t->ok = r->ok;
    t->cancelled = r->cancelled;
    (void)bt_strcpy(t->code, sizeof t->code, r->code ? r->code : "");
    (void)bt_strcpy(t->step, sizeof t->step, r->step ? r->step : "");
}

static void apply_event(struct world *w, const char *event)
{
    (void)bt_strcpy(w->last_event, sizeof w->last_event, event);
    w->events_held += bt_streq(event, "host.brake_held");
    w->events_lost += bt_streq(event, "instance.monitor_lost");
}

static void on_report(struct world *w, const struct link_envelope *e, const void *body)
{
    const struct link_report *r = body;
    (void)e;
    if (r->seq <= w->applied_seq)
        return;
    /* Nothing is skipped, nothing overtakes; who was wiped takes what comes. */
    assert(r->seq == w->applied_seq + 1 || w->applied_seq == 0);
    w->applied_seq = r->seq;
    if (r->item)
        apply_item(w, r->item);
    if (r->result)
        apply_result(w, r->result);
    if (r->event)
        apply_event(w, r->event);
    if (!bt_timer_running(&w->ack_timer) && !w->silent)
        bt_timer_start(&w->ack_timer, (int64_t)bt_random_below(&w->rnd.table, 50));
}

static void ack_fired(struct bt_timer *t)
{
    struct world *w = BT_CONTAINER_OF(t, struct world, ack_timer);
    if (w->live)
        world_send(w, "ack", &link_ack_schema, &(struct link_ack){w->applied_seq});
}

static void on_hello(struct world *w, const struct link_envelope *e, const void *body)
{
    const struct link_hello *h = body;
    (void)e;
    bt_schema_free(&link_hello_schema, &w->hello);
    bt_schema_copy(&link_hello_schema, h, &w->hello);
    if (!bt_streq(w->journal_id, h->journal_id)) {
        (void)bt_strcpy(w->journal_id, sizeof w->journal_id, h->journal_id);
        w->applied_seq = 0;
    }
    w->hellos++;
    w->inventory_items = 0;
    w->inventory_done = false;
}

static void welcome(struct world *w)
{
    struct link_welcome m = {.controller_id = w->controller_id,
                             .host_name = (char[]){"h1"},
                             .epoch = ++w->epoch,
                             .protocol = 1,
                             .joining = w->joining,
                             .applied_seq = w->applied_seq,
                             .lease_ms = LINK_LEASE_MS};
    world_send(w, "welcome", &link_welcome_schema, &m);
    w->live = true;
    for (int i = 0; i < w->n_tasks; i++) {
        if (!w->tasks[i].ended)
            world_send_task(w, i);
    }
}

static void on_inventory(struct world *w, const struct link_envelope *e, const void *body)
{
    const struct link_inventory *inv = body;
    const struct link_item *items = inv->items.items;
    (void)e;
    for (size_t i = 0; i < inv->items.len; i++)
        assert(items[i].spec && inst_by_uuid(items[i].uuid) >= 0);
    w->inventory_items += (int)inv->items.len;
    if (!inv->done)
        return;
    w->inventory_done = true;
    welcome(w);
}

static void on_accepted(struct world *w, const struct link_envelope *e, const void *body)
{
    const struct link_accepted *a = body;
    (void)e;
    (void)bt_strcpy(w->last_op, sizeof w->last_op, "accepted");
    (void)bt_strcpy(w->last_code, sizeof w->last_code, a->code ? a->code : "");
    struct world_task *t = task_by_id(w, a->task_id);
    if (!a->code || !t || t->ended)
        return;
    t->ended = true;
    t->cancelled = bt_streq(a->code, "cancelled");
    (void)bt_strcpy(t->code, sizeof t->code, a->code);
}

static void on_progress(struct world *w, const struct link_envelope *e, const void *body)
{
    const struct link_progress *p = body;
    (void)e;
    struct world_task *t = task_by_id(w, p->task_id);
    assert(t);
    (void)bt_strcpy(t->waiting_for, sizeof t->waiting_for, p->waiting_for ? p->waiting_for : "");
}

static void on_error(struct world *w, const struct link_envelope *e, const void *body)
{
    (void)bt_strcpy(w->last_op, sizeof w->last_op, e->op);
    (void)bt_strcpy(w->last_code, sizeof w->last_code, ((const struct link_error *)body)->code);
}

static void on_answer(struct world *w, const struct link_envelope *e, const void *body)
{
    (void)bt_strcpy(w->last_op, sizeof w->last_op, e->op);
    w->last_code[0] = '\0';
    if (bt_streq(e->op, "doctor"))
        w->findings = (int)((const struct link_doctor *)body)->findings.len;
}

static void on_renew(struct world *w, const struct link_envelope *e, const void *body)
{
    (void)w;
    (void)e;
    assert(((const struct link_renew *)body)->clock_ms > 0);
}

static void on_stream_ctl(struct world *w, const struct link_envelope *e, const void *body)
{
    const struct link_stream_ctl *c = body;
    (void)e;
    if (bt_streq(c->what, "opened")) {
        w->stream_opened = true;
    } else if (!bt_streq(c->what, "credit")) {
        (void)bt_strcpy(w->stream_end, sizeof w->stream_end, c->what);
        w->stream_status = c->status;
        w->stream_end_at = c->credit;
        (void)bt_strcpy(w->last_code, sizeof w->last_code, c->code ? c->code : "");
    }
}

static const struct {
    const char *op;
    const struct bt_schema *schema;
    void (*fn)(struct world *w, const struct link_envelope *e, const void *body);
} ops[] = {
    {"hello", &link_hello_schema, on_hello},
    {"inventory", &link_inventory_schema, on_inventory},
    {"accepted", &link_accepted_schema, on_accepted},
    {"progress", &link_progress_schema, on_progress},
    {"report", &link_report_schema, on_report},
    {"renew", &link_renew_schema, on_renew},
    {"error", &link_error_schema, on_error},
    {"doctor", &link_doctor_schema, on_answer},
    {"confirm", &link_confirm_schema, on_answer},
    {"stream_ctl", &link_stream_ctl_schema, on_stream_ctl},
};

static void peer_text(struct rpc_peer *p, const char *json, size_t len)
{
    struct world *w = p->owner;
    struct link_envelope e;
    if (p != w->peer)
        return;
    assert(bt_schema_parse(&link_envelope_schema, json, len, BT_STRICT, &e, NULL, NULL) == 0);
    for (size_t i = 0; i < BT_ARRAY_LEN(ops); i++) {
        if (!bt_streq(ops[i].op, e.op))
            continue;
        void *body = bt_xcalloc(1, ops[i].schema->size);
        struct bt_err err = BT_ERR_INIT;
        if (bt_schema_parse(ops[i].schema, e.body, strlen(e.body), BT_STRICT, body, NULL, &err) <
            0) {
            fprintf(stderr, "%s: %s: %s\n", e.op, err.msg, e.body);
            abort();
        }
        ops[i].fn(w, &e, body);
        bt_schema_free(ops[i].schema, body);
        free(body);
        bt_schema_free(&link_envelope_schema, &e);
        return;
    }
    fprintf(stderr, "unexpected operation %s\n", e.op);
    abort();
}

static void peer_binary(struct rpc_peer *p, uint32_t stream, const void *data, size_t len)
{
    struct world *w = p->owner;
    if (p != w->peer)
        return;
    assert(len >= 1 && len <= 16384 && *(const char *)data == 1);
    w->stream_got += (int64_t)len - 1;
    (void)bt_buf_add(&w->stream_out, (const char *)data + 1, len - 1);
    if (w->stream_greedy)
        return;
    struct link_stream_ctl c = {
        .stream = stream, .what = (char[]){"credit"}, .credit = (int64_t)len - 1};
    world_send(w, "stream_ctl", &link_stream_ctl_schema, &c);
}

static void peer_closed(struct rpc_peer *p, const struct bt_err *why)
{
    struct world *w = p->owner;
    (void)why;
    if (w->peer == p) {
        w->peer = NULL;
        w->live = false;
    }
    free(p);
}

static struct rpc_peer *accept_agent(void *ctx, const char *name)
{
    struct world *w = ctx;
    (void)name;
    struct rpc_peer *p = bt_xcalloc(1, sizeof *p);
    *p = (struct rpc_peer){
        .text = peer_text, .binary = peer_binary, .closed = peer_closed, .owner = w};
    w->peer = p; /* the newest session wins */
    w->live = false;
    return p;
}

/* ---- the world ---- */

static void spec_init(struct world *w, int i)
{
    struct instance_spec *s = &w->insts[i].spec;
    char name[32];
    char mac[18];
    (void)snprintf(name, sizeof name, "vps-%d", i);
    (void)snprintf(mac, sizeof mac, "52:54:00:00:00:%02x", i);
    *s = (struct instance_spec){.id = i + 1,
                                .uuid = bt_xstrdup(world_uuid(i)),
                                .name = bt_xstrdup(name),
                                .hostname = bt_xstrdup(name),
                                .desired = DESIRED_RUNNING,
                                .password_hash = bt_xstrdup("$y$secret")};
    s->image.name = bt_xstrdup("tiny");
    s->image.sha256 =
        bt_xstrdup("0000000000000000000000000000000000000000000000000000000000000000");
    s->limits.memory_bytes = BT_OPT_V(128 * MIB);
    s->limits.disk_bytes = BT_OPT_V(GIB);
    struct spec_nic *nic = bt_arr_push(&s->nics, sizeof *nic);
    *nic = (struct spec_nic){.mac = bt_xstrdup(mac)};
}

void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.ids = {1000000, 65536 * 1000}, .stream_out = BT_BUF(1u << 24)};
    bt_log_level_set(getenv("WORLD_LOG") ? BT_DEBUG : (enum bt_level)(BT_ERROR + 1));
    w->loop = bt_loop_new_virtual(1700000000000);
    bt_random_seeded_init(&w->rnd, seed);
    w->sim = rpc_sim_new(&(struct rpc_sim_config){
        .loop = w->loop, .random = &w->rnd.table, .latency_min_ms = 1, .latency_max_ms = 5});
    w->kernel = fake_kernel_new(&(struct fake_config){.loop = w->loop,
                                                      .random = &w->rnd.table,
                                                      .latency_min_ms = 1,
                                                      .latency_max_ms = 30,
                                                      .crash = order_crash,
                                                      .ctx = w});
    w->brake = (struct job_brake){
        .deletes = 1000, .purges = 1000, .window_ms = 600000, .trash_ms = 7200 * 1000};
    w->fault = (struct job_fault){.before = fault_before, .after = fault_after, .ctx = w};
    bt_timer_init(&w->crash_timer, w->loop, crash_fired);
    bt_timer_init(&w->ack_timer, w->loop, ack_fired);
    bt_uuid_new(&w->rnd.table, w->controller_id);
    (void)snprintf(w->boot_id, sizeof w->boot_id, "boot-0");
    (void)snprintf(w->dir, sizeof w->dir, "%s/berth-world-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert(mkdtemp(w->dir));
    for (int i = 0; i < WORLD_INSTANCES; i++)
        spec_init(w, i);
    rpc_sim_listen(w->sim, accept_agent, w);
    agent_birth(w);
}

static void remove_files(struct world *w)
{
    static const char *const names[] = {"journal.db",      "journal.db-wal",      "journal.db-shm",
                                        "journal.db.lock", "journal.db.previous", "journal.db.new"};
    char path[128];
    for (size_t i = 0; i < BT_ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(w->dir);
}

void world_fini(struct world *w)
{
    w->keep_dead = true;
    kill_by_timer(w);
    world_run(w, 1000);
    if (w->peer)
        rpc_close(w->peer);
    world_run(w, 1000);
    bt_timer_stop(&w->ack_timer);
    for (int i = 0; i < WORLD_INSTANCES; i++)
        bt_schema_free(&instance_spec_schema, &w->insts[i].spec);
    for (int i = 0; i < w->n_tasks; i++)
        bt_schema_free(&link_apply_schema, &w->tasks[i].apply);
    bt_schema_free(&link_hello_schema, &w->hello);
    bt_buf_fini(&w->stream_out);
    fake_kernel_free(w->kernel);
    rpc_sim_free(w->sim);
    bt_loop_free(w->loop);
    remove_files(w);
}

void world_run(struct world *w, int64_t ms)
{
    bt_loop_run_until(w->loop, bt_mono_ms(bt_loop_clock(w->loop)) + ms);
}

bool world_settle(struct world *w, int64_t ms)
{
    for (int64_t left = ms; left > 0; left -= 100) {
        bool open = false;
        world_run(w, 100);
        for (int i = 0; i < w->n_tasks; i++)
            open = open || !w->tasks[i].ended;
        if (!open && w->live)
            return true;
    }
    return false;
}

/* ---- invariants ---- */

/* A purge that failed at its end: it has told so, and nothing is left to start from. */
static bool purged_badly(const struct world *w, int i)
{
    bool bad = false;
    for (int t = 0; t < w->n_tasks; t++)
        bad = bad || (w->tasks[t].inst == i && w->tasks[t].action == ACTION_PURGE &&
                      !w->tasks[t].ok && !w->tasks[t].cancelled);
    return bad;
}

static const char *wrong_row(struct world *w, int i)
{
    const struct fake_instance *f = world_fake(w, i);
    const struct world_inst *in = &w->insts[i];
    struct job_view v;
    if (!job_view(w->job, world_uuid(i), &v)) {
        if (f)
            return "something is left that the journal does not know";
        if (in->seen && in->state != INSTANCE_DELETED)
            return "it is gone, and the controller was not told";
        return NULL;
    }
    bool lost = !(f && (f->disk || f->trash)) && purged_badly(w, i);
    if (v.busy && !lost)
        return "a run does not end";
    if (v.state != in->state || v.row->desired != in->desired || v.row->paused != in->paused ||
        v.row->generation != in->generation || v.row->started_at != in->started_at ||
        (v.row->trashed_at != 0) != in->trashed)
        return "the controller has another picture than the journal";
    bool running = f && f->running;
    if (running != (v.state == INSTANCE_RUNNING || v.state == INSTANCE_PAUSED))
        return "the journal has another picture than the kernel";
    if (running && f->frozen != (v.state == INSTANCE_PAUSED))
        return "frozen in one place only";
    bool ended_well = in->done_generation == in->generation;
    if (v.row->trashed_at && f && ended_well && (f->port || f->running || f->disk))
        return "not wholly in the trash";
    if (!v.row->trashed_at && f && f->trash && ended_well && v.row->desired == DESIRED_RUNNING)
        return "in the trash, and the journal does not know";
    if (f && f->disk && f->id_base != v.row->id_base)
        return "its disk has other host ids";
    if (v.row->desired == DESIRED_RUNNING && !v.spec->suspended && !running &&
        v.state != INSTANCE_ERROR && !v.row->trashed_at && !lost)
        return "it should run";
    if (v.row->desired == DESIRED_STOPPED && running && ended_well)
        return "it should not run";
    return NULL;
}

const char *world_wrong(struct world *w)
{
    struct job_view a;
    struct job_view b;
    if (w->wrong)
        return w->wrong;
    for (int i = 0; i < w->n_tasks; i++) {
        if (!w->tasks[i].ended)
            return "a task is open";
        if (w->tasks[i].results > 2)
            return "a result was told again and again";
    }
    for (int i = 0; i < WORLD_INSTANCES; i++) {
        const char *wrong = wrong_row(w, i);
        if (wrong) {
            const struct fake_instance *f = world_fake(w, i);
            if (job_view(w->job, world_uuid(i), &a))
                printf("# vps-%d: journal %s desired %s by %d, generation %lld done %lld\n", i,
                       enum_instance_state[a.row->state], enum_desired[a.row->desired],
                       a.row->desired_by, (long long)a.row->generation,
                       (long long)a.row->done_generation);
            if (f)
                printf("# vps-%d: kernel running %d frozen %d disk %d trash %d port %d cause %s\n",
                       i, f->running, f->frozen, f->disk, f->trash, f->port,
                       f->cause ? f->cause : "");
            printf("# vps-%d: controller %s desired %s\n", i,
                   enum_instance_state[w->insts[i].state], enum_desired[w->insts[i].desired]);
            return wrong;
        }
        for (int k = 0; k < i; k++) {
            if (job_view(w->job, world_uuid(i), &a) && job_view(w->job, world_uuid(k), &b) &&
                a.row->id_base && a.row->id_base == b.row->id_base)
                return "two have the same host ids";
        }
    }
    return NULL;
}
