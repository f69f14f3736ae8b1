/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/check/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define FINDINGS_MAX 1000

struct text {
    const char *object, *expected, *found, *fix;
};

static void add(struct link_doctor *out, int kind, const struct text *t)
{
    struct link_doctor_finding *f = bt_arr_push(&out->findings, sizeof *f);
    *f = (struct link_doctor_finding){.kind = kind,
                                      .object = bt_xstrdup(t->object),
                                      .expected = bt_xstrdup(t->expected),
                                      .found = bt_xstrdup(t->found),
                                      .fix = bt_xstrdup(t->fix)};
}

/* ---- the journal with itself ---- */

static int by_base(const void *a, const void *b)
{
    const struct journal_instance *x = *(const struct journal_instance *const *)a;
    const struct journal_instance *y = *(const struct journal_instance *const *)b;
    return (x->id_base > y->id_base) - (x->id_base < y->id_base);
}

static void check_range(const struct check_config *cfg, const struct journal_instance *row,
                        struct link_doctor *out)
{
    char found[64];
    if (row->id_base >= cfg->ids.base &&
        row->id_base + JOURNAL_IDS_EACH <= cfg->ids.base + cfg->ids.count)
        return;
    (void)snprintf(found, sizeof found, "range %" PRId64, row->id_base);
    add(out, DOCTOR_ROW,
        &(struct text){row->uuid, "a range of host ids within agent.conf's", found,
                       "put id_base and id_count back to what they were"});
}

static void check_ids(const struct check_config *cfg, struct link_doctor *out)
{
    const struct journal_instance **rows =
        bt_xcalloc(cfg->n_instances + 1, sizeof(struct journal_instance *));
    size_t n = 0;
    for (size_t i = 0; i < cfg->n_instances; i++) {
        if (cfg->instances[i].row->id_base)
            rows[n++] = cfg->instances[i].row;
    }
    qsort(rows, n, sizeof(struct journal_instance *), by_base);
    for (size_t i = 0; i < n; i++) {
        check_range(cfg, rows[i], out);
        if (i > 0 && rows[i]->id_base < rows[i - 1]->id_base + JOURNAL_IDS_EACH)
            add(out, DOCTOR_ROW,
                &(struct text){rows[i]->uuid, "host ids of its own", rows[i - 1]->uuid,
                               "delete one of the two"});
    }
    free(rows);
}

static void check_rows(const struct check_config *cfg, struct link_doctor *out)
{
    for (size_t i = 0; i < cfg->n_instances; i++) {
        const struct check_instance *in = &cfg->instances[i];
        if (in->row->trashed_at && in->row->desired != DESIRED_DELETED)
            add(out, DOCTOR_ROW,
                &(struct text){in->row->uuid, "in the trash only when it shall be deleted",
                               enum_desired[in->row->desired], "restore it"});
        if (!in->driver)
            add(out, DOCTOR_ROW,
                &(struct text){in->row->uuid, "a driver on this host", enum_driver[in->row->driver],
                               "make the driver available"});
    }
}

/* ---- the kernel with the journal ---- */

static void check_strays(const struct check_config *cfg, struct driver *d, struct link_doctor *out)
{
    struct bt_map known = BT_MAP_INIT;
    struct bt_arr uuids = {0};
    struct bt_err err = BT_ERR_INIT;
    for (size_t i = 0; i < cfg->n_instances; i++)
        (void)bt_map_set(&known, cfg->instances[i].row->uuid, d);
    if (d->ops->list(d, &uuids, &err) < 0)
        add(out, DOCTOR_ROW,
            &(struct text){d->ops->name, "a list of what is there", err.msg, NULL});
    char **all = uuids.items;
    for (size_t i = 0; i < uuids.len; i++) {
        if (!bt_map_find(&known, all[i]))
            add(out, DOCTOR_ROW,
                &(struct text){all[i], "in the journal",
                               "something of it is on this host, and the journal does not know it",
                               "adopt it, or remove it by hand"});
        free(all[i]);
    }
    free(uuids.items);
    bt_map_fini(&known);
}

/* The driver is shown the specs with what the journal wants of each, not what was asked first. */
static void check_driver(const struct check_config *cfg, struct driver *d, struct link_doctor *out)
{
    struct bt_arr specs = {0};
    for (size_t i = 0; i < cfg->n_instances; i++) {
        const struct check_instance *in = &cfg->instances[i];
        if (in->driver != d)
            continue;
        struct instance_spec *s = bt_arr_push(&specs, sizeof *s);
        *s = *in->spec;
        s->desired = in->row->trashed_at ? DESIRED_DELETED : in->row->desired;
    }
    d->ops->check(d, &specs, out);
    free(specs.items);
}

static bool asked_before(const struct check_config *cfg, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (cfg->drivers[k] == cfg->drivers[i])
            return true;
    }
    return false;
}

void check_run(const struct check_config *cfg, struct link_doctor *out)
{
    check_ids(cfg, out);
    check_rows(cfg, out);
    for (size_t i = 0; i < cfg->n_drivers; i++) {
        if (!cfg->drivers[i] || asked_before(cfg, i))
            continue;
        check_strays(cfg, cfg->drivers[i], out);
        check_driver(cfg, cfg->drivers[i], out);
    }
    if (cfg->more)
        cfg->more(cfg->ctx, out);
    struct link_doctor_finding *f = out->findings.items;
    while (out->findings.len > FINDINGS_MAX) {
        struct link_doctor_finding *last = &f[--out->findings.len];
        free(last->object);
        free(last->expected);
        free(last->found);
        free(last->fix);
    }
}
