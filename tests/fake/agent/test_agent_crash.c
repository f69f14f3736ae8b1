/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: agent_link agent_driver_fake common_rpc common_log */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/fake/agent/lib_world.h"

#include <cmocka.h>

/*
 * The agent dies at every write to its journal and at every call of its driver, before and after it
 * took effect; each call fails, takes effect and fails, or hangs. Whatever happens, the world is
 * right once it is quiet.
 */
enum how {
    DIE_BEFORE_WRITE,
    DIE_AFTER_WRITE,
    DIE_BEFORE_CALL,
    DIE_AFTER_CALL,
    CALL_FAILS,
    CALL_FAILS_AFTER,
    CALL_HANGS,
    HOW__COUNT
};

static const char *const how_names[] = {"die before write", "die after write", "die before call",
                                        "die after call",   "call fails",      "call fails after",
                                        "call hangs"};

struct scenario {
    const char *name;
    int before[4]; /* actions that lead there, -1 = end */
    int action;
    /* The end when nothing fails for good, beyond world_wrong. */
    bool (*right)(struct world *w, const struct world_task *t);
};

/* ---- what must be ---- */

static bool is_running_once(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    if (!t->ok)
        return f == NULL; /* a failed create has left nothing */
    return f && f->running && f->disks == 1 && f->starts == 1 && f->port;
}

static bool is_running(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return !t->ok || (f && f->running && f->disks == 1 && f->starts == 2);
}

static bool is_stopped(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return !t->ok || (f && !f->running && f->disk && f->port && f->starts == 1);
}

/* Never twice: the guest has been started exactly once more. */
static bool is_restarted_once(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return f && f->running && (t->ok ? f->starts == 2 : f->starts <= 2);
}

static bool is_paused(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return !t->ok || (f && f->running && f->frozen && f->starts == 1);
}

static bool is_resumed(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return !t->ok || (f && f->running && !f->frozen && f->starts == 1);
}

static bool is_rebuilt_once(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return f && f->disk && f->disks <= 2 && (!t->ok || (f->running && f->disks == 2));
}

static bool is_resized(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return f && f->running && f->starts == 1 && (!t->ok || f->memory_bytes == 129 << 20);
}

static bool is_in_the_trash(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return !t->ok || (f && f->trash && !f->disk && !f->port && !f->running);
}

static bool is_gone(struct world *w, const struct world_task *t)
{
    return !t->ok || world_fake(w, 0) == NULL;
}

static bool is_back(struct world *w, const struct world_task *t)
{
    const struct fake_instance *f = world_fake(w, 0);
    return f && f->disks == 1 && (!t->ok || (f->disk && f->running));
}

static const struct scenario scenarios[] = {
    {"create", {-1}, ACTION_CREATE, is_running_once},
    {"start", {ACTION_CREATE, ACTION_STOP, -1}, ACTION_START, is_running},
    {"stop", {ACTION_CREATE, -1}, ACTION_STOP, is_stopped},
    {"kill", {ACTION_CREATE, -1}, ACTION_KILL, is_stopped},
    {"restart", {ACTION_CREATE, -1}, ACTION_RESTART, is_restarted_once},
    {"reset", {ACTION_CREATE, -1}, ACTION_RESET, is_restarted_once},
    {"pause", {ACTION_CREATE, -1}, ACTION_PAUSE, is_paused},
    {"resume", {ACTION_CREATE, ACTION_PAUSE, -1}, ACTION_RESUME, is_resumed},
    {"rebuild", {ACTION_CREATE, -1}, ACTION_REBUILD, is_rebuilt_once},
    {"resize", {ACTION_CREATE, -1}, ACTION_RESIZE, is_resized},
    {"suspend", {ACTION_CREATE, -1}, ACTION_SUSPEND, is_stopped},
    {"unsuspend", {ACTION_CREATE, ACTION_SUSPEND, -1}, ACTION_UNSUSPEND, is_running},
    {"delete", {ACTION_CREATE, -1}, ACTION_DELETE, is_in_the_trash},
    {"restore", {ACTION_CREATE, ACTION_DELETE, -1}, ACTION_RESTORE, is_back},
    {"purge", {ACTION_CREATE, -1}, ACTION_PURGE, is_gone},
    {"purge of a trashed one", {ACTION_CREATE, ACTION_DELETE, -1}, ACTION_PURGE, is_gone},
};

/* ---- one run ---- */

static void arm(struct world *w, enum how how, int64_t n)
{
    int64_t call = fake_kernel_calls(w->kernel) + n;
    switch (how) {
    case DIE_BEFORE_WRITE:
        world_crash_at_write(w, n, CRASH_BEFORE_WRITE);
        return;
    case DIE_AFTER_WRITE:
        world_crash_at_write(w, n, CRASH_AFTER_WRITE);
        return;
    case DIE_BEFORE_CALL:
        fake_kernel_fault(w->kernel, call, FAKE_CRASH_BEFORE, BT_E_FAULT);
        return;
    case DIE_AFTER_CALL:
        fake_kernel_fault(w->kernel, call, FAKE_CRASH_AFTER, BT_E_FAULT);
        return;
    case CALL_FAILS:
        fake_kernel_fault(w->kernel, call, FAKE_FAIL, BT_E_FAULT);
        return;
    case CALL_FAILS_AFTER:
        fake_kernel_fault(w->kernel, call, FAKE_FAIL_AFTER, BT_E_FAULT);
        return;
    case CALL_HANGS:
        fake_kernel_fault(w->kernel, call, FAKE_HANG, BT_E_FAULT);
        return;
    case HOW__COUNT:
        return;
    }
}

struct figures {
    int64_t writes, calls;
};

/* Returns what is wrong, NULL when nothing is. */
static const char *play(struct world *w, const struct scenario *s, enum how how, int64_t n,
                        struct figures *ret)
{
    for (int i = 0; s->before[i] >= 0; i++) {
        if (!world_do(w, 0, s->before[i], 60000)->ok)
            return "the way there";
    }
    world_run(w, 2000);
    int64_t writes = w->writes; /* so far */
    int64_t calls = fake_kernel_calls(w->kernel);
    if (how != HOW__COUNT)
        arm(w, how, n);
    int t = world_task(w, 0, s->action);
    if (how == CALL_HANGS) {
        world_run(w, 20000);
        world_restart(w); /* nothing else ends a hanging call */
    }
    if (!world_settle(w, 120000))
        return "it does not end";
    fake_kernel_fault(w->kernel, 0, FAKE_FAIL, 0);
    world_crash_at_write(w, 0, CRASH_NEVER);
    if (ret)
        *ret = (struct figures){w->writes - writes, fake_kernel_calls(w->kernel) - calls};
    world_run(w, 130000); /* back-offs */
    bool may_fail = how == CALL_FAILS || how == CALL_FAILS_AFTER;
    if (!w->tasks[t].ok && !may_fail)
        return w->tasks[t].code;
    if (!s->right(w, &w->tasks[t]))
        return "not what the verb says";
    const char *wrong = world_wrong(w);
    if (wrong)
        return wrong;
    if (w->tasks[t].results == 0)
        return NULL; /* refused: the journal does not know it */
    /* The same task again is answered the same, without effect. */
    calls = fake_kernel_changes(w->kernel);
    world_send_task(w, t);
    world_run(w, 3000);
    return fake_kernel_changes(w->kernel) == calls ? NULL : "a task was done twice";
}

static const char *run_one(const struct scenario *s, enum how how, int64_t n, struct figures *ret)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    world_init(w, (uint64_t)n * 31 + how);
    world_run(w, 1000);
    const char *wrong = play(w, s, how, n, ret);
    if (wrong)
        print_message("# %s, %s %lld: %s\n", s->name, how_names[how % HOW__COUNT], (long long)n,
                      wrong);
    world_fini(w);
    free(w);
    return wrong;
}

static void dies_everywhere(void **state)
{
    int bad = 0;
    int runs = 0;
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(scenarios); i++) {
        const struct scenario *s = &scenarios[i];
        struct figures f = {0};
        assert_null(run_one(s, HOW__COUNT, 0, &f));
        assert_true(f.writes >= 2);
        for (int how = 0; how < HOW__COUNT; how++) {
            bool write = how == DIE_BEFORE_WRITE || how == DIE_AFTER_WRITE;
            for (int64_t n = 1; n <= (write ? f.writes : f.calls); n++, runs++)
                bad += run_one(s, (enum how)how, n, NULL) != NULL;
        }
    }
    print_message("# %d runs\n", runs);
    assert_int_equal(bad, 0);
}

/* ---- a create that fails, and an agent that dies while it takes it back ---- */

#define CALLS_BEFORE_UNDO 5  /* probe, image, disk, port, start */
#define WRITES_BEFORE_UNDO 2 /* intent, "undoing" */

static void kill_failed_create(enum how how, int64_t n)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    world_init(w, (uint64_t)n);
    world_run(w, 1000);
    fake_kernel_fail_verb(w->kernel, "start", BT_E_KERNEL);
    bool write = how == DIE_BEFORE_WRITE || how == DIE_AFTER_WRITE;
    bool noted = write
                     ? n > WRITES_BEFORE_UNDO || (how == DIE_AFTER_WRITE && n == WRITES_BEFORE_UNDO)
                     : n > CALLS_BEFORE_UNDO;
    arm(w, how, n);
    int t = world_task(w, 0, ACTION_CREATE);
    while (w->lives == 1 && !w->tasks[t].ended)
        world_run(w, 1);
    fake_kernel_fail_verb(w->kernel, NULL, 0); /* now it could succeed */
    assert_true(world_settle(w, 60000));
    world_run(w, 3000);
    assert_null(world_wrong(w));
    if (noted) {
        assert_false(w->tasks[t].ok);
        assert_string_equal(w->tasks[t].code, "kernel");
        assert_string_equal(w->tasks[t].step, "start");
        assert_null(world_fake(w, 0));
    }
    world_fini(w);
    free(w);
}

static void undo_is_finished(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 3; n++) {
        kill_failed_create(DIE_BEFORE_WRITE, n);
        kill_failed_create(DIE_AFTER_WRITE, n);
    }
    for (int64_t n = 1; n <= 8; n++) {
        kill_failed_create(DIE_BEFORE_CALL, n);
        kill_failed_create(DIE_AFTER_CALL, n);
    }
}

/* What has begun to destroy cannot be called off: "cancelled" would be a lie. */
static void purge_is_finished(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    (void)state;
    world_init(w, 5);
    world_run(w, 1000);
    for (int i = 0; i < 8; i++) {
        assert_true(world_do(w, i, ACTION_CREATE, 20000)->ok);
        world_run(w, 1000);
        arm(w, DIE_AFTER_CALL, 4); /* kill, port_remove, disk_trash, disk_purge */
        int t = world_task(w, i, ACTION_PURGE);
        int lives = w->lives;
        while (w->lives == lives)
            world_run(w, 1);
        assert_null(world_fake(w, i));
        w->tasks[t].asked_cancel = true; /* comes with the next session */
        assert_true(world_settle(w, 20000));
        assert_true(w->tasks[t].ok);
        assert_null(world_wrong(w));
    }
    world_fini(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dies_everywhere),
                                       cmocka_unit_test(undo_is_finished),
                                       cmocka_unit_test(purge_is_finished)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
