/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/service/service_image.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_fleet.h"
#include "controller/service/service_task.h"
#include "db/repo/repo_blob.h"
#include "db/repo/repo_ref.h"
#include "proto/field.h"

#define FT service_image_task
static const struct bt_field service_image_task_schema_fields[] = {
    F_OBJ(task, &api_task_schema, 0, NULL), F_OBJ(image, &api_image_schema, 0, NULL), F_END};
F_SCHEMA(service_image_task_schema, "ImageTask", NULL);
#undef FT

int service_image_view(struct db_tx *tx, const struct repo_image_row *row, struct api_image *ret,
                       struct bt_err *err)
{
    struct bt_arr kinds = {0};
    int rc = repo_image_kinds(tx, row->id, &kinds, err);
    if (rc < 0)
        return rc;
    *ret = (struct api_image){.id = row->id,
                              .name = bt_xstrdup(row->name),
                              .family = bt_xstrdup(row->family),
                              .version = bt_xstrdup(row->version),
                              .state = row->state,
                              .min_memory_bytes = row->min_memory_bytes,
                              .min_disk_bytes = row->min_disk_bytes,
                              .os_type = bt_xstrdup(row->os_type),
                              .default_user = bt_xstrdup(row->default_user),
                              .stop_signal = bt_xstrdup(row->stop_signal),
                              .hidden = row->hidden,
                              .error = bt_xstrdup(row->error),
                              .created_at = row->created_at};
    const struct repo_image_kind_row *k = kinds.items;
    for (size_t i = 0; i < kinds.len; i++) {
        struct api_image_kind *out = bt_arr_push(&ret->kinds, sizeof *out);
        *out = (struct api_image_kind){
            .kind = k[i].kind, .sha256 = bt_xstrdup(k[i].sha256), .bytes = k[i].bytes};
    }
    db_rows_free(&repo_image_kind_table, &kinds);
    return 0;
}

static int answer(struct db_tx *tx, struct service_call *c, int status,
                  const struct repo_image_row *row, struct bt_err *err)
{
    struct api_image i;
    int rc = service_image_view(tx, row, &i, err);
    if (rc < 0)
        return rc;
    service_answer_obj(c, status, &api_image_schema, &i);
    c->answer.etag = row->row_version;
    service_audited(c, "image", row->id, 0);
    bt_schema_free(&api_image_schema, &i);
    return 0;
}

static int load(struct db_tx *tx, struct service_call *c, struct repo_image_row *ret,
                struct bt_err *err)
{
    int64_t id = c->target.id;
    int rc = id ? 0 : repo_ref_resolve(tx, REPO_REF_IMAGE, &c->target, &id, err);
    if (rc >= 0)
        rc = repo_image_get(tx, id, ret, err);
    if (rc >= 0 && ret->deleted_at && !auth_is_operator(&c->who))
        rc = bt_fail(err, BT_E_NOT_FOUND, "no such image");
    return rc;
}

static int list(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_query *q = c->args;
    struct bt_arr rows = {0};
    int limit = service_page_limit(c);
    const struct repo_image_filter f = {.after_id = c->page.after_id,
                                        .limit = limit + 1,
                                        .state = -1,
                                        .name = q->name,
                                        .hidden = auth_is_operator(&c->who),
                                        .deleted = q->deleted};
    int rc = repo_image_list(tx, &f, &rows, err);
    const struct repo_image_row *row = rows.items;
    size_t n = rows.len < (size_t)limit ? rows.len : (size_t)limit;
    service_list_begin(c);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        struct api_image image;
        rc = service_image_view(tx, &row[i], &image, err);
        if (rc < 0)
            break;
        service_list_add(c, &api_image_schema, &image);
        bt_schema_free(&api_image_schema, &image);
    }
    service_list_end(c, rows.len > n, n ? row[n - 1].id : 0);
    db_rows_free(&repo_image_table, &rows);
    return rc;
}

static int get(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_image_row_free) struct repo_image_row row = {0};
    int rc = load(tx, c, &row, err);
    return rc < 0 ? rc : answer(tx, c, 200, &row, err);
}

static char *or_default(const char *s, const char *def)
{
    return bt_xstrdup(s ? s : def);
}

static int create(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct api_image_create *in = c->args;
    if (in->url)
        return service_bad_field(c, err, "url", "range",
                                 "fetching is not offered yet: upload the file");
    if (in->kind > IMAGE_KIND_ROOTFS)
        return service_bad_field(c, err, "kind", "range",
                                 "only rootfs archives can be imported yet");
    _cleanup_(repo_image_row_free) struct repo_image_row row = {
        .name = bt_xstrdup(in->name),
        .family = bt_xstrdup(in->family),
        .version = bt_xstrdup(in->version),
        .state = IMAGE_IMPORTING,
        .min_memory_bytes = in->min_memory_bytes,
        .min_disk_bytes = in->min_disk_bytes,
        .os_type = or_default(in->os_type, "linux"),
        .default_user = or_default(in->default_user, "root"),
        .stop_signal = or_default(in->stop_signal, "SIGPWR"),
        .hidden = in->hidden,
        .expected_sha256 = bt_xstrdup(in->sha256)};
    int rc = repo_image_insert(tx, &row, err);
    if (rc < 0)
        return rc;
    service_location(c, "/api/v1/images/%lld", (long long)row.id);
    return answer(tx, c, 201, &row, err);
}

static int remove_image(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    _cleanup_(repo_image_row_free) struct repo_image_row row = {0};
    int rc = load(tx, c, &row, err);
    if (rc >= 0 && !row.deleted_at)
        rc = repo_image_delete(tx, row.id, err);
    if (rc < 0)
        return rc;
    service_audited(c, "image", row.id, 0);
    service_answer_none(c);
    return 0;
}

/* The bytes are in the store: do they match what was announced? */
static int judge(const struct repo_image_row *row, const struct service_image_blob *b,
                 struct bt_err *err)
{
    if (row->state != IMAGE_IMPORTING)
        return bt_fail(err, BT_E_BAD_STATE, "the image has its content already");
    if (row->expected_sha256 && strcmp(row->expected_sha256, b->sha256) != 0)
        return bt_fail(err, BT_E_CHECKSUM, "the file's SHA-256 is %s", b->sha256);
    bool archive = b->sniffed && strcmp(b->sniffed, "qcow2") != 0;
    if (!archive)
        return bt_fail(err, BT_E_BAD_IMAGE, "not a tar archive (plain, gzip, xz or zstd)");
    return 0;
}

static int make_ready(struct db_tx *tx, struct repo_image_row *row,
                      const struct service_image_blob *b, struct bt_err *err)
{
    struct repo_image_kind_row kind = {.image_id = row->id,
                                       .kind = IMAGE_KIND_ROOTFS,
                                       .sha256 = (char *)(uintptr_t)b->sha256,
                                       .bytes = b->bytes};
    int rc = repo_blob_put(tx, b->sha256, b->bytes, err);
    if (rc >= 0)
        rc = repo_image_kind_set(tx, &kind, err);
    row->state = IMAGE_READY;
    return rc < 0 ? rc : repo_image_update(tx, row, err);
}

static int answer_task(struct db_tx *tx, struct service_call *c, const struct repo_task_row *task,
                       const struct repo_image_row *row, struct bt_err *err)
{
    struct service_image_task out = {0};
    int rc = service_task_view(tx, c->svc, task, &out.task, err);
    if (rc >= 0)
        rc = service_image_view(tx, row, &out.image, err);
    if (rc >= 0) {
        service_answer_obj(c, 202, &service_image_task_schema, &out);
        c->answer.task_id = task->id;
        service_location(c, "/api/v1/tasks/%lld", (long long)task->id);
        service_audited(c, "image", row->id, 0);
    }
    bt_schema_free(&service_image_task_schema, &out);
    return rc;
}

static int content(struct db_tx *tx, struct service_call *c, struct bt_err *err)
{
    const struct service_image_blob *b = c->args;
    _cleanup_(repo_image_row_free) struct repo_image_row row = {0};
    _cleanup_(repo_task_row_free) struct repo_task_row task = {0};
    int rc = repo_image_get(tx, c->target.id, &row, err);
    if (rc >= 0)
        rc = judge(&row, b, err);
    if (rc >= 0)
        rc = make_ready(tx, &row, b, err);
    const struct task_new n = {.action = ACTION_IMPORT_IMAGE,
                               .sync = true,
                               .image_id = row.id,
                               .actor = c->who.name,
                               .source = c->who.source};
    if (rc >= 0)
        rc = task_begin(c->svc->tasks, tx, &n, &c->out, &task, err);
    const struct repo_event_new e = {
        .type = "image.ready", .resource_type = "image", .resource_id = row.id};
    if (rc >= 0)
        rc = service_event(tx, c, &e, err);
    return rc < 0 ? rc : answer_task(tx, c, &task, &row, err);
}

const struct service_verb service_image_list = {
    .name = "image.list", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = list};
const struct service_verb service_image_get = {
    .name = "image.get", .kind = SERVICE_READ, .scope = SCOPE_READ, .apply = get};
const struct service_verb service_image_create = {.name = "image.create",
                                                  .scope = SCOPE_OPERATOR,
                                                  .args_schema = &api_image_create_schema,
                                                  .apply = create};
const struct service_verb service_image_delete = {
    .name = "image.delete", .scope = SCOPE_OPERATOR, .apply = remove_image};
const struct service_verb service_image_content = {
    .name = "image.content", .scope = SCOPE_OPERATOR, .apply = content};
