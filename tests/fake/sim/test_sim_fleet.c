/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: controller_service agent_link */
/* A fleet of 20 hosts under random verbs and faults, seed by seed. BERTH_SEED=N repeats one,
 * SIM_SEEDS=N runs as many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "db/core/db_sql.h"
#include "tests/fake/sim/lib_sim.h"

#include <cmocka.h>

#define SEEDS 12
#define AGENTS 20
#define STEPS 150

static int64_t seed_from_env(const char *name, int64_t fallback)
{
    const char *v = getenv(name);
    int64_t n = fallback;
    if (v && *v)
        (void)bt_parse_i64(v, INT64_MIN, INT64_MAX, &n, NULL);
    return n;
}

/* ---- faults ---- */

static void agent_fault(struct sim *s, struct sim_agent *a)
{
    static const enum fake_fault faults[] = {FAKE_FAIL, FAKE_FAIL_AFTER, FAKE_CRASH_BEFORE,
                                             FAKE_CRASH_AFTER};
    switch (sim_below(s, 6)) {
    case 0:
        if (!bt_timer_running(&a->crash_timer) && a->alive)
            bt_timer_start(&a->crash_timer, 0);
        break;
    case 1:
        a->die_at_write = a->writes + 1 + sim_below(s, 6);
        break;
    case 2:
        rpc_sim_cut(s->net, a->name);
        break;
    case 3:
        rpc_sim_partition(s->net, a->name, true);
        break;
    case 4:
        fake_kernel_fault(a->kernel, fake_kernel_calls(a->kernel) + 1 + sim_below(s, 5),
                          faults[sim_below(s, 4)], BT_E_KERNEL);
        break;
    default:
        rpc_sim_partition(s->net, a->name, false);
        break;
    }
}

static void one_fault(struct sim *s)
{
    s->n_faults++;
    if (sim_below(s, 8) == 0) {
        sim_controller_kill(s);
        sim_run(s, sim_below(s, 3) ? sim_below(s, 3000) : sim_below(s, 70000));
        sim_controller_start(s);
        return;
    }
    agent_fault(s, &s->agents[sim_below(s, s->n_agents)]);
}

static void end_faults(struct sim *s)
{
    sim_controller_start(s);
    for (int i = 0; i < s->n_agents; i++) {
        struct sim_agent *a = &s->agents[i];
        a->die_at_write = 0;
        fake_kernel_fault(a->kernel, 0, FAKE_FAIL, BT_E_OK);
        rpc_sim_partition(s->net, a->name, false);
    }
}

static void turbulence(struct sim *s, int steps)
{
    for (int i = 0; i < steps && !s->failure[0]; i++) {
        for (int64_t burst = sim_below(s, 4); burst >= 0; burst--)
            sim_client_step(s);
        if (sim_below(s, 40) == 0) { /* before anything of it is answered */
            sim_controller_kill(s);
            sim_run(s, sim_below(s, 2000));
            sim_controller_start(s);
        }
        sim_run(s, sim_below(s, 10) ? sim_below(s, 300) : sim_below(s, 20000));
        if (sim_below(s, 4) == 0)
            one_fault(s);
        if (sim_below(s, 6) == 0)
            sim_client_replay(s);
        if (sim_below(s, 10) == 0)
            sim_client_retry_lost(s);
    }
}

static int print_tasks(struct db_tx *tx, void *arg, struct bt_err *err)
{
    (void)arg;
    char *text = NULL;
    int rc = db_text(tx,
                     "SELECT group_concat(n || ' ' || action || ' ' || state || code, ', ') FROM"
                     " (SELECT COUNT(*) AS n, action, state, coalesce(' ' || error_code, '') AS"
                     " code FROM tasks GROUP BY action, state, error_code)",
                     DB_NOARGS, &text, err);
    if (rc >= 0)
        print_message("# %s\n", text ? text : "no tasks");
    free(text);
    return rc;
}

static void run_seed(uint64_t seed)
{
    struct sim *s = bt_xcalloc(1, sizeof *s);
    sim_init(s, seed, AGENTS);
    turbulence(s, STEPS);
    end_faults(s);
    sim_run(s, 1000);
    sim_client_retry_lost(s);
    if (!s->failure[0] && !sim_quiet(s, 200000))
        (void)sim_fail(s, "I11: not quiet after 200 s");
    if (!s->failure[0])
        (void)sim_check(s);
    print_message("# seed %llu: %d requests, %d acknowledged, %d refused, %d replayed, %d lost, %d "
                  "faults, %d lives\n",
                  (unsigned long long)seed, s->n_reqs, s->n_acked, s->n_refused, s->n_replayed,
                  s->n_lost, s->n_faults, s->lives);
    if (getenv("SIM_VERBOSE") && s->up)
        sim_tx(s, print_tasks, NULL);
    char failure[sizeof s->failure];
    (void)snprintf(failure, sizeof failure, "%s", s->failure);
    sim_fini(s);
    free(s);
    if (failure[0])
        fail_msg("seed %llu: %s", (unsigned long long)seed, failure);
}

static void seeds(void **state)
{
    (void)state;
    int64_t first = seed_from_env("BERTH_SEED", 1), n = seed_from_env("SIM_SEEDS", SEEDS);
    for (int64_t i = 0; i < n; i++)
        run_seed((uint64_t)(first + i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
