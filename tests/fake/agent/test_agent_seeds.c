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
#include "common/base/str.h"
#include "tests/fake/agent/lib_world.h"

#include <cmocka.h>

/*
 * Random lives: tasks on three instances, guests that end, crashes at random writes and calls, lost
 * connections, partitions, reboots of the host. When all is quiet the world is right. A failure is
 * its seed: `BERTH_SEED=n BERTH_SEEDS=1`.
 */
#define INSTANCES 3
#define STEPS 14

static uint64_t below(struct world *w, uint64_t n)
{
    return bt_random_below(&w->rnd.table, n);
}

static int open_task(const struct world *w, int i)
{
    for (int t = 0; t < w->n_tasks; t++) {
        if (w->tasks[t].inst == i && !w->tasks[t].ended)
            return t;
    }
    return -1;
}

static int any_verb(struct world *w)
{
    static const int verbs[] = {ACTION_START,   ACTION_STOP,    ACTION_KILL,      ACTION_RESTART,
                                ACTION_RESET,   ACTION_PAUSE,   ACTION_RESUME,    ACTION_REBUILD,
                                ACTION_RESIZE,  ACTION_SUSPEND, ACTION_UNSUSPEND, ACTION_DELETE,
                                ACTION_RESTORE, ACTION_PURGE};
    return verbs[below(w, BT_ARRAY_LEN(verbs))];
}

/* One task an instance, as the controller does it; a kill ends the one that is open. */
static void some_task(struct world *w)
{
    int i = (int)below(w, INSTANCES);
    int open = open_task(w, i);
    const struct world_inst *in = &w->insts[i];
    bool there = in->seen && !(in->state == INSTANCE_DELETED && !in->trashed);
    if (open >= 0 && below(w, 2) == 0) {
        world_cancel(w, open);
        return;
    }
    if (open >= 0)
        return;
    int verb = there ? any_verb(w) : ACTION_CREATE;
    if (in->trashed && verb != ACTION_PURGE)
        verb = ACTION_RESTORE;
    (void)world_task_with(w, i, verb, below(w, 2) == 0, 1000 + (int64_t)below(w, 5000));
}

static void some_guest(struct world *w)
{
    const char *uuid = world_uuid((int)below(w, INSTANCES));
    switch (below(w, 5)) {
    case 0:
        (void)fake_guest_poweroff(w->kernel, uuid);
        break;
    case 1:
        (void)fake_guest_reboot(w->kernel, uuid);
        break;
    case 2:
        (void)fake_guest_lose_monitor(w->kernel, uuid);
        break;
    case 3: {
        struct fake_instance *f = fake_kernel_find(w->kernel, uuid);
        if (f)
            f->deaf = !f->deaf;
        break;
    }
    default:
        (void)fake_guest_crash(w->kernel, uuid);
        break;
    }
}

static void some_fault(struct world *w)
{
    static const enum fake_fault faults[] = {FAKE_FAIL, FAKE_FAIL_AFTER, FAKE_CRASH_BEFORE,
                                             FAKE_CRASH_AFTER};
    int64_t n = 1 + (int64_t)below(w, 6);
    switch (below(w, 6)) {
    case 0:
        world_crash_at_write(w, n, CRASH_BEFORE_WRITE);
        break;
    case 1:
        world_crash_at_write(w, n, CRASH_AFTER_WRITE);
        break;
    case 2:
        fake_kernel_fault(w->kernel, fake_kernel_calls(w->kernel) + n, faults[below(w, 4)],
                          BT_E_FAULT);
        break;
    case 3:
        rpc_sim_cut(w->sim, "h1");
        break;
    case 4:
        world_restart(w);
        break;
    default:
        if (below(w, 4) == 0)
            world_reboot(w);
        break;
    }
}

static void live(struct world *w)
{
    for (int i = 0; i < STEPS; i++) {
        some_task(w);
        if (below(w, 3) == 0)
            some_guest(w);
        if (below(w, 2) == 0)
            some_fault(w);
        if (below(w, 8) == 0)
            rpc_sim_partition(w->sim, "h1", true);
        world_run(w, 1 + (int64_t)below(w, 1 << below(w, 13)));
        rpc_sim_partition(w->sim, "h1", false);
    }
}

/* So that one can see that the lives are full. */
struct sums {
    int64_t tasks, ok, cancelled, lives, reports;
};

static void count(const struct world *w, struct sums *sums)
{
    for (int t = 0; t < w->n_tasks; t++) {
        sums->tasks++;
        sums->ok += w->tasks[t].ok;
        sums->cancelled += w->tasks[t].cancelled;
    }
    sums->lives += w->lives;
    sums->reports += w->applied_seq;
}

static const char *run_seed(uint64_t seed, struct sums *sums)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    const char *wrong = NULL;
    world_init(w, seed);
    world_run(w, 500);
    live(w);
    world_crash_at_write(w, 0, CRASH_NEVER);
    fake_kernel_fault(w->kernel, 0, FAKE_FAIL, 0);
    for (int i = 0; i < INSTANCES; i++) {
        if (world_fake(w, i))
            world_fake(w, i)->deaf = false;
    }
    if (!world_settle(w, 120000))
        wrong = "it does not end";
    if (!wrong) {
        world_run(w, 70000); /* back-offs */
        wrong = world_wrong(w);
    }
    if (wrong)
        print_message("# seed %llu: %s\n", (unsigned long long)seed, wrong);
    count(w, sums);
    world_fini(w);
    free(w);
    return wrong;
}

static int64_t number(const char *name, int64_t def)
{
    const char *text = getenv(name);
    int64_t v = def;
    if (text && bt_parse_i64(text, 0, INT64_MAX, &v, NULL) < 0)
        return def;
    return v;
}

static void seeds(void **state)
{
    const char *full = getenv("BERTH_FULL");
    int64_t first = number("BERTH_SEED", 1);
    int64_t n = number("BERTH_SEEDS", full && full[0] ? 20000 : 500);
    struct sums s = {0};
    int bad = 0;
    (void)state;
    for (int64_t i = 0; i < n && bad < 10; i++)
        bad += run_seed((uint64_t)(first + i), &s) != NULL;
    print_message("# %lld tasks (%lld ok, %lld cancelled), %lld lives, %lld reports\n",
                  (long long)s.tasks, (long long)s.ok, (long long)s.cancelled, (long long)s.lives,
                  (long long)s.reports);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
