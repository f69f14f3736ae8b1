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

/* Every verb through the link, twice as well as once. */

static int setup(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    world_init(w, 7);
    world_run(w, 1000);
    *state = w;
    return w->live ? 0 : -1;
}

static int teardown(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

static void ok(struct world *w, int i, int action)
{
    struct world_task *t = world_do(w, i, action, 120000);
    if (!t->ok)
        print_message("# %s: %s\n", enum_action[action], t->code);
    assert_true(t->ok);
    const char *wrong = world_wrong(w);
    if (wrong)
        print_message("# %s: %s\n", enum_action[action], wrong);
    assert_null(wrong);
}

static void create(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    const struct fake_instance *f = world_fake(w, 0);
    assert_true(f->running && f->disk && f->port);
    assert_int_equal(f->starts, 1);
    assert_int_equal(f->id_base, 1000000);
    assert_int_equal(w->insts[0].state, INSTANCE_RUNNING);
    assert_int_equal(w->insts[0].memory_bytes, 128 << 20);
    assert_int_equal(w->insts[0].started_at, f->started_at);
    ok(w, 1, ACTION_CREATE);
    assert_int_equal(world_fake(w, 1)->id_base, 1000000 + 65536);
}

static void again_is_the_same(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    int64_t calls = fake_kernel_calls(w->kernel);
    /* The same task again: the journal answers, once more and the same. */
    int results = w->tasks[0].results;
    world_run(w, 5000);
    world_send_task(w, 0);
    world_run(w, 5000);
    assert_int_equal(fake_kernel_calls(w->kernel), calls);
    assert_int_equal(w->tasks[0].results, results + 1);
    assert_string_equal(w->last_code, "");
    /* Every verb twice. */
    static const int verbs[] = {
        ACTION_START,   ACTION_PAUSE,   ACTION_PAUSE,     ACTION_RESUME,    ACTION_RESUME,
        ACTION_SUSPEND, ACTION_SUSPEND, ACTION_UNSUSPEND, ACTION_UNSUSPEND, ACTION_STOP,
        ACTION_STOP,    ACTION_START,   ACTION_START,     ACTION_KILL,      ACTION_KILL,
        ACTION_START,   ACTION_RESIZE,  ACTION_SET,       ACTION_SET,       ACTION_DELETE,
        ACTION_DELETE,  ACTION_RESTORE, ACTION_RESTORE,   ACTION_PURGE,     ACTION_PURGE};
    for (size_t i = 0; i < BT_ARRAY_LEN(verbs); i++)
        ok(w, 0, verbs[i]);
    assert_null(world_fake(w, 0));
}

static void stale_generation(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    ok(w, 0, ACTION_SET);
    w->insts[0].generation = 0;
    w->insts[0].spec.generation = 0; /* a controller that was put back from a copy */
    struct world_task *t = world_do(w, 0, ACTION_STOP, 5000);
    assert_true(t->ended && !t->ok);
    assert_string_equal(t->code, "stale_generation");
    assert_true(world_fake(w, 0)->running);
}

static void power(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    ok(w, 0, ACTION_STOP);
    assert_int_equal(w->insts[0].state, INSTANCE_STOPPED);
    assert_true(world_fake(w, 0)->port); /* the port outlives the guest */
    assert_int_equal(w->insts[0].started_at, 0);
    ok(w, 0, ACTION_START);
    assert_int_equal(world_fake(w, 0)->starts, 2);
    ok(w, 0, ACTION_RESTART);
    assert_int_equal(world_fake(w, 0)->starts, 3);
    ok(w, 0, ACTION_RESET);
    assert_int_equal(world_fake(w, 0)->starts, 4);
    ok(w, 0, ACTION_KILL);
    assert_string_equal(world_fake(w, 0)->cause, "killed");
    ok(w, 0, ACTION_START);
    ok(w, 0, ACTION_PAUSE);
    assert_int_equal(w->insts[0].state, INSTANCE_PAUSED);
    assert_true(w->insts[0].paused);
    ok(w, 0, ACTION_STOP); /* a paused one can be stopped */
    assert_false(w->insts[0].paused);
}

/* A counter is one attempt, whatever came of it. */
static void restarts_are_not_made_again(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    ok(w, 0, ACTION_RESTART);
    ok(w, 0, ACTION_SET);
    assert_int_equal(world_fake(w, 0)->starts, 2);
    world_fake(w, 0)->deaf = true;
    struct world_task *t = &w->tasks[world_task_with(w, 0, ACTION_RESTART, false, 3000)];
    world_run(w, 10000);
    assert_string_equal(t->code, "guest_timeout");
    world_fake(w, 0)->deaf = false;
    ok(w, 0, ACTION_SET);
    ok(w, 0, ACTION_START);
    assert_int_equal(world_fake(w, 0)->starts, 2);
}

static void deaf_guest(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    world_fake(w, 0)->deaf = true;
    struct world_task *t = &w->tasks[world_task_with(w, 0, ACTION_STOP, false, 5000)];
    world_run(w, 4500);
    assert_false(t->ended);
    world_run(w, 3000);
    assert_true(t->ended && !t->ok);
    assert_string_equal(t->code, "guest_timeout");
    assert_string_equal(t->step, "stop");
    assert_int_equal(w->insts[0].state, INSTANCE_RUNNING);
    t = &w->tasks[world_task_with(w, 0, ACTION_STOP, true, 5000)];
    world_run(w, 8000);
    assert_true(t->ok);
    assert_string_equal(world_fake(w, 0)->cause, "killed");
}

static void kill_does_not_wait_for_a_stop(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    world_fake(w, 0)->deaf = true;
    int stop = world_task_with(w, 0, ACTION_STOP, false, 60000);
    world_run(w, 10000);
    assert_false(w->tasks[stop].ended);
    world_cancel(w, stop);
    int kill = world_task(w, 0, ACTION_KILL);
    world_run(w, 2500);
    assert_true(w->tasks[stop].cancelled);
    assert_true(w->tasks[kill].ok);
    assert_null(world_wrong(w));
}

static void cancel_before_it_came(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    int t = world_task(w, 0, ACTION_STOP);
    /* The apply is lost with the connection, the cancel overtakes it in the next session. */
    rpc_sim_cut(w->sim, "h1");
    w->tasks[t].asked_cancel = true;
    world_run(w, 100);
    assert_true(world_settle(w, 20000));
    assert_true(w->tasks[t].ended);
    world_send(w, "cancel", &link_cancel_schema, &(struct link_cancel){w->tasks[t].id});
    world_run(w, 1000);
    /* A task that nobody knows is noted as cancelled and never begins. */
    struct world_task *later = &w->tasks[w->n_tasks];
    world_send(w, "cancel", &link_cancel_schema, &(struct link_cancel){w->n_tasks + 1});
    later->id = w->n_tasks + 1; /* so that the result finds it */
    later->inst = 0;
    w->n_tasks++;
    world_run(w, 1000);
    assert_true(later->ended && later->cancelled);
    world_send_task(w, w->n_tasks - 1);
    later->apply.task_id = later->id;
    later->apply.action = ACTION_KILL;
    w->insts[0].spec.generation++;
    bt_schema_copy(&instance_spec_schema, &w->insts[0].spec, &later->apply.spec);
    world_send_task(w, w->n_tasks - 1);
    bool running = world_fake(w, 0)->running;
    world_run(w, 2000);
    assert_int_equal(world_fake(w, 0)->running, running);
}

static void rebuild(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    ok(w, 0, ACTION_REBUILD);
    assert_int_equal(world_fake(w, 0)->disks, 2);
    assert_true(world_fake(w, 0)->running);
    /* A rebuild that fails halfway leaves no disk to start from, and is finished by the next start.
     */
    fake_kernel_fail_verb(w->kernel, "disk_rebuild", BT_E_STORAGE_FULL);
    struct world_task *t = world_do(w, 0, ACTION_REBUILD, 20000);
    assert_true(t->ended && !t->ok);
    assert_string_equal(t->code, "storage_full");
    assert_int_equal(w->insts[0].state, INSTANCE_ERROR);
    world_run(w, 120000);
    assert_false(world_fake(w, 0)->running);
    fake_kernel_fail_verb(w->kernel, NULL, 0);
    ok(w, 0, ACTION_START);
    assert_int_equal(world_fake(w, 0)->disks, 3);
    /* One that fails before it begins leaves the disk alone. */
    fake_kernel_fail_verb(w->kernel, "image_ensure", BT_E_BAD_IMAGE);
    t = world_do(w, 0, ACTION_REBUILD, 20000);
    assert_true(t->ended && !t->ok);
    fake_kernel_fail_verb(w->kernel, NULL, 0);
    ok(w, 0, ACTION_START);
    assert_int_equal(world_fake(w, 0)->disks, 3);
}

static void resize(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    ok(w, 0, ACTION_RESIZE);
    assert_int_equal(world_fake(w, 0)->memory_bytes, 129 << 20);
    assert_int_equal(w->insts[0].memory_bytes, 129 << 20);
    /* A failed one leaves it running. */
    w->insts[0].spec.limits.disk_bytes.v -= 1;
    struct world_task *t = world_do(w, 0, ACTION_RESIZE, 20000);
    assert_true(t->ended && !t->ok);
    assert_string_equal(t->code, "unsupported_by_backend");
    assert_int_equal(w->insts[0].state, INSTANCE_RUNNING);
    assert_int_equal(world_fake(w, 0)->starts, 1);
}

static void trash(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    ok(w, 0, ACTION_DELETE);
    const struct fake_instance *f = world_fake(w, 0);
    assert_true(f->trash && !f->disk && !f->port && !f->running);
    assert_true(w->insts[0].trashed);
    assert_int_equal(w->insts[0].state, INSTANCE_DELETED);
    int64_t now = bt_utc_ms(bt_loop_clock(w->loop));
    assert_true(w->insts[0].purge_at > now + 7100 * 1000);
    /* Its host ids stay taken. */
    ok(w, 1, ACTION_CREATE);
    assert_int_equal(world_fake(w, 1)->id_base, 1000000 + 65536);
    ok(w, 0, ACTION_RESTORE);
    assert_true(world_fake(w, 0)->running);
    assert_int_equal(world_fake(w, 0)->disks, 1);
    ok(w, 0, ACTION_DELETE);
    world_restart(w);
    world_run(w, 7000 * 1000);
    assert_true(world_fake(w, 0)->trash);
    world_run(w, 300 * 1000);
    assert_null(world_fake(w, 0));
    assert_string_equal(w->last_event, "instance.purged");
    assert_null(world_wrong(w));
    ok(w, 2, ACTION_CREATE);
    assert_int_equal(world_fake(w, 2)->id_base, 1000000);
    /* What is not there can be deleted. */
    ok(w, 5, ACTION_DELETE);
    ok(w, 5, ACTION_PURGE);
}

static void nothing_is_deleted_without_a_tombstone(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    int t = world_task(w, 0, ACTION_SET);
    world_settle(w, 5000);
    struct link_apply *a = &w->tasks[t].apply;
    a->task_id = 0;
    a->action = ACTION_DELETE;
    a->spec.generation = ++w->insts[0].spec.generation;
    world_send(w, "apply", &link_apply_schema, a); /* delete, but desired = running */
    world_run(w, 1000);
    assert_string_equal(w->last_code, "invalid");
    a->spec.desired = DESIRED_DELETED;
    world_send(w, "apply", &link_apply_schema, a);
    world_run(w, 1000);
    assert_string_equal(w->last_code, "invalid");
    a->action = ACTION_SYNC;
    world_send(w, "apply", &link_apply_schema, a);
    world_run(w, 1000);
    assert_string_equal(w->last_code, "invalid");
    assert_true(world_fake(w, 0)->running);
    a->spec.desired = DESIRED_RUNNING;
    assert_null(world_wrong(w));
}

static void failed_create_leaves_nothing(void **state)
{
    struct world *w = *state;
    static const char *const verbs[] = {"image_ensure", "disk_ensure", "port_ensure", "start"};
    for (size_t i = 0; i < BT_ARRAY_LEN(verbs); i++) {
        fake_kernel_fail_verb(w->kernel, verbs[i], BT_E_KERNEL);
        struct world_task *t = world_do(w, 0, ACTION_CREATE, 20000);
        assert_true(t->ended && !t->ok);
        assert_string_equal(t->code, "kernel");
        assert_int_equal(w->insts[0].state, INSTANCE_DELETED);
        assert_null(world_fake(w, 0));
        assert_null(world_wrong(w));
    }
    fake_kernel_fail_verb(w->kernel, NULL, 0);
    ok(w, 0, ACTION_CREATE);
    assert_int_equal(world_fake(w, 0)->id_base, 1000000);
    /* When even the undo fails it stays in the journal, in error, and can be deleted. */
    fake_kernel_fail_verb(w->kernel, "disk_purge", BT_E_KERNEL);
    int64_t n = fake_kernel_calls(w->kernel);
    fake_kernel_fault(w->kernel, n + 4, FAKE_FAIL, BT_E_KERNEL); /* probe, image, disk, port */
    struct world_task *t = world_do(w, 1, ACTION_CREATE, 20000);
    assert_true(t->ended && !t->ok);
    assert_string_equal(t->step, "port");
    assert_true(world_fake(w, 1)->disk);
    assert_int_equal(w->insts[1].state, INSTANCE_ERROR);
    assert_null(world_wrong(w));
    fake_kernel_fail_verb(w->kernel, NULL, 0);
    ok(w, 1, ACTION_DELETE);
}

static void cancelled_create_leaves_nothing(void **state)
{
    struct world *w = *state;
    for (int64_t ms = 0; ms < 120; ms += 5) {
        int t = world_task(w, 0, ACTION_CREATE);
        world_run(w, ms);
        world_cancel(w, t);
        assert_true(world_settle(w, 20000));
        assert_true(w->tasks[t].ok || w->tasks[t].cancelled);
        assert_int_equal(world_fake(w, 0) != NULL, w->tasks[t].ok);
        assert_null(world_wrong(w));
        if (w->tasks[t].ok)
            ok(w, 0, ACTION_PURGE);
    }
}

static void what_the_journal_does_not_know(void **state)
{
    struct world *w = *state;
    struct world_task *t = world_do(w, 0, ACTION_START, 5000);
    assert_true(t->ended && !t->ok);
    assert_string_equal(t->code, "not_found");
    t = world_do(w, 0, ACTION_IMPORT_IMAGE, 5000);
    assert_string_equal(t->code, "unsupported");
    w->insts[0].spec.driver = DRIVER_KVM;
    t = world_do(w, 0, ACTION_CREATE, 5000);
    assert_string_equal(t->code, "missing_capability");
}

static void policy_of_ends(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    /* Power-off inside: stopped by the guest, over restarts of agent and host. */
    assert_int_equal(fake_guest_poweroff(w->kernel, world_uuid(0)), 0);
    world_run(w, 2000);
    assert_int_equal(w->insts[0].state, INSTANCE_STOPPED);
    assert_int_equal(w->insts[0].desired, DESIRED_STOPPED);
    assert_int_equal(w->insts[0].desired_by, DESIRED_BY_GUEST);
    world_restart(w);
    world_run(w, 120000);
    world_reboot(w);
    world_run(w, 120000);
    assert_false(world_fake(w, 0)->running);
    ok(w, 0, ACTION_SET); /* does not ask for power */
    assert_false(world_fake(w, 0)->running);
    ok(w, 0, ACTION_START);
    assert_int_equal(w->insts[0].desired_by, DESIRED_BY_USER);
    /* A crash: started again, with a growing pause. */
    int64_t starts = world_fake(w, 0)->starts;
    world_run(w, 61000);
    int64_t before = 0;
    for (int i = 0; i < 6; i++) {
        int64_t at = bt_mono_ms(bt_loop_clock(w->loop));
        assert_int_equal(fake_guest_crash(w->kernel, world_uuid(0)), 0);
        while (!world_fake(w, 0)->running)
            world_run(w, 100);
        int64_t pause = bt_mono_ms(bt_loop_clock(w->loop)) - at;
        assert_true(pause >= (INT64_C(1000) << i) && pause < (INT64_C(1000) << i) + 2000);
        assert_true(pause > before);
        before = pause;
        world_run(w, 600);
    }
    assert_int_equal(world_fake(w, 0)->starts, starts + 6);
    assert_int_equal(w->insts[0].desired, DESIRED_RUNNING);
    /* A minute of life forgives all. */
    world_run(w, 61000);
    assert_int_equal(fake_guest_crash(w->kernel, world_uuid(0)), 0);
    world_run(w, 3000);
    assert_true(world_fake(w, 0)->running);
    /* A reboot inside is seen. */
    int64_t was = w->insts[0].started_at;
    assert_int_equal(fake_guest_reboot(w->kernel, world_uuid(0)), 0);
    world_run(w, 2000);
    assert_string_equal(w->last_event, "instance.guest_reboot");
    assert_true(w->insts[0].started_at > was);
    assert_null(world_wrong(w));
}

/* A change that was sent before the controller heard of the power-off does not start the guest. */
static void change_does_not_overrule_the_guest(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    rpc_sim_partition(w->sim, "h1", true);
    assert_int_equal(fake_guest_poweroff(w->kernel, world_uuid(0)), 0);
    world_run(w, 2000);
    int t = world_task(w, 0, ACTION_RESIZE);
    assert_int_equal(w->tasks[t].apply.spec.desired, DESIRED_RUNNING);
    rpc_sim_partition(w->sim, "h1", false);
    assert_true(world_settle(w, 60000));
    assert_true(w->tasks[t].ok);
    world_run(w, 60000);
    assert_int_equal(world_fake(w, 0)->starts, 1);
    assert_false(world_fake(w, 0)->running);
    assert_int_equal(w->insts[0].desired_by, DESIRED_BY_GUEST);
}

static void ends_while_the_agent_is_dead(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++)
        ok(w, i, ACTION_CREATE);
    world_kill(w);
    assert_int_equal(fake_guest_poweroff(w->kernel, world_uuid(0)), 0);
    assert_int_equal(fake_guest_crash(w->kernel, world_uuid(1)), 0);
    assert_int_equal(fake_guest_reboot(w->kernel, world_uuid(2)), 0);
    world_restart(w);
    world_run(w, 10000);
    assert_false(world_fake(w, 0)->running);
    assert_int_equal(w->insts[0].desired_by, DESIRED_BY_GUEST);
    assert_true(world_fake(w, 1)->running);
    assert_int_equal(world_fake(w, 1)->starts, 2);
    assert_int_equal(world_fake(w, 2)->starts, 1);
    assert_int_equal(w->insts[2].started_at, world_fake(w, 2)->started_at);
    assert_null(world_wrong(w));
}

static void monitor_lost(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    assert_int_equal(fake_guest_lose_monitor(w->kernel, world_uuid(0)), 0);
    world_run(w, 2000);
    assert_int_equal(w->events_lost, 1);
    assert_true(world_fake(w, 0)->running);
    assert_int_equal(w->insts[0].state, INSTANCE_RUNNING);
    /* Its reboot is its end: the restart policy starts it again. */
    assert_int_equal(fake_guest_reboot(w->kernel, world_uuid(0)), 0);
    world_run(w, 5000);
    assert_true(world_fake(w, 0)->running && !world_fake(w, 0)->monitor_lost);
    assert_null(world_wrong(w));
}

static void blindness_changes_nothing(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    fake_kernel_blind(w->kernel, true);
    world_restart(w);
    world_run(w, 60000);
    assert_int_equal(w->insts[0].state, INSTANCE_UNKNOWN);
    assert_int_equal(w->insts[0].desired, DESIRED_RUNNING);
    assert_int_equal(world_fake(w, 0)->starts, 1);
    fake_kernel_blind(w->kernel, false);
    world_run(w, 40000);
    assert_int_equal(w->insts[0].state, INSTANCE_RUNNING);
    assert_int_equal(world_fake(w, 0)->starts, 1);
    assert_null(world_wrong(w));
}

static void hanging_probe_does_not_silence_the_agent(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    ok(w, 1, ACTION_CREATE);
    world_kill(w);
    fake_kernel_fault(w->kernel, fake_kernel_calls(w->kernel) + 1, FAKE_HANG, BT_E_FAULT);
    world_restart(w);
    world_run(w, 5000);
    assert_false(w->live);
    world_run(w, 10000);
    assert_true(w->live);
    assert_int_equal(w->inventory_items, 2);
}

static void host_reboot(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 12; i++)
        ok(w, i, ACTION_CREATE);
    ok(w, 3, ACTION_STOP);
    ok(w, 4, ACTION_SUSPEND);
    ok(w, 5, ACTION_PAUSE);
    ok(w, 6, ACTION_DELETE);
    world_reboot(w);
    int most = 0;
    int64_t order[12] = {0};
    for (int ms = 0; ms < 5000; ms++) {
        int n = 0;
        world_run(w, 1);
        for (int i = 0; i < 12; i++) {
            const struct fake_instance *f = world_fake(w, i);
            if (f->running && order[i] == 0)
                order[i] = ms + 1;
            n += f->port && !f->running && i != 3 && i != 4;
        }
        most = n > most ? n : most;
    }
    assert_in_range(most, 2, 4); /* at once, of four */
    assert_true(order[0] < order[7] && order[7] < order[11]);
    for (int i = 0; i < 12; i++)
        assert_int_equal(order[i] != 0, i != 3 && i != 4 && i != 6);
    assert_false(w->insts[5].paused);
    assert_null(world_wrong(w));
}

static void suspended_is_not_started(void **state)
{
    struct world *w = *state;
    ok(w, 0, ACTION_CREATE);
    ok(w, 0, ACTION_SUSPEND);
    assert_false(world_fake(w, 0)->running);
    assert_int_equal(w->insts[0].desired, DESIRED_RUNNING);
    ok(w, 0, ACTION_START);
    assert_false(world_fake(w, 0)->running);
    world_reboot(w);
    world_run(w, 60000);
    assert_false(world_fake(w, 0)->running);
    ok(w, 0, ACTION_UNSUSPEND);
    assert_true(world_fake(w, 0)->running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(create),
        T(again_is_the_same),
        T(stale_generation),
        T(power),
        T(restarts_are_not_made_again),
        T(deaf_guest),
        T(kill_does_not_wait_for_a_stop),
        T(cancel_before_it_came),
        T(rebuild),
        T(resize),
        T(trash),
        T(nothing_is_deleted_without_a_tombstone),
        T(failed_create_leaves_nothing),
        T(cancelled_create_leaves_nothing),
        T(what_the_journal_does_not_know),
        T(policy_of_ends),
        T(change_does_not_overrule_the_guest),
        T(ends_while_the_agent_is_dead),
        T(monitor_lost),
        T(blindness_changes_nothing),
        T(hanging_probe_does_not_silence_the_agent),
        T(host_reboot),
        T(suspended_is_not_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
