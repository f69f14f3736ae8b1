/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct_cgroup.h"

#include <cmocka.h>

static const char hybrid[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "30 25 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
    "32 30 0:28 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd\n"
    "33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 30 0:30 / /sys/fs/cgroup/memory rw shared:11 master:2 - cgroup cgroup rw,memory\n"
    "35 30 0:30 / /elsewhere/memory rw - cgroup cgroup rw,memory\n"
    "36 30 0:31 /part /partial rw - cgroup cgroup rw,pids\n"
    "37 30 0:32 / /broken";

static void parses(void **state)
{
    (void)state;
    struct ct_cg cg;
    ct_cg_parse(&cg, hybrid);
    assert_int_equal(cg.kind, CT_CG_HYBRID);
    assert_int_equal(cg.n, 4);
    assert_ptr_equal(cg.ops, &ct_cg_v1_ops);
    assert_string_equal(ct_cg_find(&cg, "memory")->mount, "/sys/fs/cgroup/memory");
    assert_ptr_equal(ct_cg_find(&cg, "cpu"), ct_cg_find(&cg, "cpuacct"));
    assert_string_equal(ct_cg_find(&cg, "")->mount, "/sys/fs/cgroup/unified");
    assert_null(ct_cg_find(&cg, "pids"));
    assert_null(ct_cg_find(&cg, "cpua"));
    ct_cg_fini(&cg);
    ct_cg_parse(&cg, "31 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
    assert_int_equal(cg.kind, CT_CG_V2);
    assert_ptr_equal(cg.ops, &ct_cg_v2_ops);
    assert_string_equal(ct_cg_find(&cg, "memory")->mount, "/sys/fs/cgroup");
    ct_cg_fini(&cg);
    ct_cg_parse(&cg, "34 30 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    assert_int_equal(cg.kind, CT_CG_V1);
    ct_cg_fini(&cg);
    ct_cg_parse(&cg, "");
    assert_int_equal(cg.n, 0);
    ct_cg_fini(&cg);
}

static void paths(void **state)
{
    (void)state;
    assert_true(ct_cg_path_ok("/a"));
    assert_true(ct_cg_path_ok("/a/b.c"));
    assert_true(ct_cg_path_ok("/a/..."));
    assert_false(ct_cg_path_ok(""));
    assert_false(ct_cg_path_ok("a"));
    assert_false(ct_cg_path_ok("/"));
    assert_false(ct_cg_path_ok("/a/"));
    assert_false(ct_cg_path_ok("/a//b"));
    assert_false(ct_cg_path_ok("/a/."));
    assert_false(ct_cg_path_ok("/.."));
    assert_false(ct_cg_path_ok("/a/../b"));
}

static void numbers(void **state)
{
    (void)state;
    assert_int_equal(ct_cg_count_cpus("0"), 1);
    assert_int_equal(ct_cg_count_cpus("0-3"), 4);
    assert_int_equal(ct_cg_count_cpus("0-1,4,6-7"), 5);
    assert_int_equal(ct_cg_count_cpus(""), 0);
    assert_int_equal(ct_cg_count_cpus("x"), 0);
    assert_int_equal(ct_cg_count_cpus("3-1"), 0);
    assert_int_equal(ct_cg_count_cpus("1,"), 1);
    assert_int_equal(ct_cg_keyed("max 3\noom 4\noom_kill 5\n", "oom_kill", -1), 5);
    assert_int_equal(ct_cg_keyed("max 3\noom 4\noom_kill 5\n", "oom", -1), 4);
    assert_int_equal(ct_cg_keyed("7:0 1048576\n", "7:0", -1), 1048576);
    assert_int_equal(ct_cg_keyed("max 3", "ma", -1), -1);
    assert_int_equal(ct_cg_keyed("max x\n", "max", -1), -1);
    assert_int_equal(ct_cg_keyed("", "max", -1), -1);
}

/* A v2 tree of plain files: what is written is what the kernel would be told. */
static void *tree(void)
{
    char name[] = "/tmp/ct_cgroup.XXXXXX";
    assert_non_null(mkdtemp(name));
    _cleanup_free_ char *group = bt_xasprintf("%s/g", name);
    assert_int_equal(mkdir(group, 0755), 0);
    return bt_xstrdup(name);
}

static void put(const char *top, const char *file, const char *text)
{
    _cleanup_free_ char *path = bt_xasprintf("%s/g/%s", top, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void v2_reads(void **state)
{
    (void)state;
    _cleanup_free_ char *top = tree();
    struct limits l = {0};
    struct helper_container_usage u = {0};
    struct ct_cg cg = {.n = 1, .kind = CT_CG_V2, .ops = &ct_cg_v2_ops};
    cg.hier[0] = (struct ct_cg_hier){bt_xstrdup(top), bt_xstrdup(",,"), true};
    put(top, "cpu.max", "40000 100000\n");
    put(top, "cpu.weight", "250\n");
    put(top, "cpuset.cpus.effective", "0-1,5\n");
    put(top, "memory.max", "536870912\n");
    put(top, "memory.swap.max", "max\n");
    put(top, "pids.max", "400\n");
    put(top, "io.max",
        "8:0 rbps=1 wbps=2 riops=3 wiops=4\n7:3 rbps=max wbps=1048576 riops=max wiops=9\n");
    put(top, "cpu.stat", "usage_usec 1234567\nuser_usec 1\n");
    put(top, "memory.current", "4096\n");
    put(top, "pids.current", "7\n");
    put(top, "memory.events", "low 0\nmax 2\noom_kill 1\n");
    cg.ops->read(&cg, "/g", (struct ct_cg_disk){7, 3}, &l);
    assert_int_equal(l.cpu_limit_millicores.v, 400);
    assert_int_equal(l.cpu_weight.v, 250);
    assert_int_equal(l.cpus.v, 3);
    assert_int_equal(l.memory_bytes.v, 536870912);
    assert_int_equal(l.swap_bytes.is, BT_NULL);
    assert_int_equal(l.pids.v, 400);
    assert_int_equal(l.io_read_bytes_per_s.is, BT_NULL);
    assert_int_equal(l.io_write_bytes_per_s.v, 1048576);
    assert_int_equal(l.io_write_iops.v, 9);
    cg.ops->usage(&cg, "/g", &u);
    assert_int_equal(u.cpu_ms, 1234);
    assert_int_equal(u.memory_bytes, 4096);
    assert_int_equal(u.oom_kills, 1);
    assert_int_equal(u.memory_limit_hits, 2);
    ct_cg_fini(&cg);
    assert_int_equal(bt_remove_tree(AT_FDCWD, top, NULL), 0);
}

static void says(const char *top, const char *file, const char *want)
{
    _cleanup_free_ char *path = bt_xasprintf("%s/g/%s", top, file);
    _cleanup_buf_ struct bt_buf b = BT_BUF(4096);
    assert_int_equal(bt_read_file(AT_FDCWD, path, 4096, &b, NULL), 0);
    assert_string_equal(b.data, want);
}

static void v2_applies(void **state)
{
    (void)state;
    _cleanup_free_ char *top = tree();
    struct bt_err err = BT_ERR_INIT;
    struct ct_cg cg = {.n = 1, .kind = CT_CG_V2, .ops = &ct_cg_v2_ops};
    cg.hier[0] = (struct ct_cg_hier){bt_xstrdup(top), bt_xstrdup(",,"), true};
    static const char *const files[] = {"cpu.max",          "cpu.weight", "memory.max",
                                        "memory.oom.group", "pids.max",   "io.max"};
    for (size_t i = 0; i < BT_ARRAY_LEN(files); i++)
        put(top, files[i], "");
    struct limits l = {.cpu_limit_millicores = BT_OPT_V(1500),
                       .cpu_weight = BT_OPT_NULL,
                       .memory_bytes = BT_OPT_V(1000),
                       .pids = BT_OPT_NULL,
                       .io_read_iops = BT_OPT_V(5)};
    /* memory.swap.max is not there: a kernel without swap. */
    assert_int_equal(cg.ops->apply(&cg, "/g", &l, (struct ct_cg_disk){7, 3}, &err), 0);
    says(top, "cpu.max", "150000 100000");
    says(top, "cpu.weight", "100");
    says(top, "memory.max", "1000");
    says(top, "memory.oom.group", "0");
    says(top, "pids.max", "max");
    says(top, "io.max", "7:3 riops=5");
    l = (struct limits){.pids = BT_OPT_V(9)};
    put(top, "pids.max", "");
    assert_int_equal(cg.ops->apply(&cg, "/g", &l, (struct ct_cg_disk){0}, &err), 0);
    says(top, "pids.max", "9");
    says(top, "memory.max", "1000");
    assert_int_equal(cg.ops->apply(&cg, "/none", &l, (struct ct_cg_disk){0}, &err),
                     -BT_E_NOT_FOUND);
    ct_cg_fini(&cg);
    assert_int_equal(bt_remove_tree(AT_FDCWD, top, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),   cmocka_unit_test(paths),      cmocka_unit_test(numbers),
        cmocka_unit_test(v2_reads), cmocka_unit_test(v2_applies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
