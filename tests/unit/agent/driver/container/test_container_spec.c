/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json/json_doc.h"
#include "tests/unit/agent/driver/container/lib_driver.h"

#define GOLDEN_MAX (1u << 20)

/* All that an ordinary customer orders. */
static const char *const whole =
    "{\"id\":9,\"uuid\":\"" UUID "\",\"name\":\"shop\",\"hostname\":\"shop.example.net\","
    "\"tenant\":\"demo\",\"plan\":\"medium\",\"generation\":4,\"driver\":\"container\","
    "\"desired\":\"running\",\"rebuild_seq\":2,\"image\":{\"name\":\"debian-12\",\"sha256\":"
    "\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\"kind\":\"rootfs\","
    "\"bytes\":49164984,\"stop_signal\":\"SIGRTMIN+3\"},\"limits\":{\"cpus\":2,"
    "\"cpu_limit_millicores\":2000,\"memory_bytes\":1073741824,\"swap_bytes\":null,"
    "\"disk_bytes\":10737418240,\"inodes\":655360,\"pids\":2048},\"features\":[\"tun\","
    "\"net_admin\",\"net_raw\",\"compat32\"],\"nics\":[{\"mac\":\"02:00:00:00:00:09\","
    "\"addresses\":[{\"address\":\"198.18.0.9\",\"prefix\":20,\"family\":4,\"gateway\":"
    "\"198.18.0.1\",\"pool\":\"public4\",\"delivery\":\"routed\"},{\"address\":\"198.18.0.10\","
    "\"prefix\":20,\"family\":4,\"gateway\":\"198.18.0.1\"},{\"address\":\"2001:db8:1:9::1\","
    "\"prefix\":64,\"family\":6,\"gateway\":\"fe80::1\"}]}],\"resolvers\":[\"192.0.2.1\","
    "\"2001:db8:ffff::1\"],\"ssh_keys\":[\"ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIJjFXrlV6gRqMIdX+pmlWRPXgTHmPGxSvTvqTrLVIAD8 me\"],"
    "\"password_hash\":\"$y$j9T$salt$hash\",\"user_data\":\"#cloud-config\\nusers: []\\n\"}";

static void build(struct lib_driver *l, const char *json, const char *golden)
{
    struct instance_spec spec;
    struct helper_container_request r;
    struct bt_err err = BT_ERR_INIT;
    lib_driver_spec(json, &spec);
    const struct driver_req req = {.spec = &spec, .place = {.id_base = 1000000, .boots = 3}};
    assert_int_equal(container_spec_build(l->cd, &req, &r, &err), 0);
    r.run_dir = bt_xstrdup(RUN_DIR);
    _cleanup_free_ char *text = bt_schema_emit_str(&helper_container_request_schema, &r);
    struct bt_doc *d = NULL;
    _cleanup_buf_ struct bt_buf pretty = BT_BUF(GOLDEN_MAX);
    assert_int_equal(bt_doc_parse(text, strlen(text), &d, &err), 0);
    bt_doc_dump(d, 1, &pretty);
    (void)bt_buf_addc(&pretty, '\n');
    lib_driver_golden(golden, pretty.data);
    bt_doc_free(d);
    bt_schema_free(&helper_container_request_schema, &r);
    /* What was built is what the helper reads. */
    if (bt_schema_parse(&helper_container_request_schema, text, strlen(text), BT_STRICT, &r, NULL,
                        &err) < 0)
        fail_msg("%s", err.msg);
    bt_schema_free(&helper_container_request_schema, &r);
    bt_schema_free(&instance_spec_schema, &spec);
}

static void a_plain_spec(void **state)
{
    build(*state, lib_driver_plain, "run_plain.json");
}

static void a_whole_spec(void **state)
{
    build(*state, whole, "run_whole.json");
}

static void no_ids_no_run(void **state)
{
    struct lib_driver *l = *state;
    struct instance_spec spec;
    struct helper_container_request r;
    struct bt_err err = BT_ERR_INIT;
    lib_driver_spec(lib_driver_plain, &spec);
    const struct driver_req req = {.spec = &spec};
    assert_int_equal(container_spec_build(l->cd, &req, &r, &err), -BT_E_INTERNAL);
    bt_schema_free(&instance_spec_schema, &spec);
}

static unsigned long number(const char *p, char **ret_end)
{
    unsigned long n = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        n = n * 10 + (unsigned long)(*p - '0');
    *ret_end = (char *)(uintptr_t)p;
    return n;
}

/* Cores of a kernel list, as a bit set. */
static uint64_t cores(const char *list)
{
    uint64_t set = 0;
    for (const char *p = list; *p;) {
        char *end = NULL;
        unsigned long from = number(p, &end);
        unsigned long to = *end == '-' ? number(end + 1, &end) : from;
        for (unsigned long i = from; i <= to; i++)
            set |= UINT64_C(1) << i;
        p = *end == ',' ? end + 1 : end;
    }
    return set;
}

static void cpusets_have_as_many_cores(void **state)
{
    struct lib_driver *l = *state;
    uint64_t seen = 0;
    for (unsigned i = 0; i < 200; i++) {
        struct instance_spec spec;
        lib_driver_spec(lib_driver_plain, &spec);
        (void)snprintf(spec.uuid, 9, "%08x", i * 2654435761u);
        spec.uuid[8] = '-';
        spec.limits.cpus = BT_OPT_V(1 + i % 9);
        _cleanup_free_ char *list = container_cpuset(l->cd, &spec);
        if (i % 9 + 1 >= 8) {
            assert_null(list); /* all of them */
        } else {
            assert_int_equal(__builtin_popcountll(cores(list)), i % 9 + 1);
            assert_true(cores(list) < 256);
            seen |= cores(list);
        }
        bt_schema_free(&instance_spec_schema, &spec);
    }
    assert_int_equal(seen, 255);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, lib_driver_open, lib_driver_close)
    const struct CMUnitTest tests[] = {T(a_plain_spec), T(a_whole_spec), T(no_ids_no_run),
                                       T(cpusets_have_as_many_cores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
