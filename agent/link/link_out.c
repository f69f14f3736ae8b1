/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/link/link_int.h"
#include "common/base/mem.h"
#include "common/log/log.h"

/* Frames towards the controller. */
#define PAGE_BYTES (512 * 1024)
#define ITEM_BYTES 4096 /* of an item without its long texts */

static void erase_free(char *text)
{
    if (text)
        bt_erase(text, strlen(text));
    free(text);
}

int64_t link_send(struct link *l, const struct link_frame *f)
{
    if (!l->peer || l->state == LINK_DIALING)
        return 0;
    struct link_envelope e = {.v = LINK_VERSION,
                              .id = ++l->next_id,
                              .re = f->re,
                              .epoch = l->epoch,
                              .op = (char *)f->op,
                              .body = bt_schema_emit_str(f->schema, f->body)};
    char *text = bt_schema_emit_str(&link_envelope_schema, &e);
    size_t len = strlen(text);
    if (len <= RPC_TEXT_MAX)
        (void)rpc_send_text(&l->peer->rpc, text, len);
    else
        bt_log(BT_ERROR, "link", "op=%s is too large to be sent (%zu bytes)", f->op, len);
    erase_free(e.body);
    erase_free(text);
    return e.id;
}

void link_send_error(struct link *l, int64_t re, const struct bt_err *err)
{
    struct link_error e = {.code = (char *)bt_code_str(err->code), .message = (char *)err->msg};
    (void)link_send(l, &(struct link_frame){LINK_OP_ERROR, re, &link_error_schema, &e});
}

/* ---- hello ---- */

static void add_drivers(struct link *l, struct link_host *host)
{
    for (int i = 0; i < JOB_DRIVERS; i++) {
        struct driver *d = l->cfg.drivers[i];
        struct link_driver *row = bt_arr_push(&host->drivers, sizeof *row);
        *row = (struct link_driver){0};
        if (d)
            d->ops->available(d, row);
        else
            row->reason = bt_xstrdup("this agent does not have it");
        free(row->name);
        row->name = bt_xstrdup(enum_driver[i]);
    }
}

static void send_hello(struct link *l)
{
    struct link_hello h = {.protocol_min = LINK_VERSION,
                           .protocol_max = LINK_VERSION,
                           .agent_version = (char *)l->cfg.version,
                           .boot_id = l->boot_id,
                           .session = l->session_id,
                           .journal_id = l->meta.journal_id,
                           .clock_ms = bt_utc_ms(bt_loop_clock(l->cfg.loop)),
                           .controller_id = l->meta.controller_id[0] ? l->meta.controller_id : NULL,
                           .epoch = l->meta.epoch};
    l->cfg.host.facts(l->cfg.host.ctx, &h.host);
    add_drivers(l, &h.host);
    (void)link_send(l, &(struct link_frame){LINK_OP_HELLO, 0, &link_hello_schema, &h});
    bt_schema_free(&link_host_schema, &h.host);
}

/* ---- inventory ---- */

struct pages {
    struct link *link;
    struct link_inventory page;
    size_t bytes;
};

static size_t text_bytes(const struct instance_spec *spec)
{
    char **keys = spec->ssh_keys.items;
    size_t n = spec->user_data ? 2 * strlen(spec->user_data) : 0;
    for (size_t i = 0; i < spec->ssh_keys.len; i++)
        n += strlen(keys[i]);
    return n;
}

static void page_send(struct pages *p, bool done)
{
    p->page.done = done;
    (void)link_send(p->link,
                    &(struct link_frame){LINK_OP_INVENTORY, 0, &link_inventory_schema, &p->page});
    p->page.page++;
    p->page.items.len = 0;
    p->bytes = 0;
}

/* The items of a page borrow from the engine what they borrow only for this call: deep copies. */
static void page_add(void *ctx, const struct link_item *item)
{
    struct pages *p = ctx;
    size_t n = ITEM_BYTES + text_bytes(item->spec);
    if (p->page.items.len == LINK_INVENTORY_PAGE || (p->bytes && p->bytes + n > PAGE_BYTES)) {
        struct bt_arr items = p->page.items;
        page_send(p, false);
        p->page.items = items;
        bt_schema_free_array(&link_item_schema, &p->page.items);
    }
    bt_schema_copy(&link_item_schema, item, bt_arr_push(&p->page.items, sizeof *item));
    p->bytes += n;
}

void link_send_hello(struct link *l)
{
    struct pages p = {.link = l};
    send_hello(l);
    job_inventory(l->job, page_add, &p);
    struct bt_arr items = p.page.items;
    page_send(&p, true);
    bt_schema_free_array(&link_item_schema, &items);
}

/* ---- renew ---- */

void link_renew_fired(struct bt_timer *t)
{
    struct link *l = BT_CONTAINER_OF(t, struct link, renew_timer);
    struct link_renew r = {0};
    l->cfg.host.figures(l->cfg.host.ctx, &r);
    r.clock_ms = bt_utc_ms(bt_loop_clock(l->cfg.loop));
    r.instances = (int64_t)job_count(l->job);
    (void)link_send(l, &(struct link_frame){LINK_OP_RENEW, 0, &link_renew_schema, &r});
    bt_timer_start(&l->renew_timer, l->lease_ms / 3 > 0 ? l->lease_ms / 3 : 1);
}
