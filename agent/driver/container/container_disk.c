/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image, disk and port verbs: requests handed on to agent/image, agent/storage and agent/net. */
#include <stdlib.h>
#include <string.h>

#include "agent/driver/container/container_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define BYTES_PER_INODE 16384 /* 65,536 inodes a GiB, when the spec does not say */

/* ---- image ---- */

struct image_job {
    struct image_op op;
    struct container_driver *cd;
    struct driver_req *req;
};

static void on_image(struct image_op *op, int rc, const struct bt_err *err)
{
    struct image_job *j = BT_CONTAINER_OF(op, struct image_job, op);
    struct container_driver *cd = j->cd;
    struct driver_req *req = j->req;
    free(j);
    container_return(cd, req, rc, err);
}

void container_image_ensure(struct driver *d, struct driver_req *req)
{
    struct image_job *j = bt_xcalloc(1, sizeof *j);
    j->cd = container_of(d);
    j->req = req;
    (void)bt_strcpy(j->op.sha256, sizeof j->op.sha256, req->spec->image.sha256);
    j->op.bytes = req->spec->image.bytes;
    j->op.done = on_image;
    req->impl = j;
    container_expect(j->cd);
    image_ensure_start(j->cd->cfg.images, &j->op);
}

/* ---- disk ---- */

struct disk_job {
    struct storage_op op;
    struct container_driver *cd;
    struct driver_req *req;
};

static void disk_end(struct disk_job *j, int rc, const struct bt_err *err)
{
    struct container_driver *cd = j->cd;
    struct driver_req *req = j->req;
    free(j);
    container_return(cd, req, rc, err);
}

static void on_grown(struct container_call *c, const char *ok, const struct bt_err *err)
{
    disk_end(c->owner, ok ? 0 : -(int)err->code, err);
}

/* The driver ended before the helper did. */
static void on_grow_gone(struct container_call *c)
{
    if (!c->replied)
        disk_end(c->owner, -(int)BT_E_CANCELLED, NULL);
}

static void grow(struct disk_job *j)
{
    char path[CONTAINER_PATH_MAX];
    struct helper_container_grow *grow = bt_xcalloc(1, sizeof *grow);
    storage_upper(j->cd->cfg.storage, j->req->spec->uuid, path, sizeof path);
    *grow =
        (struct helper_container_grow){.path = bt_xstrdup(path), .size_bytes = j->op.size_bytes};
    struct helper_container_request request = {.op = HELPER_CONTAINER_GROW, .grow = grow};
    const struct container_call how = {.done = on_grown, .gone = on_grow_gone, .owner = j};
    (void)container_call_start(j->cd, j->req->spec->uuid, &request, &how);
    bt_schema_free(&helper_container_request_schema, &request);
}

static void on_disk(struct storage_op *op, int rc, const struct bt_err *err)
{
    struct disk_job *j = BT_CONTAINER_OF(op, struct disk_job, op);
    if (rc >= 0 && op->smaller && !j->cd->dead)
        grow(j);
    else
        disk_end(j, rc, err);
}

static void disk(struct driver *d, struct driver_req *req, enum storage_verb verb)
{
    struct disk_job *j = bt_xcalloc(1, sizeof *j);
    const struct limits *l = &req->spec->limits;
    j->cd = container_of(d);
    j->req = req;
    j->op = (struct storage_op){
        .verb = verb,
        .size_bytes = l->disk_bytes.v,
        .inodes = l->inodes.is == BT_VALUE ? l->inodes.v : l->disk_bytes.v / BYTES_PER_INODE,
        .rebuild_seq = req->spec->rebuild_seq,
        .done = on_disk};
    (void)bt_strcpy(j->op.uuid, sizeof j->op.uuid, req->spec->uuid);
    req->impl = j;
    container_expect(j->cd);
    storage_start(j->cd->cfg.storage, &j->op);
}

void container_disk_ensure(struct driver *d, struct driver_req *req)
{
    disk(d, req, STORAGE_ENSURE);
}

void container_disk_rebuild(struct driver *d, struct driver_req *req)
{
    disk(d, req, STORAGE_REBUILD);
}

void container_disk_trash(struct driver *d, struct driver_req *req)
{
    disk(d, req, STORAGE_TRASH);
}

void container_disk_restore(struct driver *d, struct driver_req *req)
{
    disk(d, req, STORAGE_RESTORE);
}

void container_disk_purge(struct driver *d, struct driver_req *req)
{
    struct container_driver *cd = container_of(d);
    _cleanup_free_ char *run = bt_xasprintf("%s/%s", cd->run_dir, req->spec->uuid);
    (void)cd->cfg.sys->fs->remove_tree(cd->cfg.sys, run, NULL); /* a few small files on tmpfs */
    disk(d, req, STORAGE_PURGE);
}

/* ---- port ---- */

struct port_job {
    struct net_port_op op;
    struct container_driver *cd;
    struct driver_req *req;
};

static void on_port(struct net_port_op *op, int rc, const struct bt_err *err)
{
    struct port_job *j = BT_CONTAINER_OF(op, struct port_job, op);
    struct container_driver *cd = j->cd;
    struct driver_req *req = j->req;
    free(j);
    container_return(cd, req, rc, err);
}

/* NULL: @req has been answered, there is nothing to do or it cannot be done. */
static struct net_port_op *port_op(struct driver *d, struct driver_req *req)
{
    struct container_driver *cd = container_of(d);
    struct bt_err err = BT_ERR_INIT;
    if (req->spec->nics.len == 0) {
        container_req_end(cd, req, 0, NULL);
        return NULL;
    }
    struct port_job *j = bt_xcalloc(1, sizeof *j);
    int rc = net_port_spec_from(req->spec, 0, &j->op.spec, &err);
    if (rc < 0) {
        free(j);
        container_req_end(cd, req, rc, &err);
        return NULL;
    }
    j->cd = cd;
    j->req = req;
    j->op.done = on_port;
    req->impl = j;
    container_expect(cd);
    return &j->op;
}

void container_port_ensure(struct driver *d, struct driver_req *req)
{
    struct net_port_op *op = port_op(d, req);
    if (op)
        net_port_ensure_start(container_of(d)->cfg.net, op);
}

void container_port_remove(struct driver *d, struct driver_req *req)
{
    struct net_port_op *op = port_op(d, req);
    if (op)
        net_port_remove_start(container_of(d)->cfg.net, op);
}
