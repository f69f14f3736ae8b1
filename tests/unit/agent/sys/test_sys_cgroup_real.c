/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/agent/sys/lib_sys.h"

/* Groups "berth-unit-sys/PID-..." in the machine's own hierarchies, removed again. */
static char group[64];
static char inner[80];
static char other[64];

static int setup(void **state)
{
    (void)snprintf(group, sizeof group, "u%d", (int)getpid());
    (void)snprintf(inner, sizeof inner, "u%d/inner/deep", (int)getpid());
    (void)snprintf(other, sizeof other, "v%d", (int)getpid());
    return lib_sys_setup(state);
}

/* Move @pid into @path in every hierarchy of the machine, as an engine does. */
static void enter(const char *path, pid_t pid)
{
    char cmd[400];
    (void)snprintf(
        cmd, sizeof cmd,
        "for d in $(find /sys/fs/cgroup -maxdepth 5 -path '*/berth-unit-sys/%s' -type d)\n"
        "do echo %d > $d/cgroup.procs || { echo in $d >&2; exit 1; }\ndone",
        path, (int)pid);
    assert_int_equal(system(cmd), 0);
}

static pid_t sleepers[8];
static size_t n_sleepers;

static pid_t sleeper(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGTERM, SIG_IGN);
        for (;;)
            (void)pause();
    }
    sleepers[n_sleepers++] = pid;
    return pid;
}

static int teardown(void **state)
{
    struct sys *s = *state;
    for (size_t i = 0; i < n_sleepers; i++) {
        (void)kill(sleepers[i], SIGKILL);
        (void)s->cgroup->freeze(s, group, false, NULL);
        (void)waitpid(sleepers[i], NULL, 0);
    }
    (void)s->cgroup->remove(s, group, NULL);
    (void)s->cgroup->remove(s, other, NULL);
    /* The parent too, if nobody else tests at the same time. */
    static const char *const roots[] = {"unified", "memory",  "cpu",   "cpuacct", "cpuset", "pids",
                                        "devices", "freezer", "blkio", "systemd", "."};
    for (size_t i = 0; i < BT_ARRAY_LEN(roots); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "/sys/fs/cgroup/%s/berth-unit-sys", roots[i]);
        (void)rmdir(path);
    }
    return lib_sys_teardown(state);
}

static void makes_and_removes(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    for (int twice = 0; twice < 2; twice++)
        OK(s->cgroup->create(s, inner, &err));
    assert_true(s->cgroup->exists(s, group));
    assert_true(s->cgroup->exists(s, inner));
    OK(s->cgroup->create(s, other, &err));
    _cleanup_rows_str_ struct sys_rows names = {0};
    OK(s->cgroup->list(s, &names, &err));
    size_t mine = 0;
    SYS_ROWS_FOREACH(char *, it, &names)
        mine += strcmp(*it, group) == 0 || strcmp(*it, other) == 0;
    assert_int_equal(mine, 2);
    for (int twice = 0; twice < 2; twice++)
        OK(s->cgroup->remove(s, other, &err));
    assert_false(s->cgroup->exists(s, other));
    static const char *const bad[] = {"", "/x", "../x", "a/../b"};
    for (size_t i = 0; i < BT_ARRAY_LEN(bad); i++)
        assert_int_equal(s->cgroup->create(s, bad[i], &err), -BT_E_INVALID);
}

static void set_and_get(struct sys *s, enum sys_cgroup_key key, int64_t value)
{
    struct bt_err err = BT_ERR_INIT;
    int64_t back = -1;
    int rc = s->cgroup->set(s, group, key, value, &err);
    if (rc == -BT_E_MISSING_CAPABILITY) {
        print_message("# key %d: %s\n", (int)key, err.msg);
        return;
    }
    assert_int_equal(lib_sys_ok(rc, &err), 0);
    OK(s->cgroup->get(s, group, key, &back, &err));
    assert_int_equal(back, value);
}

static void limits_read_back(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    int64_t v = -1;
    set_and_get(s, SYS_CG_MEMORY_BYTES, 128 << 20);
    set_and_get(s, SYS_CG_SWAP_BYTES, 0);
    set_and_get(s, SYS_CG_MEMORY_BYTES, 512 << 20); /* up over the old sum */
    set_and_get(s, SYS_CG_SWAP_BYTES, 64 << 20);
    set_and_get(s, SYS_CG_MEMORY_BYTES, 64 << 20); /* down */
    if (s->cgroup->get(s, group, SYS_CG_SWAP_BYTES, &v, NULL) == 0)
        assert_int_equal(v, 64 << 20); /* swap stays what it was */
    set_and_get(s, SYS_CG_SWAP_BYTES, SYS_CGROUP_UNLIMITED);
    set_and_get(s, SYS_CG_MEMORY_BYTES, SYS_CGROUP_UNLIMITED);
    set_and_get(s, SYS_CG_PIDS, 2048);
    set_and_get(s, SYS_CG_PIDS, SYS_CGROUP_UNLIMITED);
    set_and_get(s, SYS_CG_CPU_MILLICORES, 1500);
    set_and_get(s, SYS_CG_CPU_MILLICORES, SYS_CGROUP_UNLIMITED);
    set_and_get(s, SYS_CG_CPU_WEIGHT, 300);
    set_and_get(s, SYS_CG_CPU_WEIGHT, 100);
    for (int key = SYS_CG_MEMORY_USED_BYTES; key < SYS_CG__COUNT; key++) {
        v = -1;
        OK(s->cgroup->get(s, group, (enum sys_cgroup_key)key, &v, &err));
        assert_true(v >= 0 && v < SYS_CGROUP_UNLIMITED);
    }
    assert_int_not_equal(s->cgroup->set(s, group, SYS_CG_PIDS_USED, 1, &err), 0);
    assert_int_equal(s->cgroup->get(s, "absent", SYS_CG_PIDS, &v, &err), -BT_E_NOT_FOUND);
    assert_int_not_equal(s->cgroup->set(s, "absent", SYS_CG_PIDS, 5, &err), 0);
}

static void cores(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    char cpus[256];
    OK(s->cgroup->get_cpus(s, group, cpus, &err));
    assert_true(cpus[0] != '\0'); /* from its parent */
    OK(s->cgroup->set_cpus(s, group, "0", &err));
    OK(s->cgroup->get_cpus(s, group, cpus, &err));
    assert_string_equal(cpus, "0");
    assert_int_not_equal(s->cgroup->set_cpus(s, group, "4095", &err), 0);
}

static dev_t some_disk(void)
{
    static const char *const names[] = {"/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0"};
    for (size_t i = 0; i < BT_ARRAY_LEN(names); i++) {
        struct stat st;
        if (stat(names[i], &st) == 0)
            return st.st_rdev;
    }
    return 0;
}

static void device_limits(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    struct sys_cgroup_io io = {.dev = some_disk(), .value = 5000000};
    if (io.dev == 0) {
        print_message("# skip: no block device\n");
        skip();
    }
    for (int key = SYS_CG_IO_READ_BYTES_PER_S; key <= SYS_CG_IO_WRITE_IOPS; key++) {
        io.key = (enum sys_cgroup_key)key;
        io.value = 5000000 + key;
        int rc = s->cgroup->set_io(s, group, &io, &err);
        if (rc == -BT_E_MISSING_CAPABILITY || rc == -BT_E_NOT_FOUND) {
            print_message("# skip: %s\n", err.msg);
            skip();
        }
        assert_int_equal(lib_sys_ok(rc, &err), 0);
        struct sys_cgroup_io back = io;
        back.value = 0;
        OK(s->cgroup->get_io(s, group, &back, &err));
        assert_int_equal(back.value, io.value);
        io.value = SYS_CGROUP_UNLIMITED;
        OK(s->cgroup->set_io(s, group, &io, &err));
        OK(s->cgroup->get_io(s, group, &back, &err));
        assert_int_equal(back.value, SYS_CGROUP_UNLIMITED);
    }
}

static size_t n_pids(struct sys *s)
{
    struct bt_err err = BT_ERR_INIT;
    _cleanup_rows_ struct sys_rows pids = {0};
    OK(s->cgroup->pids(s, group, &pids, &err));
    return pids.len;
}

static void freezes_and_kills(void **state)
{
    struct sys *s = *state;
    struct bt_err err = BT_ERR_INIT;
    pid_t pids[3];
    for (size_t i = 0; i < BT_ARRAY_LEN(pids); i++) {
        pids[i] = sleeper();
        enter(i == 2 ? inner : group, pids[i]);
    }
    assert_int_equal(n_pids(s), 3); /* once each, whatever hierarchies they are in */
    assert_int_equal(s->cgroup->remove(s, group, &err), -BT_E_IN_USE);
    OK(s->cgroup->freeze(s, group, true, &err));
    OK(s->cgroup->freeze(s, group, true, &err));
    OK(s->cgroup->freeze(s, group, false, &err));
    OK(s->cgroup->freeze(s, group, true, &err));
    OK(s->cgroup->kill(s, group, &err)); /* frozen ones too */
    for (size_t i = 0; i < BT_ARRAY_LEN(pids); i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    assert_int_equal(n_pids(s), 0);
    OK(s->cgroup->kill(s, group, &err));
    OK(s->cgroup->remove(s, group, &err));
    assert_false(s->cgroup->exists(s, inner));
    assert_int_equal(n_pids(s), 0);
    OK(s->cgroup->kill(s, group, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_and_removes),
        cmocka_unit_test(limits_read_back),
        cmocka_unit_test(cores),
        cmocka_unit_test(device_limits),
        cmocka_unit_test(freezes_and_kills),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (geteuid() != 0) {
        printf("1..1\nok 1 - control groups # SKIP needs root\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
