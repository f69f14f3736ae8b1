/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/agent/driver/container/lib_driver.h"

/* Run a verb to its end with the plain spec. */
static enum bt_code run(struct lib_driver *l, void (*verb)(struct driver *, struct driver_req *),
                        struct lib_end *e)
{
    struct instance_spec spec;
    lib_driver_spec(lib_driver_plain, &spec);
    lib_driver_begin(l, verb, &spec, e);
    lib_driver_pass(l, 1);
    assert_true(e->over);
    bt_schema_free(&instance_spec_schema, &spec);
    e->req.spec = NULL;
    return e->code;
}

static void answer(struct lib_driver *l, enum helper_container_op op, const char *reply)
{
    l->answers[op] = (struct lib_answer){.reply = reply};
}

/* ---- start ---- */

static void a_first_start_runs_at_once(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    assert_int_equal(run(l, container_start, &e), BT_E_OK);
    assert_string_equal(l->verbs, "run");
    assert_true(l->detached);
    assert_int_equal(e.req.observed.state, INSTANCE_RUNNING);
    assert_int_equal(e.req.observed.pid, 200);
    assert_int_equal(e.req.observed.started_at, 1700000000123);
    assert_int_equal(e.req.effective.pids.v, 2048);
}

static void what_runs_already_is_not_started_twice(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    lib_driver_has_run(l);
    assert_int_equal(run(l, container_start, &e), BT_E_OK);
    assert_string_equal(l->verbs, "stat");
    assert_int_equal(e.req.observed.state, INSTANCE_RUNNING);
}

static void what_ended_is_started(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    lib_driver_has_run(l);
    answer(l, HELPER_CONTAINER_STAT, STOPPED);
    assert_int_equal(run(l, container_start, &e), BT_E_OK);
    assert_string_equal(l->verbs, "stat run");
}

static void a_start_that_fails_says_why(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    answer(l, HELPER_CONTAINER_RUN,
           "{\"err\":{\"code\":\"kernel\",\"message\":\"mount: EINVAL\",\"step\":\"mount\","
           "\"hint\":\"look\"}}");
    assert_int_equal(run(l, container_start, &e), BT_E_KERNEL);
    assert_string_equal(e.err.msg, "mount: mount: EINVAL");
    assert_string_equal(e.err.hint, "look");
    l->answers[HELPER_CONTAINER_RUN] = (struct lib_answer){.signum = SIGSEGV};
    assert_int_equal(run(l, container_start, &e), BT_E_HELPER);
    answer(l, HELPER_CONTAINER_RUN, "nonsense");
    assert_int_equal(run(l, container_start, &e), BT_E_BAD_REQUEST);
    answer(l, HELPER_CONTAINER_RUN, "{\"ok\":{\"pid\":\"x\"}}");
    assert_int_equal(run(l, container_start, &e), BT_E_INVALID);
    sys_record_fail_on(l->sys, "helper start", EAGAIN);
    assert_int_equal(run(l, container_start, &e), BT_E_HELPER);
    sys_record_fail_on(l->sys, "helper send", EPIPE);
    assert_int_equal(run(l, container_start, &e), BT_E_HELPER);
}

/* ---- probe ---- */

static void never_run_is_stopped(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    assert_int_equal(run(l, container_probe, &e), BT_E_OK);
    assert_int_equal(e.req.observed.state, INSTANCE_STOPPED);
    assert_string_equal(l->verbs, "");
    assert_false(e.req.observed.disk || e.req.observed.port);
    assert_int_equal(run(l, container_disk_ensure, &e), BT_E_OK);
    assert_int_equal(run(l, container_probe, &e), BT_E_OK);
    assert_true(e.req.observed.disk);
}

static void a_probe_says_what_the_helper_says(void **state)
{
    static const struct {
        const char *reply;
        int state;
        const char *cause;
        bool lost;
    } rows[] = {
        {RUNNING, INSTANCE_RUNNING, "", false},
        {LOST, INSTANCE_RUNNING, "", true},
        {STOPPED, INSTANCE_STOPPED, "poweroff", false},
        {"{\"ok\":{\"state\":\"paused\",\"pid\":200,\"pid_start\":20}}", INSTANCE_PAUSED, "",
         false},
        {"{\"ok\":{\"state\":\"changing\"}}", INSTANCE_UNKNOWN, "", false},
        {"{\"err\":{\"code\":\"timeout\",\"message\":\"x\"}}", INSTANCE_UNKNOWN, "", false},
        {"{\"ok\":{\"state\":\"other\"}}", INSTANCE_UNKNOWN, "", false},
        {NULL, INSTANCE_UNKNOWN, "", false},
    };
    struct lib_driver *l = *state;
    lib_driver_has_run(l);
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        struct lib_end e = {0};
        answer(l, HELPER_CONTAINER_STAT, rows[i].reply);
        assert_int_equal(run(l, container_probe, &e), BT_E_OK);
        assert_int_equal(e.req.observed.state, rows[i].state);
        assert_string_equal(e.req.observed.cause, rows[i].cause);
        assert_int_equal(e.req.observed.monitor_lost, rows[i].lost);
    }
}

/* What cannot be looked at is unknown, never stopped. */
static void an_unreadable_run_directory_is_not_stopped(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    lib_driver_has_run(l);
    answer(l, HELPER_CONTAINER_STAT, "{\"err\":{\"code\":\"io\",\"message\":\"x\"}}");
    sys_record_fail_on(l->sys, "fs stat " RUN_DIR, EIO);
    assert_int_equal(run(l, container_probe, &e), BT_E_OK);
    assert_int_equal(e.req.observed.state, INSTANCE_UNKNOWN);
    assert_int_equal(run(l, container_stop, &e), BT_E_OK); /* the helper is asked */
    assert_string_equal(l->verbs, "stat stop");
}

/* ---- stop, kill, freeze, limits ---- */

static void stop_is_graceful_then_forced(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    lib_driver_has_run(l);
    answer(l, HELPER_CONTAINER_STOP, STOPPED);
    e.req.timeout_ms = 5000;
    assert_int_equal(run(l, container_stop, &e), BT_E_OK);
    assert_non_null(strstr(l->last, "\"stop\":{\"how\":\"signal\",\"timeout_ms\":5000}"));
    assert_int_equal(e.req.observed.state, INSTANCE_STOPPED);
    answer(l, HELPER_CONTAINER_STOP, "{\"err\":{\"code\":\"guest_timeout\",\"message\":\"x\"}}");
    e.req.timeout_ms = 0;
    assert_int_equal(run(l, container_stop, &e), BT_E_GUEST_TIMEOUT);
    assert_non_null(strstr(l->last, "\"timeout_ms\":30000"));
    e.req.force = true;
    assert_int_equal(run(l, container_stop, &e),
                     BT_E_GUEST_TIMEOUT); /* of the kill, played alike */
    assert_non_null(strstr(l->last, "\"how\":\"kill\""));
    assert_string_equal(l->verbs, "stop stop stop stop");
}

static void what_never_ran_is_stopped_already(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    assert_int_equal(run(l, container_stop, &e), BT_E_OK);
    assert_int_equal(e.req.observed.state, INSTANCE_STOPPED);
    assert_int_equal(run(l, container_kill, &e), BT_E_OK);
    assert_int_equal(e.req.observed.state, INSTANCE_STOPPED);
    assert_string_equal(l->verbs, "");
}

static void freeze_and_limits_say_what_they_want(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    e.req.on = true;
    assert_int_equal(run(l, container_freeze, &e), BT_E_OK);
    assert_non_null(strstr(l->last, "\"freeze\":{\"on\":true}"));
    e.req.on = false;
    assert_int_equal(run(l, container_freeze, &e), BT_E_OK);
    assert_non_null(strstr(l->last, "\"freeze\":{\"on\":false}"));
    assert_int_equal(run(l, container_limits, &e), BT_E_OK);
    assert_non_null(strstr(l->last, "\"memory_bytes\":134217728"));
    assert_non_null(strstr(l->last, "\"cpuset\":\""));
}

/* ---- disks and ports ---- */

static void disks_by_verb(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    assert_int_equal(run(l, container_disk_ensure, &e), BT_E_OK);
    assert_true(storage_has(l->storage, UUID));
    assert_int_equal(run(l, container_disk_rebuild, &e), BT_E_OK);
    assert_int_equal(run(l, container_disk_trash, &e), BT_E_OK);
    assert_false(storage_has(l->storage, UUID));
    assert_int_equal(run(l, container_disk_restore, &e), BT_E_OK);
    lib_driver_has_run(l);
    assert_int_equal(run(l, container_disk_purge, &e), BT_E_OK);
    _cleanup_free_ char *left = sys_record_model(l->sys);
    assert_null(strstr(left, UUID));
}

static void a_smaller_disk_grows(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    const char *dir = "/st/instances/" UUID;
    assert_int_equal(l->sys->fs->mkdir_p(l->sys, dir, 0700, NULL), 0);
    assert_int_equal(l->sys->fs->sparse(l->sys, "/st/instances/" UUID "/upper.img", 4096, NULL), 0);
    answer(l, HELPER_CONTAINER_GROW, "{\"ok\":{\"size_bytes\":1073741824,\"online\":true}}");
    assert_int_equal(run(l, container_disk_ensure, &e), BT_E_OK);
    assert_non_null(strstr(l->last, "\"grow\":{\"path\":\"/st/instances/" UUID
                                    "/upper.img\",\"size_bytes\":1073741824}"));
    answer(l, HELPER_CONTAINER_GROW, "{\"err\":{\"code\":\"storage_full\",\"message\":\"x\"}}");
    assert_int_equal(run(l, container_disk_ensure, &e), BT_E_STORAGE_FULL);
}

static void no_network_no_port(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    assert_int_equal(run(l, container_port_ensure, &e), BT_E_OK);
    assert_int_equal(run(l, container_port_remove, &e), BT_E_OK);
}

static void on_setup(struct net_setup *s, int rc, const struct bt_err *err)
{
    (void)s;
    (void)err;
    assert_int_equal(rc, 0);
}

static void a_port_is_opened_and_removed(void **state)
{
    struct lib_driver *l = *state;
    struct net_setup setup = {.done = on_setup};
    struct lib_end e = {0};
    struct instance_spec spec;
    _cleanup_free_ char *json = bt_xasprintf(
        "%.*s,\"nics\":[{\"mac\":\"02:00:00:00:00:09\",\"addresses\":[{\"address\":\"198.18.0.9\","
        "\"prefix\":20,\"family\":4,\"gateway\":\"198.18.0.1\"}]}]}",
        (int)strlen(lib_driver_plain) - 1, lib_driver_plain);
    lib_driver_spec(json, &spec);
    net_setup_start(l->net, &setup);
    lib_driver_pass(l, 1000);
    lib_driver_begin(l, container_port_ensure, &spec, &e);
    lib_driver_pass(l, 1000);
    assert_string_equal(e.err.msg, "");
    assert_true(e.over && e.code == BT_E_OK);
    assert_true(net_port_known(l->net, UUID, 0));
    lib_driver_begin(l, container_port_remove, &spec, &e);
    lib_driver_pass(l, 1000);
    assert_true(e.over && e.code == BT_E_OK);
    assert_false(net_port_known(l->net, UUID, 0));
    bt_schema_free(&instance_spec_schema, &spec);
}

/* ---- ends and reboots that nobody asked for ---- */

static void started(struct lib_driver *l)
{
    struct lib_end e = {0};
    assert_int_equal(run(l, container_start, &e), BT_E_OK);
    lib_driver_has_run(l);
    container_watch(l->d, UUID, true);
    lib_driver_settle(l);
    l->verbs[0] = '\0';
}

static void an_end_is_told_with_its_cause(void **state)
{
    struct lib_driver *l = *state;
    started(l);
    answer(l, HELPER_CONTAINER_STAT, STOPPED);
    sys_record_process_end(l->sys, 100);
    lib_driver_pass(l, 10);
    assert_string_equal(l->events, "ended poweroff");
    lib_driver_pass(l, 5000);
    assert_string_equal(l->events, "ended poweroff");
}

static void a_lost_monitor_is_an_alarm_and_init_is_watched(void **state)
{
    struct lib_driver *l = *state;
    started(l);
    answer(l, HELPER_CONTAINER_STAT, LOST);
    sys_record_process_end(l->sys, 100);
    lib_driver_pass(l, 10);
    assert_string_equal(l->events, "alarm instance.monitor_lost");
    answer(l, HELPER_CONTAINER_STAT, STOPPED);
    sys_record_process_end(l->sys, 200);
    lib_driver_pass(l, 10);
    assert_string_equal(l->events, "alarm instance.monitor_lost, ended poweroff");
}

static void a_reboot_inside_shows_within_two_seconds(void **state)
{
    struct lib_driver *l = *state;
    started(l);
    lib_driver_pass(l, 1500);
    assert_string_equal(l->events, "");
    lib_driver_boot(l, "{\"boot\":2,\"started_at\":1700000099000,\"pid\":300,\"pid_start\":30}");
    lib_driver_pass(l, 2000);
    assert_string_equal(l->events, "rebooted 1700000099000");
}

/* A new agent: nothing is known of the processes yet. */
static void a_watch_without_knowledge_asks_first(void **state)
{
    struct lib_driver *l = *state;
    lib_driver_has_run(l);
    container_watch(l->d, UUID, true);
    lib_driver_pass(l, 10);
    assert_string_equal(l->verbs, "stat");
    answer(l, HELPER_CONTAINER_STAT, STOPPED);
    sys_record_process_end(l->sys, 100);
    lib_driver_pass(l, 10);
    assert_string_equal(l->events, "ended poweroff");
}

static void a_failed_stat_is_asked_again(void **state)
{
    struct lib_driver *l = *state;
    started(l);
    answer(l, HELPER_CONTAINER_STAT, "{\"err\":{\"code\":\"timeout\",\"message\":\"x\"}}");
    sys_record_process_end(l->sys, 100);
    lib_driver_pass(l, 2500);
    assert_string_equal(l->events, "");
    answer(l, HELPER_CONTAINER_STAT, STOPPED);
    lib_driver_pass(l, 2500);
    assert_string_equal(l->events, "ended poweroff");
}

static void no_watch_no_events(void **state)
{
    struct lib_driver *l = *state;
    started(l);
    container_watch(l->d, UUID, false);
    answer(l, HELPER_CONTAINER_STAT, STOPPED);
    sys_record_process_end(l->sys, 100);
    lib_driver_pass(l, 5000);
    assert_string_equal(l->events, "");
    assert_string_equal(l->verbs, "");
}

/* ---- what this host can do ---- */

static void on_probed(void *ctx)
{
    ++*(int *)ctx;
}

static void available(struct lib_driver *l, bool wanted, const char *reason)
{
    struct link_driver d = {0};
    l->d->ops->available(l->d, &d);
    assert_string_equal(d.name, "container");
    assert_int_equal(d.available, wanted);
    if (reason)
        assert_string_equal(d.reason, reason);
    else
        assert_null(d.reason);
    bt_schema_free(&link_driver_schema, &d);
}

static void the_host_is_probed(void **state)
{
    static const struct {
        const char *reply, *reason;
        bool works;
    } rows[] = {
        {"{\"ok\":{\"backends\":[{\"name\":\"xfs\",\"works\":false,\"reason\":\"no xfs\"},"
         "{\"name\":\"loop\",\"works\":true}],\"cgroup\":\"v2\",\"features\":[\"tun\"]}}",
         NULL, true},
        {"{\"ok\":{\"backends\":[{\"name\":\"loop\",\"works\":false,\"reason\":\"no loops\"}],"
         "\"cgroup\":\"v1\"}}",
         "no loops", false},
        {"{\"err\":{\"code\":\"kernel\",\"message\":\"no cgroups\"}}", "no cgroups", false},
    };
    struct lib_driver *l = *state;
    int probed = 0;
    available(l, false, "not probed yet");
    for (size_t i = 0; i < BT_ARRAY_LEN(rows); i++) {
        answer(l, HELPER_CONTAINER_PROBE, rows[i].reply);
        driver_container_probe(l->d, on_probed, &probed);
        lib_driver_settle(l);
        assert_int_equal(probed, i + 1);
        available(l, rows[i].works, rows[i].reason);
    }
    assert_non_null(strstr(l->last, "\"probe\":{\"dir\":\"/st\",\"cgroup_parent\":"));
}

static void list_is_disks_and_run_directories(void **state)
{
    struct lib_driver *l = *state;
    struct lib_end e = {0};
    struct bt_arr uuids = {0};
    assert_int_equal(run(l, container_disk_ensure, &e), BT_E_OK);
    lib_driver_has_run(l);
    const char *other = RUN_DIR "/00000000-2222-4333-8444-555555555555";
    assert_int_equal(l->sys->fs->mkdir_p(l->sys, other, 0700, NULL), 0);
    assert_int_equal(l->sys->fs->mkdir_p(l->sys, RUN_DIR "/agent.lock", 0700, NULL), 0);
    assert_int_equal(container_list(l->d, &uuids, NULL), 0);
    assert_int_equal(uuids.len, 2);
    assert_string_equal(((char **)uuids.items)[0], strrchr(other, '/') + 1);
    assert_string_equal(((char **)uuids.items)[1], UUID);
    for (size_t i = 0; i < uuids.len; i++)
        free(((char **)uuids.items)[i]);
    free(uuids.items);
    sys_record_fail_on(l->sys, "fs list", EIO);
    assert_int_equal(container_list(l->d, &uuids, NULL), -BT_E_KERNEL);
}

/* ---- the end of the agent ---- */

/* Freed with a verb under way: nobody is answered, nothing is touched afterwards. */
static void an_end_with_verbs_under_way(void **state)
{
    static void (*const verbs[])(struct driver *, struct driver_req *) = {
        container_start,        container_probe,       container_stop,         container_kill,
        container_image_ensure, container_disk_ensure, container_disk_rebuild, container_freeze,
        container_limits,       container_port_ensure, container_disk_purge};
    (void)state;
    for (size_t i = 0; i < BT_ARRAY_LEN(verbs); i++) {
        void *world = NULL;
        struct lib_end e = {0};
        struct instance_spec spec;
        (void)lib_driver_open(&world);
        struct lib_driver *l = world;
        lib_driver_has_run(l);
        lib_driver_spec(lib_driver_plain, &spec);
        lib_driver_begin(l, verbs[i], &spec, &e);
        l->d->ops->free(l->d);
        l->d = NULL;
        lib_driver_pass(l, 2000);
        assert_false(e.over);
        bt_schema_free(&instance_spec_schema, &spec);
        (void)lib_driver_close(&world);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, lib_driver_open, lib_driver_close)
    const struct CMUnitTest tests[] = {
        T(a_first_start_runs_at_once),
        T(what_runs_already_is_not_started_twice),
        T(what_ended_is_started),
        T(a_start_that_fails_says_why),
        T(never_run_is_stopped),
        T(a_probe_says_what_the_helper_says),
        T(an_unreadable_run_directory_is_not_stopped),
        T(stop_is_graceful_then_forced),
        T(what_never_ran_is_stopped_already),
        T(freeze_and_limits_say_what_they_want),
        T(disks_by_verb),
        T(a_smaller_disk_grows),
        T(no_network_no_port),
        T(a_port_is_opened_and_removed),
        T(an_end_is_told_with_its_cause),
        T(a_lost_monitor_is_an_alarm_and_init_is_watched),
        T(a_reboot_inside_shows_within_two_seconds),
        T(a_watch_without_knowledge_asks_first),
        T(a_failed_stat_is_asked_again),
        T(no_watch_no_events),
        T(the_host_is_probed),
        T(list_is_disks_and_run_directories),
        cmocka_unit_test(an_end_with_verbs_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
