/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: agent_check agent_driver_fake */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/check/check.h"
#include "agent/driver/fake/fake.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include <cmocka.h>

#define BASE 1000000

struct fixture {
    struct bt_loop *loop;
    struct bt_random_seeded rnd;
    struct fake_kernel *kernel;
    struct driver *drivers[2];
    struct journal_instance rows[3];
    struct instance_spec specs[3];
    struct check_instance instances[3];
    struct check_config cfg;
};

static char uuids[][37] = {"00000000-0000-4000-8000-000000000000",
                           "00000000-0000-4000-8000-000000000001",
                           "00000000-0000-4000-8000-000000000002"};

static void done(struct driver_req *req, int rc, const struct bt_err *err)
{
    (void)req;
    (void)err;
    assert_int_equal(rc, 0);
}

static void make_disk(struct fixture *f, const struct instance_spec *spec)
{
    struct driver_req req = {.spec = spec, .done = done};
    f->drivers[0]->ops->disk_ensure(f->drivers[0], &req);
    bt_loop_run(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = bt_xcalloc(1, sizeof *f);
    f->loop = bt_loop_new_virtual(0);
    bt_random_seeded_init(&f->rnd, 1);
    f->kernel = fake_kernel_new(&(struct fake_config){.loop = f->loop, .random = &f->rnd.table});
    f->drivers[0] = f->drivers[1] = fake_driver_new(f->kernel);
    for (int i = 0; i < 3; i++) {
        f->rows[i] = (struct journal_instance){
            .uuid = uuids[i], .id_base = BASE + i * JOURNAL_IDS_EACH, .desired = DESIRED_RUNNING};
        f->specs[i] = (struct instance_spec){.uuid = uuids[i]};
        f->instances[i] = (struct check_instance){&f->rows[i], &f->specs[i], f->drivers[0]};
        make_disk(f, &f->specs[i]);
    }
    f->cfg = (struct check_config){.instances = f->instances,
                                   .n_instances = 3,
                                   .drivers = f->drivers,
                                   .n_drivers = 2,
                                   .ids = {BASE, 3 * JOURNAL_IDS_EACH}};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->drivers[0]->ops->free(f->drivers[0]);
    fake_kernel_free(f->kernel);
    bt_loop_free(f->loop);
    free(f);
    return 0;
}

/* Findings; the object of the first one is @object. */
static size_t findings(struct fixture *f, const char *object)
{
    struct link_doctor out = {0};
    check_run(&f->cfg, &out);
    const struct link_doctor_finding *first = out.findings.items;
    size_t n = out.findings.len;
    if (n && object)
        assert_string_equal(first->object, object);
    bt_schema_free(&link_doctor_schema, &out);
    return n;
}

static void clean(void **state)
{
    assert_int_equal(findings(*state, NULL), 0);
}

static void overlapping_ids(void **state)
{
    struct fixture *f = *state;
    f->rows[2].id_base = f->rows[1].id_base + 1;
    assert_int_equal(findings(f, uuids[2]), 1);
}

static void ids_out_of_range(void **state)
{
    struct fixture *f = *state;
    f->cfg.ids.count -= 1;
    assert_int_equal(findings(f, uuids[2]), 1);
}

static void strays(void **state)
{
    struct fixture *f = *state;
    f->cfg.n_instances = 2;
    assert_int_equal(findings(f, uuids[2]), 1); /* once, though two kinds share the driver */
}

static void missing_driver(void **state)
{
    struct fixture *f = *state;
    f->instances[0].driver = NULL;
    assert_int_equal(findings(f, uuids[0]), 1);
}

static void trash_against_desire(void **state)
{
    struct fixture *f = *state;
    f->rows[0].trashed_at = 1;
    assert_int_equal(findings(f, uuids[0]), 1);
    f->rows[0].desired = DESIRED_DELETED;
    assert_int_equal(findings(f, NULL), 0);
}

static void kernel_differs(void **state)
{
    struct fixture *f = *state;
    fake_kernel_find(f->kernel, uuids[1])->disk = false;
    assert_int_equal(findings(f, uuids[1]), 1);
}

static void never_too_many(void **state)
{
    struct fixture *f = *state;
    char uuid[37];
    for (int i = 10; i < 1200; i++) {
        (void)snprintf(uuid, sizeof uuid, "00000000-0000-4000-8000-%012d", i);
        make_disk(f, &(struct instance_spec){.uuid = uuid});
    }
    assert_int_equal(findings(f, NULL), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        T(clean),          T(overlapping_ids),      T(ids_out_of_range), T(strays),
        T(missing_driver), T(trash_against_desire), T(kernel_differs),   T(never_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
