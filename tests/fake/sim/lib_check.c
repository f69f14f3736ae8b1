/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/sched/sched.h"
#include "db/core/db_sql.h"
#include "db/repo/repo_audit.h"
#include "db/repo/repo_host.h"
#include "db/repo/repo_instance.h"
#include "db/repo/repo_task.h"
#include "tests/fake/sim/lib_sim.h"

/* ---- quiet ---- */

static int count_open(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return repo_task_count_open(tx, arg, err);
}

static bool agent_idle(struct sim_agent *a)
{
    struct job_view v;
    size_t pos = 0;
    if (!a->alive)
        return false;
    while (job_next(a->job, &pos, &v))
        if (v.busy)
            return false;
    return true;
}

static bool is_quiet(struct sim *s)
{
    int64_t open = 0;
    if (!s->up || sim_client_busy(s))
        return false;
    for (int i = 0; i < s->n_agents; i++)
        if (!agent_idle(&s->agents[i]) || !agentlink_live(s->svc.link, i + 1))
            return false;
    sim_tx(s, count_open, &open);
    return open == 0;
}

/* The story of one instance, for whoever reads a failure. */
static int story(struct db_tx *tx, void *arg, struct bt_err *err)
{
    char *text = NULL;
    int rc =
        db_text(tx,
                "SELECT group_concat(line, char(10)) FROM (SELECT line FROM ("
                " SELECT created_at AS at, created_at || ' task ' || id || ' ' || action || ' '"
                "  || state || ' gen ' || generation || ' started ' || started_at || ' finished '"
                "  || finished_at || ' ' || coalesce(error_code || ' ' || error_message, '') ||"
                "  ' ' || args AS line FROM tasks WHERE instance_id = ?1"
                " UNION ALL SELECT at, at || ' event ' || type || ' ' || data FROM outbox"
                "  WHERE resource_type = 'instance' AND resource_id = ?1) ORDER BY at)",
                DB_ARGS(DB_I(*(int64_t *)arg)), &text, err);
    if (rc >= 0)
        fprintf(stderr, "%s\n", text ? text : "no story");
    free(text);
    return rc;
}

static int open_tasks(struct db_tx *tx, void *arg, struct bt_err *err)
{
    char **text = arg;
    return db_text(tx,
                   "SELECT coalesce(group_concat(id || ' ' || action || ' ' || state || ' host ' ||"
                   " host_id || ' instance ' || instance_id, '; '), 'none') FROM tasks WHERE"
                   " finished_at = 0",
                   DB_NOARGS, text, err);
}

/* Who keeps it from being quiet. */
static void say_why(struct sim *s)
{
    char *tasks = NULL;
    if (!s->up)
        return;
    sim_tx(s, open_tasks, &tasks);
    fprintf(stderr, "open tasks: %s\n", tasks);
    const char *at = strstr(tasks, "instance ");
    int64_t id = 0;
    for (const char *p = at ? at + 9 : ""; *p >= '0' && *p <= '9'; p++)
        id = id * 10 + (*p - '0');
    sim_tx(s, story, &id);
    free(tasks);
    for (int i = 0; i < s->n_agents; i++) {
        struct sim_agent *a = &s->agents[i];
        struct job_view v;
        size_t pos = 0;
        if (!a->alive || !agentlink_live(s->svc.link, i + 1))
            fprintf(stderr, "host %d: alive %d live %d\n", i + 1, a->alive,
                    agentlink_live(s->svc.link, i + 1));
        while (a->alive && job_next(a->job, &pos, &v))
            if (v.busy)
                fprintf(stderr, "host %d: %s is busy\n", i + 1, v.uuid);
    }
}

bool sim_quiet(struct sim *s, int64_t ms)
{
    int calm = 0;
    for (int64_t t = 0; t < ms; t += 500) {
        sim_run(s, 500);
        calm = is_quiet(s) ? calm + 1 : 0;
        if (calm == 10)
            return true;
    }
    say_why(s);
    return false;
}

/* ---- the rows ---- */

struct scan {
    struct sim *s;
    struct bt_arr rows; /* struct repo_instance_row, all */
};

static int all_rows(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct scan *k = arg;
    return db_rows(tx, &repo_instance_table, "SELECT * FROM instances ORDER BY id", DB_NOARGS,
                   &k->rows, err);
}

static struct fake_instance *kernel_of(struct sim *s, int host, const char *uuid)
{
    return fake_kernel_find(s->agents[host].kernel, uuid);
}

static bool is_alone(struct sim *s, const struct repo_instance_row *r)
{
    for (int i = 0; i < s->n_agents; i++)
        if (i + 1 != r->host_id && kernel_of(s, i, r->uuid))
            return sim_fail(s, "I1: %s of host %lld is on host %d too", r->name,
                            (long long)r->host_id, i + 1);
    return true;
}

static bool check_purged(struct sim *s, const struct repo_instance_row *r,
                         const struct fake_instance *f)
{
    if (f)
        return sim_fail(s, "I5: %s (%s) is purged, and its host has something", r->name, r->uuid);
    return true;
}

static bool check_trashed(struct sim *s, const struct repo_instance_row *r,
                          const struct fake_instance *f)
{
    if (!r->error_code && f && (f->disk || f->running || f->port))
        return sim_fail(s, "I1: %s (%s) is in the trash, but disk %d running %d port %d", r->name,
                        r->uuid, f->disk, f->running, f->port);
    return true;
}

static int agent_says(struct sim *s, const struct repo_instance_row *r)
{
    struct job_view v;
    return job_view(s->agents[r->host_id - 1].job, r->uuid, &v) ? v.state : -1;
}

static bool check_live(struct sim *s, const struct repo_instance_row *r,
                       const struct fake_instance *f)
{
    bool run = r->desired == DESIRED_RUNNING && !r->suspended;
    if (r->error_code)
        return true; /* it says so itself */
    if (!f || !f->disk)
        return sim_fail(s, "I1: %s (%s) has no disk on host %lld", r->name, r->uuid,
                        (long long)r->host_id);
    if (r->observed_generation != r->generation)
        return sim_fail(s, "I11: %s (%s) is at generation %lld of %lld", r->name, r->uuid,
                        (long long)r->observed_generation, (long long)r->generation);
    if (r->state == INSTANCE_ERROR && agent_says(s, r) == INSTANCE_ERROR)
        return true; /* a rebuild that was interrupted: a start finishes it */
    if (f->running != run)
        return sim_fail(s, "I11: %s (%s) desired %s suspended %lld, running %d", r->name, r->uuid,
                        enum_desired[r->desired], (long long)r->suspended, f->running);
    int state = !f->running ? INSTANCE_STOPPED : f->frozen ? INSTANCE_PAUSED : INSTANCE_RUNNING;
    if (r->state != state)
        return sim_fail(s, "I11: %s (%s) is %s, the controller says %s", r->name, r->uuid,
                        enum_instance_state[state], enum_instance_state[r->state]);
    if ((r->paused && f->running) != f->frozen)
        return sim_fail(s, "I11: %s paused %d, frozen %d", r->name, r->paused, f->frozen);
    return true;
}

static bool check_row(struct sim *s, const struct repo_instance_row *r)
{
    const struct fake_instance *f = r->host_id ? kernel_of(s, (int)r->host_id - 1, r->uuid) : NULL;
    if (!is_alone(s, r))
        return false;
    if (r->locked_by)
        return sim_fail(s, "I5: %s is locked by task %lld", r->name, (long long)r->locked_by);
    if (r->purged_at)
        return check_purged(s, r, f);
    return r->trashed_at ? check_trashed(s, r, f) : check_live(s, r, f);
}

/* Whatever a host has is a row's. */
static bool check_kernels(struct sim *s, const struct bt_map *rows)
{
    for (int i = 0; i < s->n_agents; i++) {
        struct fake_instance *f;
        size_t pos = 0;
        while ((f = fake_kernel_next(s->agents[i].kernel, &pos))) {
            const struct repo_instance_row *r = bt_map_find(rows, f->uuid);
            if (!r || r->purged_at)
                return sim_fail(s, "I5: host %d has %s, which is nobody's", i + 1, f->uuid);
        }
    }
    return true;
}

/* ---- addresses as the agents apply them ---- */

static bool check_addresses(struct sim *s)
{
    struct bt_map taken = BT_MAP_INIT;
    bool ok = true;
    for (int i = 0; i < s->n_agents; i++) {
        struct job_view v;
        size_t pos = 0;
        while (job_next(s->agents[i].job, &pos, &v)) {
            const struct spec_nic *nic = v.spec->nics.items;
            for (size_t n = 0; nic && n < v.spec->nics.len; n++) {
                const struct spec_address *a = nic[n].addresses.items;
                if (bt_map_set(&taken, nic[n].mac, s))
                    ok = sim_fail(s, "I3: MAC %s twice", nic[n].mac);
                for (size_t k = 0; k < nic[n].addresses.len; k++)
                    if (bt_map_set(&taken, a[k].address, s))
                        ok = sim_fail(s, "I3: address %s twice", a[k].address);
            }
        }
    }
    bt_map_fini(&taken);
    return ok;
}

static int odd_addresses(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_int(tx,
                  "SELECT COUNT(*) FROM (SELECT i.id FROM instances i LEFT JOIN addresses a"
                  " ON a.instance_id = i.id GROUP BY i.id, i.purged_at"
                  " HAVING COUNT(a.id) <> CASE WHEN i.purged_at = 0 THEN 2 ELSE 0 END)",
                  DB_NOARGS, arg, err);
}

/* ---- what is sold ---- */

struct sold {
    struct sim *s;
    int64_t host_id;
    struct repo_host_allocated a;
};

static int allocated(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct sold *k = arg;
    return repo_host_allocated(tx, k->host_id, &k->a, err);
}

static bool check_sold(struct sim *s)
{
    for (int i = 1; i <= s->n_agents; i++) {
        struct sched_host h;
        struct sold k = {.s = s, .host_id = i};
        sim_tx(s, allocated, &k);
        if (!sched_host_get(s->svc.sched, i, &h))
            return sim_fail(s, "placement does not know host %d", i);
        if (h.allocated.cpus != k.a.cpus || h.allocated.memory_bytes != k.a.memory_bytes ||
            h.allocated.disk_bytes != k.a.disk_bytes || h.allocated.instances != k.a.instances)
            return sim_fail(s,
                            "host %d: placement has %lld cpus %lld instances, the rows %lld %lld",
                            i, (long long)h.allocated.cpus, (long long)h.allocated.instances,
                            (long long)k.a.cpus, (long long)k.a.instances);
        if (k.a.cpus > h.sellable.cpus || k.a.memory_bytes > h.sellable.memory_bytes ||
            k.a.disk_bytes > h.sellable.disk_bytes)
            return sim_fail(s, "I4: host %d is oversold", i);
    }
    return true;
}

/* ---- what was acknowledged ---- */

static bool check_acked(struct sim *s, const struct bt_map *rows)
{
    BT_LIST_FOREACH(it, &s->reqs) {
        const struct sim_req *r = BT_CONTAINER_OF(it, struct sim_req, link);
        const char *at = r->acked && r->is_create ? strstr(r->answer, "\"uuid\":\"") : NULL;
        char uuid[37];
        if (!at)
            continue;
        (void)snprintf(uuid, sizeof uuid, "%.36s", at + 8);
        if (!bt_map_find(rows, uuid))
            return sim_fail(s, "I6: create %s was acknowledged, and %s is nowhere", r->key, uuid);
    }
    return true;
}

static int without_tombstone(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_int(tx,
                  "SELECT COUNT(*) FROM instances i WHERE (i.trashed_at > 0 AND i.purged_at = 0)"
                  " AND NOT EXISTS (SELECT 1 FROM tombstones t WHERE t.uuid = i.uuid)",
                  DB_NOARGS, arg, err);
}

static int audit(struct db_tx *tx, void *arg, struct bt_err *err)
{
    struct repo_audit_head at = {0};
    int64_t n = 500;
    int rc = 0;
    (void)arg;
    while (rc >= 0 && n == 500)
        rc = repo_audit_verify(tx, &at, 500, &n, err);
    return rc;
}

/* Results that nobody can have acted on: an error that is a mistake of ours. */
static int internal_errors(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_int(tx,
                  "SELECT COUNT(*) FROM tasks WHERE error_code IN ('internal', 'invalid',"
                  " 'stale_generation', 'unknown_operation', 'protocol')",
                  DB_NOARGS, arg, err);
}

static int skipped(struct db_tx *tx, void *arg, struct bt_err *err)
{
    return db_int(tx,
                  "SELECT COUNT(*) FROM alarms WHERE kind IN ('report_skipped',"
                  " 'instance_missing', 'instance_twice')",
                  DB_NOARGS, arg, err);
}

static int say_alarms(struct db_tx *tx, void *arg, struct bt_err *err)
{
    char *text = NULL;
    (void)arg;
    int rc = db_text(tx,
                     "SELECT group_concat(kind || ': ' || text, '; ') FROM alarms WHERE kind IN"
                     " ('report_skipped', 'instance_missing', 'instance_twice')",
                     DB_NOARGS, &text, err);
    if (rc >= 0 && text)
        fprintf(stderr, "%s\n", text);
    free(text);
    int64_t id = 0;
    if (rc >= 0)
        rc = db_int(tx,
                    "SELECT coalesce(max(resource_id), 0) FROM alarms WHERE resource_type ="
                    " 'instance'",
                    DB_NOARGS, &id, err);
    return rc < 0 || !id ? rc : story(tx, &id, err);
}

static bool check_zero(struct sim *s, int (*fn)(struct db_tx *tx, void *arg, struct bt_err *err),
                       const char *what)
{
    int64_t n = 0;
    sim_tx(s, fn, &n);
    return n == 0 || sim_fail(s, "%s: %lld", what, (long long)n);
}

bool sim_check(struct sim *s)
{
    struct scan k = {.s = s};
    struct bt_map rows = BT_MAP_INIT;
    sim_tx(s, all_rows, &k);
    struct repo_instance_row *r = k.rows.items;
    bool ok = s->failure[0] == '\0';
    for (size_t i = 0; i < k.rows.len; i++) {
        (void)bt_map_set(&rows, r[i].uuid, &r[i]);
        if (ok && !check_row(s, &r[i])) {
            ok = false;
            sim_tx(s, story, &r[i].id);
        }
    }
    ok = ok && check_kernels(s, &rows) && check_acked(s, &rows) && check_addresses(s) &&
         check_sold(s) && check_zero(s, odd_addresses, "I3: instances with odd addresses") &&
         check_zero(s, without_tombstone, "I8: in the trash without a tombstone") &&
         check_zero(s, internal_errors, "tasks that ended in a mistake of ours") &&
         check_zero(s, skipped, "alarms that should not be");
    if (ok)
        sim_tx(s, audit, NULL);
    else
        sim_tx(s, say_alarms, NULL);
    bt_map_fini(&rows);
    db_rows_free(&repo_instance_table, &k.rows);
    return ok;
}
