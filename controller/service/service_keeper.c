/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_keeper.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "controller/service/service_trash.h"
#include "db/repo/repo_event.h"
#include "db/repo/repo_idem.h"
#include "db/repo/repo_task.h"

#define EVERY_MS 60000
#define BATCH 500
#define HOUR_MS (INT64_C(3600) * 1000)
#define DAY_MS (24 * HOUR_MS)

struct service_keeper {
    struct service *svc;
    struct bt_timer timer;
    struct db_work work;
    struct agentlink_out out;
    bool busy, stopped;
};

static int forget(struct db_tx *tx, struct bt_err *err)
{
    int64_t hours, days, n, now = db_tx_now_ms(tx);
    int rc = service_setting_int(tx, "idempotency_hours", &hours, err);
    if (rc >= 0)
        rc = service_setting_int(tx, "event_days", &days, err);
    if (rc >= 0)
        rc = repo_idem_erase_secrets(tx, now - hours * HOUR_MS, &n, err);
    if (rc >= 0)
        rc = repo_idem_prune(tx, now - 2 * hours * HOUR_MS, BATCH, &n, err);
    if (rc >= 0)
        rc = repo_event_prune(tx, now - days * DAY_MS, BATCH, &n, err);
    if (rc >= 0)
        rc = repo_task_prune(tx, now - days * DAY_MS, BATCH, &n, err);
    return rc;
}

static int apply(struct db_tx *tx, struct db_work *w, struct bt_err *err)
{
    struct service_keeper *k = BT_CONTAINER_OF(w, struct service_keeper, work);
    agentlink_out_reset(&k->out);
    int rc = service_trash_remind(tx, &k->out, err);
    if (rc >= 0)
        rc = service_trash_due(tx, k->svc, &k->out, err);
    return rc < 0 ? rc : forget(tx, err);
}

static void done(struct db_work *w, int rc, const struct bt_err *err)
{
    struct service_keeper *k = BT_CONTAINER_OF(w, struct service_keeper, work);
    (void)err; /* the next minute tries again */
    k->busy = false;
    if (rc >= 0)
        service_flush(k->svc, &k->out);
    agentlink_out_reset(&k->out);
    if (!k->stopped)
        bt_timer_start(&k->timer, EVERY_MS);
}

static void tick(struct bt_timer *t)
{
    struct service_keeper *k = BT_CONTAINER_OF(t, struct service_keeper, timer);
    k->work = (struct db_work){.apply = apply, .done = done};
    k->busy = db_submit(k->svc->db, &k->work, NULL) >= 0;
    if (!k->busy)
        bt_timer_start(&k->timer, EVERY_MS);
}

struct service_keeper *service_keeper_new(struct service *svc)
{
    struct service_keeper *k = bt_xcalloc(1, sizeof *k);
    k->svc = svc;
    bt_timer_init(&k->timer, svc->loop, tick);
    bt_timer_start(&k->timer, EVERY_MS);
    return k;
}

void service_keeper_stop(struct service_keeper *k)
{
    k->stopped = true;
    bt_timer_stop(&k->timer);
}

void service_keeper_free(struct service_keeper *k)
{
    if (!k)
        return;
    assert(!k->busy);
    agentlink_out_reset(&k->out);
    free(k);
}
