/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/sys/sys_real_priv.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/*
 * nf_tables: rules by libnftables, elements and counters by nfnetlink transactions. The subsystem's
 * messages are those of linux/netfilter/nf_tables.h; a transaction is everything between
 * NFNL_MSG_BATCH_BEGIN and _END in one write.
 */

/* ---- text ---- */

static int nft_context(struct sys_real *r, struct bt_err *err)
{
    if (r->nft)
        return 0;
    r->nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!r->nft)
        return bt_fail(err, BT_E_KERNEL, "libnftables does not start");
    (void)nft_ctx_buffer_output(r->nft);
    (void)nft_ctx_buffer_error(r->nft);
    return 0;
}

/* Several lines of "Error: ..." with the text underlined: the first one says it. */
static int nft_fail(struct nft_ctx *nft, struct bt_err *err)
{
    const char *text = nft_ctx_get_error_buffer(nft);
    const char *at = text ? strstr(text, "Error: ") : NULL;
    at = at ? at + strlen("Error: ") : "no reason given";
    return bt_fail(err, BT_E_KERNEL, "nftables: %.*s", (int)strcspn(at, "\n"), at);
}

static int nft_run(struct sys *s, const char *commands, struct bt_err *err)
{
    struct sys_real *r = sys_real_of(s);
    int rc = nft_context(r, err);
    if (rc < 0)
        return rc;
    if (nft_run_cmd_from_buffer(r->nft, commands) != 0)
        rc = nft_fail(r->nft, err);
    /* Its caches hold a copy of every set: not to be kept in an idle agent. */
    nft_ctx_free(r->nft);
    r->nft = NULL;
    return rc;
}

/* ---- messages ---- */

static uint8_t family_of(enum sys_nft_family family)
{
    /* NFPROTO_BRIDGE, NFPROTO_INET: linux/netfilter.h clashes with netinet/in.h. */
    return family == SYS_NFT_BRIDGE ? 7 : 1;
}

static struct nl_msg *nft_msg(int type, int flags, enum sys_nft_family family)
{
    struct nfgenmsg g = {.nfgen_family = family_of(family), .version = NFNETLINK_V0};
    struct nl_msg *msg = sys_nl_msg(NFNL_SUBSYS_NFTABLES << 8 | type, flags);
    (void)nlmsg_append(msg, &g, sizeof g, NLMSG_ALIGNTO);
    return msg;
}

static bool is_nft(const struct nlmsghdr *h, int type)
{
    return h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type);
}

/* A transaction under construction; each message's origin is known by its sequence number. */
struct batch {
    struct bt_buf data;
    uint32_t begin, next;
    struct sys_rows drop; /* bool by message: an error of it was "absent", leave it out */
    size_t n;             /* messages */
    bool retry;
    int error; /* the first that counts */
};

#define BATCH_BYTES_MAX (3u << 20)

static void batch_add(struct batch *b, struct nl_msg *msg)
{
    struct nlmsghdr *h = nlmsg_hdr(msg);
    static const char zero[NLMSG_ALIGNTO];
    h->nlmsg_seq = b->next++;
    h->nlmsg_flags |= NLM_F_REQUEST;
    h->nlmsg_pid = 0;
    (void)bt_buf_add(&b->data, h, h->nlmsg_len);
    (void)bt_buf_add(&b->data, zero, NLMSG_ALIGN(h->nlmsg_len) - h->nlmsg_len);
}

static void batch_edge(struct batch *b, int type)
{
    struct nfgenmsg g = {.nfgen_family = AF_UNSPEC,
                         .version = NFNETLINK_V0,
                         .res_id = htobe16(NFNL_SUBSYS_NFTABLES)};
    _cleanup_nl_msg_ struct nl_msg *msg = sys_nl_msg(type, 0);
    (void)nlmsg_append(msg, &g, sizeof g, NLMSG_ALIGNTO);
    batch_add(b, msg);
}

static void put_value(struct nl_msg *msg, int attr, const struct sys_nft_key *key)
{
    struct nlattr *nest = nla_nest_start(msg, attr);
    (void)nla_put(msg, NFTA_DATA_VALUE, (int)key->len, key->bytes);
    (void)nla_nest_end(msg, nest);
}

static struct nl_msg *elem_msg(const struct sys_nft_elem *e, int type, int flags)
{
    struct nl_msg *msg = nft_msg(type, flags, e->family);
    (void)nla_put_string(msg, NFTA_SET_ELEM_LIST_TABLE, e->table);
    (void)nla_put_string(msg, NFTA_SET_ELEM_LIST_SET, e->set);
    struct nlattr *list = nla_nest_start(msg, NFTA_SET_ELEM_LIST_ELEMENTS);
    struct nlattr *elem = nla_nest_start(msg, NFTA_LIST_ELEM);
    put_value(msg, NFTA_SET_ELEM_KEY, &e->key);
    if (type == NFT_MSG_NEWSETELEM && e->object[0] != '\0')
        (void)nla_put_string(msg, NFTA_SET_ELEM_OBJREF, e->object);
    (void)nla_nest_end(msg, elem);
    (void)nla_nest_end(msg, list);
    return msg;
}

static struct nl_msg *counter_msg(const struct sys_nft_change *c, const char *name, int type,
                                  int flags)
{
    struct nl_msg *msg = nft_msg(type, flags, c->family);
    (void)nla_put_string(msg, NFTA_OBJ_TABLE, c->table);
    (void)nla_put_string(msg, NFTA_OBJ_NAME, name);
    (void)nla_put_u32(msg, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER));
    if (type == NFT_MSG_NEWOBJ) {
        struct nlattr *data = nla_nest_start(msg, NFTA_OBJ_DATA);
        (void)nla_put_u64(msg, NFTA_COUNTER_BYTES, 0);
        (void)nla_put_u64(msg, NFTA_COUNTER_PACKETS, 0);
        (void)nla_nest_end(msg, data);
    }
    return msg;
}

/* The message number @i of a change, in the order that the kernel needs: references come after
 * what they refer to and go before it. */
static struct nl_msg *change_msg(const struct sys_nft_change *c, size_t i)
{
    if (i < c->n_del)
        return elem_msg(&c->del[i], NFT_MSG_DELSETELEM, 0);
    i -= c->n_del;
    if (i < c->n_counters_add)
        return counter_msg(c, c->counters_add[i], NFT_MSG_NEWOBJ, NLM_F_CREATE);
    i -= c->n_counters_add;
    if (i < c->n_add)
        return elem_msg(&c->add[i], NFT_MSG_NEWSETELEM, NLM_F_CREATE);
    i -= c->n_add;
    return counter_msg(c, c->counters_del[i], NFT_MSG_DELOBJ, 0);
}

static bool is_removal(const struct sys_nft_change *c, size_t i)
{
    return i < c->n_del || i >= c->n_del + c->n_counters_add + c->n_add;
}

struct attempt {
    const struct sys_nft_change *change;
    struct batch *batch;
    const size_t *origin; /* message of the change by sequence number - begin - 1 */
    size_t n;
};

static void on_failed(void *arg, uint32_t seq, int errnum)
{
    struct attempt *a = arg;
    struct batch *b = a->batch;
    size_t at = seq - b->begin - 1;
    if (seq > b->begin && at < a->n && errnum == ENOENT && is_removal(a->change, a->origin[at])) {
        ((bool *)b->drop.items)[a->origin[at]] = true;
        b->retry = true;
        return;
    }
    if (b->error == 0)
        b->error = -errnum;
}

/* One try: everything that is not known to be absent. */
static int change_try(struct sys_nl *nl, const struct sys_nft_change *c, struct batch *b)
{
    _cleanup_free_ size_t *origin = bt_xcalloc(b->n, sizeof *origin);
    struct attempt a = {.change = c, .batch = b, .origin = origin};
    const bool *drop = b->drop.items;
    bt_buf_reset(&b->data);
    b->begin = b->next = nl->seq + 1;
    b->retry = false;
    batch_edge(b, NFNL_MSG_BATCH_BEGIN);
    for (size_t i = 0; i < b->n; i++) {
        if (drop[i])
            continue;
        _cleanup_nl_msg_ struct nl_msg *msg = change_msg(c, i);
        origin[a.n++] = i;
        batch_add(b, msg);
    }
    if (a.n == 0)
        return 0;
    uint32_t last = b->next - 1;
    /* The end of a transaction is not acknowledged before Linux 6.9; its last message is. */
    struct nlmsghdr *h = NULL;
    int left = (int)b->data.len;
    for (h = (struct nlmsghdr *)b->data.data; h->nlmsg_seq != last; h = nlmsg_next(h, &left))
        ;
    h->nlmsg_flags |= NLM_F_ACK;
    batch_edge(b, NFNL_MSG_BATCH_END);
    nl->seq = b->next;
    if (b->data.overflow)
        return -E2BIG;
    struct sys_nl_batch send = {b->data.data, b->data.len, last, on_failed, &a};
    int rc = sys_nl_send_batch(nl, &send);
    if (rc == -ENOENT && is_removal(c, origin[a.n - 1])) {
        on_failed(&a, last, ENOENT);
        rc = 0;
    }
    return b->error ? b->error : rc;
}

static int change_fail(struct sys_nl *nl, int rc, struct bt_err *err)
{
    if (rc == -ENOENT)
        return bt_fail(err, BT_E_NOT_FOUND, "nftables: no such table, set or counter");
    return sys_nl_fail(nl, rc, err, "nftables: change elements");
}

static int nft_change(struct sys *s, const struct sys_nft_change *c, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->filter;
    _cleanup_rows_ struct sys_rows drop = {0};
    struct batch b = {.data = BT_BUF(BATCH_BYTES_MAX)};
    b.n = c->n_del + c->n_counters_add + c->n_add + c->n_counters_del;
    for (size_t i = 0; i < b.n; i++)
        (void)sys_rows_push(&drop, sizeof(bool));
    b.drop = drop;
    int rc = 0;
    do
        rc = b.n ? change_try(nl, c, &b) : 0;
    while (rc == 0 && b.retry);
    bt_buf_fini(&b.data);
    return rc < 0 ? change_fail(nl, rc, err) : 0;
}

/* ---- dumps ---- */

struct dump {
    enum sys_nft_family family;
    const char *table, *set;
    struct sys_rows *ret;
};

/* A dump that was torn is tried again; a missing table or set has no rows. */
static int dump(struct sys_nl *nl, struct nl_msg *(*ask)(const struct dump *), sys_nl_row_cb row,
                struct dump *d)
{
    struct sys_rows *ret = d->ret;
    struct sys_rows found = {0};
    int rc = 0;
    d->ret = &found;
    for (int tries = 0; tries < 6; tries++) {
        _cleanup_nl_msg_ struct nl_msg *msg = ask(d);
        found.len = 0;
        rc = sys_nl_talk(nl, msg, row, d);
        if (rc != -EAGAIN && rc != -EINTR)
            break;
    }
    if (rc == 0)
        *ret = found;
    else
        sys_rows_fini(&found);
    return rc == -ENOENT ? 0 : rc;
}

static struct nl_msg *ask_chains(const struct dump *d)
{
    return nft_msg(NFT_MSG_GETCHAIN, NLM_F_DUMP, d->family);
}

static void chain_row(void *arg, struct nlmsghdr *h)
{
    struct dump *d = arg;
    struct nlattr *tb[NFTA_CHAIN_MAX + 1];
    if (!is_nft(h, NFT_MSG_NEWCHAIN) ||
        nlmsg_parse(h, sizeof(struct nfgenmsg), tb, NFTA_CHAIN_MAX, NULL) < 0 ||
        !tb[NFTA_CHAIN_TABLE] || !tb[NFTA_CHAIN_NAME] ||
        strcmp(nla_get_string(tb[NFTA_CHAIN_TABLE]), d->table) != 0)
        return;
    sys_rows_push_str(d->ret, nla_get_string(tb[NFTA_CHAIN_NAME]));
}

static int nft_chains(struct sys *s, enum sys_nft_family family, const char *table,
                      struct sys_rows *ret, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->filter;
    struct dump d = {.family = family, .table = table, .ret = ret};
    int rc = dump(nl, ask_chains, chain_row, &d);
    return rc < 0 ? sys_nl_fail(nl, rc, err, "nftables: list chains") : 0;
}

static struct nl_msg *ask_elems(const struct dump *d)
{
    struct nl_msg *msg = nft_msg(NFT_MSG_GETSETELEM, NLM_F_DUMP, d->family);
    (void)nla_put_string(msg, NFTA_SET_ELEM_LIST_TABLE, d->table);
    (void)nla_put_string(msg, NFTA_SET_ELEM_LIST_SET, d->set);
    return msg;
}

static void elem_row(const struct dump *d, struct nlattr *attr)
{
    struct nlattr *tb[NFTA_SET_ELEM_MAX + 1];
    struct nlattr *key[NFTA_DATA_MAX + 1];
    if (nla_parse_nested(tb, NFTA_SET_ELEM_MAX, attr, NULL) < 0 || !tb[NFTA_SET_ELEM_KEY] ||
        nla_parse_nested(key, NFTA_DATA_MAX, tb[NFTA_SET_ELEM_KEY], NULL) < 0 ||
        !key[NFTA_DATA_VALUE] || nla_len(key[NFTA_DATA_VALUE]) > SYS_NFT_KEY_MAX)
        return;
    struct sys_nft_elem *row = sys_rows_push(d->ret, sizeof *row);
    row->family = d->family;
    row->table = d->table;
    row->set = d->set;
    row->key.len = (size_t)nla_len(key[NFTA_DATA_VALUE]);
    memcpy(row->key.bytes, nla_data(key[NFTA_DATA_VALUE]), row->key.len);
    if (tb[NFTA_SET_ELEM_OBJREF])
        (void)bt_strcpy(row->object, sizeof row->object, nla_get_string(tb[NFTA_SET_ELEM_OBJREF]));
}

static void elem_rows(void *arg, struct nlmsghdr *h)
{
    struct nlattr *tb[NFTA_SET_ELEM_LIST_MAX + 1];
    struct nlattr *at = NULL;
    int left = 0;
    if (!is_nft(h, NFT_MSG_NEWSETELEM) ||
        nlmsg_parse(h, sizeof(struct nfgenmsg), tb, NFTA_SET_ELEM_LIST_MAX, NULL) < 0 ||
        !tb[NFTA_SET_ELEM_LIST_ELEMENTS])
        return;
    nla_for_each_nested(at, tb[NFTA_SET_ELEM_LIST_ELEMENTS], left) elem_row(arg, at);
}

static int nft_elems(struct sys *s, const struct sys_nft_elem *which, struct sys_rows *ret,
                     struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->filter;
    struct dump d = {.family = which->family, .table = which->table, .set = which->set, .ret = ret};
    int rc = dump(nl, ask_elems, elem_rows, &d);
    return rc < 0 ? sys_nl_fail(nl, rc, err, "nftables: list set %s", which->set) : 0;
}

static struct nl_msg *ask_counters(const struct dump *d)
{
    struct nl_msg *msg = nft_msg(NFT_MSG_GETOBJ, NLM_F_DUMP, d->family);
    (void)nla_put_string(msg, NFTA_OBJ_TABLE, d->table);
    (void)nla_put_u32(msg, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER));
    return msg;
}

static void counter_row(void *arg, struct nlmsghdr *h)
{
    struct dump *d = arg;
    struct nlattr *tb[NFTA_OBJ_MAX + 1];
    struct nlattr *data[NFTA_COUNTER_MAX + 1];
    if (!is_nft(h, NFT_MSG_NEWOBJ) ||
        nlmsg_parse(h, sizeof(struct nfgenmsg), tb, NFTA_OBJ_MAX, NULL) < 0 || !tb[NFTA_OBJ_NAME] ||
        !tb[NFTA_OBJ_DATA] ||
        nla_parse_nested(data, NFTA_COUNTER_MAX, tb[NFTA_OBJ_DATA], NULL) < 0 ||
        !data[NFTA_COUNTER_BYTES] || !data[NFTA_COUNTER_PACKETS])
        return;
    struct sys_nft_counter *row = sys_rows_push(d->ret, sizeof *row);
    (void)bt_strcpy(row->name, sizeof row->name, nla_get_string(tb[NFTA_OBJ_NAME]));
    row->bytes = be64toh(nla_get_u64(data[NFTA_COUNTER_BYTES]));
    row->packets = be64toh(nla_get_u64(data[NFTA_COUNTER_PACKETS]));
}

static int nft_counter(struct sys *s, enum sys_nft_family family, const char *table,
                       struct sys_nft_counter *ret, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->filter;
    _cleanup_rows_ struct sys_rows found = {0};
    struct dump d = {.family = family, .table = table, .ret = &found};
    _cleanup_nl_msg_ struct nl_msg *msg = nft_msg(NFT_MSG_GETOBJ, 0, family);
    (void)nla_put_string(msg, NFTA_OBJ_TABLE, table);
    (void)nla_put_string(msg, NFTA_OBJ_NAME, ret->name);
    (void)nla_put_u32(msg, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER));
    int rc = sys_nl_talk(nl, msg, counter_row, &d);
    if (rc == -ENOENT || (rc == 0 && found.len != 1))
        return bt_fail(err, BT_E_NOT_FOUND, "no counter %s", ret->name);
    if (rc < 0)
        return sys_nl_fail(nl, rc, err, "nftables: counter %s", ret->name);
    *ret = *(struct sys_nft_counter *)found.items;
    return 0;
}

static int nft_counters(struct sys *s, enum sys_nft_family family, const char *table,
                        struct sys_rows *ret, struct bt_err *err)
{
    struct sys_nl *nl = &sys_real_of(s)->filter;
    struct dump d = {.family = family, .table = table, .ret = ret};
    int rc = dump(nl, ask_counters, counter_row, &d);
    return rc < 0 ? sys_nl_fail(nl, rc, err, "nftables: list counters") : 0;
}

const struct sys_nft_ops sys_real_nft_ops = {
    .run = nft_run,
    .chains = nft_chains,
    .change = nft_change,
    .elems = nft_elems,
    .counter = nft_counter,
    .counters = nft_counters,
};
