/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/api_fleet.h"
#include "proto/api_instance.h"

#include <cmocka.h>

static int parse(const struct bt_schema *s, const char *text, void *obj,
                 struct bt_field_errors *errs)
{
    struct bt_err err = BT_ERR_INIT;
    *errs = (struct bt_field_errors){0};
    return bt_schema_parse(s, text, strlen(text), BT_STRICT, obj, errs, &err);
}

static void enum_limits_are_names(void **state)
{
    (void)state;
    struct limits l;
    struct bt_field_errors errs;
    assert_int_equal(parse(&limits_schema,
                           "{\"traffic_count\":\"out\",\"traffic_bytes\":null,\"cpus\":2}", &l,
                           &errs),
                     0);
    assert_int_equal(l.traffic_count.v, TRAFFIC_COUNT_OUT);
    assert_int_equal(l.traffic_bytes.is, BT_NULL);
    assert_int_equal(l.pids.is, BT_ABSENT);
    char *out = bt_schema_emit_str(&limits_schema, &l);
    assert_string_equal(out, "{\"cpus\":2,\"traffic_bytes\":null,\"traffic_count\":\"out\"}");
    free(out);
    assert_true(parse(&limits_schema, "{\"traffic_count\":2}", &l, &errs) < 0);
    assert_int_equal(errs.n, 1);
}

static void zero_is_refused_with_a_hint(void **state)
{
    (void)state;
    struct limits l;
    struct bt_field_errors errs;
    assert_int_equal(parse(&limits_schema,
                           "{\"traffic_bytes\":0,\"swap_bytes\":0,\"memory_bytes\":null}", &l,
                           &errs),
                     0);
    limits_check(&l, "limits.", &errs);
    assert_int_equal(errs.n, 2);
    assert_string_equal(errs.list[0].field, "limits.memory_bytes");
    assert_string_equal(errs.list[1].field, "limits.traffic_bytes");
    assert_non_null(strstr(errs.list[1].message, "null"));
}

static void merged_limits_have_defaults(void **state)
{
    (void)state;
    struct limits plan = {
        .cpus = BT_OPT_V(2), .disk_bytes = BT_OPT_V(1LL << 30), .pids = BT_OPT_V(512)};
    struct limits over = {.pids = BT_OPT_NULL};
    struct limits all;
    limits_merge(&plan, &over, &all);
    assert_int_equal(all.cpu_limit_millicores.v, 2000);
    assert_int_equal(all.inodes.v, 65536);
    assert_int_equal(all.pids.is, BT_NULL);
}

static void plan_fields_lie_flat(void **state)
{
    (void)state;
    struct api_plan p;
    struct bt_field_errors errs;
    assert_int_equal(parse(&api_plan_schema,
                           "{\"name\":\"small\",\"cpus\":1,\"memory_bytes\":536870912}", &p, &errs),
                     0);
    assert_int_equal(p.limits.memory_bytes.v, 536870912);
    bt_schema_free(&api_plan_schema, &p);
}

static void every_limit_flag_is_one_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < LIMIT__COUNT; i++) {
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(limit_rows[i].flag, limit_rows[k].flag);
            assert_string_not_equal(limit_rows[i].name, limit_rows[k].name);
        }
    }
}

static void create_takes_what_the_contract_names(void **state)
{
    (void)state;
    struct api_instance_create c;
    struct bt_field_errors errs;
    const char *text = "{\"name\":\"web1\",\"plan\":\"small\",\"image\":3,\"start\":false,"
                       "\"limits\":{\"net_in_bits_per_s\":1000000},\"labels\":{\"team\":\"a\"}}";
    assert_int_equal(parse(&api_instance_create_schema, text, &c, &errs), 0);
    assert_string_equal(c.plan.name, "small");
    assert_int_equal(c.image.id, 3);
    assert_int_equal(c.start.v, 0);
    assert_int_equal(c.driver, -1);
    bt_schema_free(&api_instance_create_schema, &c);
    assert_true(parse(&api_instance_create_schema, "{\"name\":\"UPPER\",\"nope\":1}", &c, &errs) <
                0);
    assert_int_equal(errs.n, 4); /* name, plan, image, nope */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enum_limits_are_names),
        cmocka_unit_test(zero_is_refused_with_a_hint),
        cmocka_unit_test(merged_limits_have_defaults),
        cmocka_unit_test(plan_fields_lie_flat),
        cmocka_unit_test(every_limit_flag_is_one_of_its_own),
        cmocka_unit_test(create_takes_what_the_contract_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
