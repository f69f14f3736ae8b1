/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locations and host groups. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "controller/service/service_fleet.h"
#include "controller/service/service_host_sched.h"
#include "db/repo/repo_host_group.h"
#include "db/repo/repo_location.h"
#include "db/repo/repo_ref.h"
#include "proto/api_fleet.h"

static char *borrow(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void location_view(const struct repo_location_row *row, struct api_location *ret)
{
    *ret = (struct api_location){.id = row->id,
                                 .name = borrow(row->name),
                                 .description = borrow(row->description),
                                 .created_at = row->created_at};
}

static int location_answer(struct service_call *c, int status, const struct repo_location_row *row)
{
    struct api_location l;
    location_view(row, &l);
    service_answer_obj(c, status, &api_location_schema, &l);
    c->answer.etag = row->version;
    service_audited(c, "location", row->id, 0);
    return 0;
}

static int location_load(struct db_tx *tx, struct service_call *c, struct repo_location_row *ret,
                         struct bt_err *err)
{
    int64_t id = 0;
    int rc = repo_ref_resolve(tx, REPO_REF_LOCATION, &c->target, &id, err);
    return rc < 0 ? rc : repo_location_get(tx, id, ret, err);
}

static int location_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    int rc = repo_location_list(tx, c->page.after_id, limit + 1, &rows, err);
    const struct repo_location_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; i < n; i++) {
        struct api_location l;
        location_view(&row[i], &l);
        service_list_add(c, &api_location_schema, &l);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_location_table, &rows);
    return rc;
}

static int location_get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_location_row_free) struct repo_location_row row = {0};
    int rc = location_load(tx, c, &row, err);
    return rc < 0 ? rc : location_answer(c, 200, &row);
}

static void location_fields(const struct api_location *in, struct repo_location_row *row)
{
    if (in->name) {
        free(row->name);
        row->name = bt_xstrdup(in->name);
    }
    if (in->description) {
        free(row->description);
        row->description = bt_xstrdup(in->description);
    }
}

static int location_create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_location_row_free) struct repo_location_row row = {0};
    const struct api_location *in = c->args;
    if (!in->name)
        return service_bad_field(c, err, "name", "required", "is missing");
    location_fields(in, &row);
    int rc = repo_location_insert(tx, &row, err);
    if (rc < 0)
        return rc;
    service_location(c, "/api/v1/locations/%lld", (long long)row.id);
    return location_answer(c, 201, &row);
}

static int location_patch(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_location_row_free) struct repo_location_row row = {0};
    int rc = location_load(tx, c, &row, err);
    if (rc >= 0)
        rc = service_match(c, row.version, err);
    if (rc < 0)
        return rc;
    location_fields(c->args, &row);
    rc = repo_location_update(tx, &row, err);
    return rc < 0 ? rc : location_answer(c, 200, &row);
}

static int location_delete(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_location_row_free) struct repo_location_row row = {0};
    int rc = location_load(tx, c, &row, err);
    if (rc >= 0)
        rc = repo_location_delete(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "location", row.id, 0);
    service_answer_none(c);
    return 0;
}

static void group_view(const struct repo_host_group_row *row, struct api_host_group *ret)
{
    *ret = (struct api_host_group){.id = row->id,
                                   .name = borrow(row->name),
                                   .policy = row->policy,
                                   .overcommit = {.cpu_milli = row->overcommit_cpu_milli,
                                                  .memory_milli = row->overcommit_memory_milli,
                                                  .disk_milli = row->overcommit_disk_milli,
                                                  .reserve_memory_bytes = row->reserve_memory_bytes,
                                                  .reserve_disk_bytes = row->reserve_disk_bytes},
                                   .created_at = row->created_at};
}

static int group_answer(struct service_call *c, int status, const struct repo_host_group_row *row)
{
    struct api_host_group g;
    group_view(row, &g);
    service_answer_obj(c, status, &api_host_group_schema, &g);
    c->answer.etag = row->version;
    service_audited(c, "host_group", row->id, 0);
    return 0;
}

static int group_load(struct db_tx *tx, struct service_call *c, struct repo_host_group_row *ret,
                      struct bt_err *err)
{
    int64_t id = 0;
    int rc = repo_ref_resolve(tx, REPO_REF_HOST_GROUP, &c->target, &id, err);
    return rc < 0 ? rc : repo_host_group_get(tx, id, ret, err);
}

static int group_list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    int rc = repo_host_group_list(tx, c->page.after_id, limit + 1, &rows, err);
    const struct repo_host_group_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; i < n; i++) {
        struct api_host_group g;
        group_view(&row[i], &g);
        service_list_add(c, &api_host_group_schema, &g);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_host_group_table, &rows);
    return rc;
}

static int group_get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_host_group_row_free) struct repo_host_group_row row = {0};
    int rc = group_load(tx, c, &row, err);
    return rc < 0 ? rc : group_answer(c, 200, &row);
}

static void take(struct bt_opt_int *slot, struct bt_opt_int v)
{
    if (v.is != BT_ABSENT)
        *slot = v;
}

static void group_fields(const struct api_host_group *in, struct repo_host_group_row *row)
{
    if (in->name) {
        free(row->name);
        row->name = bt_xstrdup(in->name);
    }
    if (in->policy >= 0)
        row->policy = in->policy;
    take(&row->overcommit_cpu_milli, in->overcommit.cpu_milli);
    take(&row->overcommit_memory_milli, in->overcommit.memory_milli);
    take(&row->overcommit_disk_milli, in->overcommit.disk_milli);
    take(&row->reserve_memory_bytes, in->overcommit.reserve_memory_bytes);
    take(&row->reserve_disk_bytes, in->overcommit.reserve_disk_bytes);
}

static int group_create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_host_group_row_free) struct repo_host_group_row row = {
        .overcommit_cpu_milli = BT_OPT_NULL,
        .overcommit_memory_milli = BT_OPT_NULL,
        .overcommit_disk_milli = BT_OPT_NULL,
        .reserve_memory_bytes = BT_OPT_NULL,
        .reserve_disk_bytes = BT_OPT_NULL};
    const struct api_host_group *in = c->args;
    if (!in->name)
        return service_bad_field(c, err, "name", "required", "is missing");
    group_fields(in, &row);
    int rc = repo_host_group_insert(tx, &row, err);
    if (rc < 0)
        return rc;
    service_location(c, "/api/v1/host-groups/%lld", (long long)row.id);
    return group_answer(c, 201, &row);
}

static int group_patch(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_host_group_row_free) struct repo_host_group_row row = {0};
    int rc = group_load(tx, c, &row, err);
    if (rc >= 0)
        rc = service_match(c, row.version, err);
    if (rc < 0)
        return rc;
    group_fields(c->args, &row);
    rc = repo_host_group_update(tx, &row, err);
    if (rc >= 0)
        rc = service_host_sched_refresh_group(tx, c->svc, row.id, err);
    return rc < 0 ? rc : group_answer(c, 200, &row);
}

static int group_delete(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_host_group_row_free) struct repo_host_group_row row = {0};
    int rc = group_load(tx, c, &row, err);
    if (rc >= 0)
        rc = repo_host_group_delete(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "host_group", row.id, 0);
    service_answer_none(c);
    return 0;
}

#define READ(v, n, fn)                                                                             \
    const struct service_verb v = {                                                                \
        .name = n, .kind = SERVICE_READ, .scope = SCOPE_OPERATOR, .apply = fn}
#define WRITE(v, n, schema, fn)                                                                    \
    const struct service_verb v = {                                                                \
        .name = n, .scope = SCOPE_OPERATOR, .args_schema = schema, .apply = fn}

const struct service_verb service_location_list = {
    .name = "location.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = location_list};
READ(service_location_get, "location.get", location_get);
WRITE(service_location_create, "location.create", &api_location_schema, location_create);
WRITE(service_location_patch, "location.set", &api_location_schema, location_patch);
WRITE(service_location_delete, "location.delete", NULL, location_delete);
READ(service_host_group_list, "host_group.list", group_list);
READ(service_host_group_get, "host_group.get", group_get);
WRITE(service_host_group_create, "host_group.create", &api_host_group_schema, group_create);
WRITE(service_host_group_patch, "host_group.set", &api_host_group_schema, group_patch);
WRITE(service_host_group_delete, "host_group.delete", NULL, group_delete);
