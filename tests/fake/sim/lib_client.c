/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_instance.h"
#include "controller/service/service_instance_verbs.h"
#include "tests/fake/sim/lib_sim.h"

static struct sim_req *req_of(struct bt_list *l)
{
    return BT_CONTAINER_OF(l, struct sim_req, link);
}

bool sim_client_busy(const struct sim *s)
{
    BT_LIST_FOREACH(it, &s->reqs)
        if (req_of(it)->open)
            return true;
    return false;
}

static void acknowledged(struct sim_req *r, const struct service_answer *a)
{
    struct sim *s = r->sim;
    const char *bytes = a->body.data ? a->body.data : "";
    if (r->acked) {
        s->n_replayed++;
        if (!bt_streq(r->answer, bytes) || r->status != a->status)
            (void)sim_fail(s, "key %s: another answer than the first:\n%s\n%s", r->key, r->answer,
                           bytes);
        return;
    }
    r->acked = true;
    r->status = a->status;
    r->task_id = a->task_id;
    r->answer = bt_xstrdup(bytes);
    s->n_acked++;
}

static void on_done(struct service_call *c, int rc, const struct bt_err *err)
{
    struct sim_req *r = c->owner;
    struct sim *s = r->sim;
    r->open = false;
    if (r->lost) {
        s->n_lost++; /* nobody heard it */
    } else if (rc >= 0) {
        acknowledged(r, &c->answer);
    } else {
        s->n_refused++;
        if (err->code == BT_E_INTERNAL || err->code == BT_E_DB)
            (void)sim_fail(s, "%s: %s: %s", r->path, bt_code_str(err->code), err->msg);
        if (r->acked)
            (void)sim_fail(s, "key %s was acknowledged, now %s: %s", r->key, bt_code_str(err->code),
                           err->msg);
        r->status = bt_code_http(err->code);
        r->error_task = c->error_task;
        (void)bt_strcpy(r->code, sizeof r->code, bt_code_str(err->code));
        free(r->answer);
        r->answer = bt_xasprintf("%s: %s", bt_code_str(err->code), err->msg);
    }
    service_call_fini(c);
}

static void send(struct sim_req *r)
{
    struct sim *s = r->sim;
    if (!s->up) {
        r->lost = true; /* no connection */
        return;
    }
    struct service_call *c = &r->call;
    const struct service_verb *verb = c->verb;
    struct principal who = c->who;
    const void *args = c->args;
    *c = (struct service_call){.svc = &s->svc,
                               .verb = verb,
                               .who = who,
                               .target = {.name = r->target[0] ? r->target : NULL},
                               .args = args,
                               .idem = {.key = r->key, .method = "POST", .path = r->path},
                               .dry_run = r->dry_run,
                               .if_match = r->if_match,
                               .done = on_done,
                               .owner = r};
    service_fingerprint(c, "", r->body_hash, strlen(r->body_hash));
    r->open = true;
    r->lost = false;
    r->tries++;
    service_submit(c);
}

static struct sim_req *req_new(struct sim *s, const struct service_verb *verb)
{
    struct sim_req *r = bt_xcalloc(1, sizeof *r);
    r->sim = s;
    r->call.verb = verb;
    auth_system(&r->call.who, "client");
    r->call.who.user_id = 1;
    (void)snprintf(r->key, sizeof r->key, "key-%lld", (long long)++s->next_key);
    (void)snprintf(r->body_hash, sizeof r->body_hash, "%lld", (long long)s->next_key);
    bt_list_push(&s->reqs, &r->link);
    s->n_reqs++;
    return r;
}

static struct sim_req *create_new(struct sim *s, const char *name, const char *tenant,
                                  const char *plan)
{
    struct sim_req *r = req_new(s, &service_instance_create);
    r->is_create = true;
    r->create = (struct api_instance_create){.name = bt_xstrdup(name),
                                             .plan = {.name = bt_xstrdup(plan)},
                                             .image = {.name = bt_xstrdup("tiny")},
                                             .tenant = {.name = bt_xstrdup(tenant)},
                                             .driver = -1};
    r->call.args = &r->create;
    (void)snprintf(r->path, sizeof r->path, "/instances");
    return r;
}

static struct sim_req *action_new(struct sim *s, const char *verb, const char *target)
{
    const struct service_instance_action *a = service_instance_action_find(verb);
    assert(a);
    struct sim_req *r = req_new(s, a->verb);
    r->call.args = &r->action;
    (void)bt_strcpy(r->target, sizeof r->target, target);
    (void)snprintf(r->path, sizeof r->path, "/instances/%s/actions/%s", target, verb);
    return r;
}

struct sim_req *sim_request(struct sim *s, const char *verb, const char *target)
{
    return action_new(s, verb, target);
}

struct sim_req *sim_request_create(struct sim *s, const char *name, const char *tenant,
                                   const char *plan)
{
    return create_new(s, name, tenant, plan);
}

const char *sim_code(const struct sim_req *r)
{
    return r->code;
}

void sim_send_only(struct sim_req *r)
{
    send(r);
}

struct wait {
    struct task_wait w;
    bool over;
    int state;
    char code[64];
};

static void waited(struct task_wait *w, int state, const char *code)
{
    struct wait *k = w->owner;
    k->over = true;
    k->state = state;
    (void)bt_strcpy(k->code, sizeof k->code, code);
}

int sim_wait_task(struct sim_req *r, int64_t ms, char *code)
{
    struct sim *s = r->sim;
    struct wait k = {.w = {.done = waited, .owner = &k}};
    task_wait_start(&k.w, s->svc.tasks, r->task_id, ms);
    while (!k.over)
        sim_run(s, 10);
    if (code)
        (void)bt_strcpy(code, 64, k.code);
    return k.state;
}

static void wait_for(struct sim_req *r)
{
    for (int i = 0; r->open && i < 10000; i++)
        sim_run(r->sim, 1);
}

void sim_send(struct sim_req *r)
{
    send(r);
    wait_for(r);
}

struct sim_req *sim_create(struct sim *s, const char *name, const char *tenant, const char *plan)
{
    struct sim_req *r = create_new(s, name, tenant, plan);
    send(r);
    wait_for(r);
    return r;
}

struct sim_req *sim_do(struct sim *s, const char *verb, const char *target,
                       const struct api_action *args)
{
    struct sim_req *r = action_new(s, verb, target);
    if (args)
        bt_schema_copy(&api_action_schema, args, &r->action);
    send(r);
    wait_for(r);
    return r;
}

/* ---- random ---- */

static void random_create(struct sim *s)
{
    static const char *const plans[] = {"nano", "nano", "small", "big"};
    char name[32], tenant[32];
    (void)snprintf(name, sizeof name, "vps-%lld", (long long)sim_below(s, SIM_NAMES));
    (void)snprintf(tenant, sizeof tenant, "tenant%lld", (long long)sim_below(s, SIM_TENANTS));
    struct sim_req *r = create_new(s, name, tenant, plans[sim_below(s, 4)]);
    if (!sim_below(s, 8))
        r->create.start = BT_OPT_V(0);
    if (!sim_below(s, 10)) {
        char host[32];
        (void)snprintf(host, sizeof host, "h%lld", (long long)(1 + sim_below(s, s->n_agents)));
        r->create.host.name = bt_xstrdup(host);
    }
    send(r);
}

/* Mostly something that exists: the uuid of a create that was acknowledged. */
static void sim_known(struct sim *s, char *dst, size_t size)
{
    int64_t skip = s->n_reqs ? sim_below(s, s->n_reqs) : 0;
    BT_LIST_FOREACH(it, &s->reqs) {
        const struct sim_req *r = req_of(it);
        const char *at = r->acked && r->is_create ? strstr(r->answer, "\"uuid\":\"") : NULL;
        if (skip-- > 0 || !at)
            continue;
        (void)snprintf(dst, size < 37 ? size : 37, "%s", at + 8);
        return;
    }
}

static void random_action(struct sim *s)
{
    static const char *const verbs[] = {"start",     "start",   "stop",   "stop",   "kill",
                                        "restart",   "reset",   "pause",  "resume", "suspend",
                                        "unsuspend", "rebuild", "resize", "delete", "delete",
                                        "restore",   "purge"};
    const char *verb = verbs[sim_below(s, BT_ARRAY_LEN(verbs))];
    bool purge = bt_streq(verb, "purge");
    char name[40];
    (void)snprintf(name, sizeof name, "vps-%lld", (long long)sim_below(s, SIM_NAMES));
    sim_known(s, name, sizeof name);
    struct sim_req *r = action_new(s, purge ? "delete" : verb, name);
    r->action.force = sim_below(s, 2) == 0;
    r->action.purge = purge;
    if (bt_streq(verb, "stop"))
        r->action.timeout_ms = BT_OPT_V(sim_below(s, 5) * 1000 + 1000);
    if (bt_streq(verb, "suspend") || bt_streq(verb, "unsuspend"))
        r->action.reasons = UINT64_C(1) << sim_below(s, 4);
    if (bt_streq(verb, "resize"))
        r->action.plan.name = bt_xstrdup(sim_below(s, 2) ? "small" : "big");
    send(r);
}

void sim_client_step(struct sim *s)
{
    if (sim_below(s, 3) == 0)
        random_create(s);
    else
        random_action(s);
}

void sim_client_replay(struct sim *s)
{
    if (!s->n_reqs)
        return;
    int64_t skip = sim_below(s, s->n_reqs);
    BT_LIST_FOREACH(it, &s->reqs) {
        struct sim_req *r = req_of(it);
        if (skip-- > 0 || !r->acked || r->open)
            continue;
        send(r);
        return;
    }
}

void sim_client_retry_lost(struct sim *s)
{
    BT_LIST_FOREACH(it, &s->reqs) {
        struct sim_req *r = req_of(it);
        if (r->lost && !r->open)
            send(r);
    }
}

void sim_client_fini(struct sim *s)
{
    struct bt_list *l;
    while ((l = bt_list_pop(&s->reqs))) {
        struct sim_req *r = req_of(l);
        bt_schema_free(&api_instance_create_schema, &r->create);
        bt_schema_free(&api_action_schema, &r->action);
        free(r->answer);
        free(r);
    }
}
