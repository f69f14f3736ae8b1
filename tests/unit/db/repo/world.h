/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* A controller database with one tenant, location, host, plan and image; tests run inside its
 * transactions. */
#include "db/core/db_migrate.h"
#include "db/repo/repo_host.h"
#include "db/repo/repo_image.h"
#include "db/repo/repo_instance.h"
#include "db/repo/repo_location.h"
#include "db/repo/repo_plan.h"
#include "db/repo/repo_pool.h"
#include "db/repo/repo_tenant.h"
#include "tests/unit/db/dbt.h"

struct world {
    struct dbt t;
    int64_t tenant, location, host, plan, image;
    int serial;
};

#define OK(call) assert_int_equal((call), 0)
#define CODE(call, code) assert_int_equal((call), -(int)(code))

static inline int world_tx(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct world *w = arg;
    struct repo_tenant_row tenant = {.name = (char *)"demo"};
    struct repo_location_row location = {.name = (char *)"lab"};
    struct repo_plan_row plan = {.name = (char *)"small", .drivers = 1, .features = 15};
    struct repo_image_row image = {.name = (char *)"tiny", .state = IMAGE_READY};
    OK(repo_tenant_insert(tx, &tenant, err));
    OK(repo_location_insert(tx, &location, err));
    OK(repo_plan_insert(tx, &plan, err));
    OK(repo_image_insert(tx, &image, err));
    struct repo_host_row host = {
        .name = (char *)"h1", .location_id = location.id, .state = HOST_ONLINE};
    OK(repo_host_insert(tx, &host, err));
    w->tenant = tenant.id;
    w->location = location.id;
    w->host = host.id;
    w->plan = plan.id;
    w->image = image.id;
    return 0;
}

static inline int world_setup(void **state)
{
    struct world *w = bt_xcalloc(1, sizeof *w);
    dbt_init(&w->t, bt_migrations_controller);
    w->t.cfg.sync_off = true;
    dbt_open(&w->t);
    dbt_run(&w->t, world_tx, w);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;
    dbt_fini(&w->t);
    free(w);
    return 0;
}

/* An instance with the given name of the given tenant; the caller frees the row. */
static inline struct repo_instance_row world_instance(struct world *w, const char *name,
                                                      int64_t tenant)
{
    w->serial++;
    return (struct repo_instance_row){
        .uuid = bt_xasprintf("00000000-0000-4000-8000-%012d", w->serial),
        .tenant_id = tenant,
        .name = bt_xstrdup(name),
        .hostname = bt_xstrdup(name),
        .plan_id = w->plan,
        .image_id = w->image,
        .driver = DRIVER_CONTAINER,
        .host_id = w->host,
        .desired = DESIRED_RUNNING,
        .desired_by = DESIRED_BY_USER,
        .state = INSTANCE_PENDING,
        .alloc_cpus = 1,
        .alloc_memory_bytes = 1 << 20,
        .alloc_disk_bytes = 1 << 30,
        .generation = 1,
    };
}

static inline int64_t world_add(struct world *w, struct db_tx *tx, const char *name, int64_t tenant)
{
    struct repo_instance_row r = world_instance(w, name, tenant);
    struct bt_err err = BT_ERR_INIT;
    if (repo_instance_insert(tx, &r, &err) < 0)
        fail_msg("instance %s: %s", name, err.msg);
    int64_t id = r.id;
    repo_instance_row_free(&r);
    return id;
}

/* A test that runs inside one transaction: body(w, tx). */
#define IN_WORLD(name)                                                                             \
    static void name##_body(struct world *w, struct db_tx *tx);                                    \
    static int name##_tx(struct db_tx *tx, void *arg, struct bt_err *err)                          \
    {                                                                                              \
        (void)err;                                                                                 \
        name##_body(arg, tx);                                                                      \
        return 0;                                                                                  \
    }                                                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct world *w = *state;                                                                  \
        dbt_run(&w->t, name##_tx, w);                                                              \
    }                                                                                              \
    static void name##_body(struct world *w, struct db_tx *tx)

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
