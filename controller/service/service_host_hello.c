/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "controller/service/service_host_link.h"
#include "controller/service/service_host_sched.h"
#include "db/repo/repo_alarm.h"
#include "db/repo/repo_host_cert.h"
#include "db/repo/repo_instance.h"
#include "db/repo/repo_location.h"
#include "db/repo/repo_meta.h"

/*
 * Who is it, and may it be told anything? A certificate that our CA signed and that no row knows, a
 * host that obeys another controller, or one that has seen a higher epoch than this database: it is
 * listed as joining, and nothing is sent to it until an operator adopts it.
 */
#define DEFAULT_LOCATION "default"

int service_host_event(struct db_tx *tx, const char *type, int64_t host_id, const char *text,
                       struct agentlink_out *out, struct bt_err *err)
{
    struct bt_buf data = BT_BUF(2048);
    if (text) {
        (void)bt_buf_adds(&data, "{\"text\":");
        (void)bt_json_quote(text, &data);
        (void)bt_buf_addc(&data, '}');
    }
    struct repo_event_new e = {.type = type,
                               .actor = "agent",
                               .resource_type = "host",
                               .resource_id = host_id,
                               .data = data.len && !data.overflow ? data.data : NULL};
    out->events = true;
    int rc = repo_event_append(tx, &e, NULL, err);
    bt_buf_fini(&data);
    return rc;
}

static int first_location(struct db_tx *tx, int64_t *ret, struct bt_err *err)
{
    struct bt_arr rows = {0};
    int rc = repo_location_list(tx, 0, 1, &rows, err);
    if (rc >= 0 && rows.len)
        *ret = ((const struct repo_location_row *)rows.items)->id;
    bool none = rc >= 0 && !rows.len;
    db_rows_free(&repo_location_table, &rows);
    if (!none)
        return rc;
    _cleanup_(repo_location_row_free) struct repo_location_row l = {
        .name = bt_xstrdup(DEFAULT_LOCATION)};
    rc = repo_location_insert(tx, &l, err);
    *ret = l.id;
    return rc;
}

static int new_host(struct db_tx *tx, const char *name, struct repo_host_row *ret,
                    struct bt_err *err)
{
    if (!bt_name_ok(name))
        return bt_fail(err, BT_E_DENIED, "the certificate names no host");
    struct repo_host_row h = {.name = bt_xstrdup(name),
                              .state = HOST_JOINING,
                              .drivers = bt_xstrdup("[]"),
                              .facts = bt_xstrdup("{}")};
    int rc = first_location(tx, &h.location_id, err);
    if (rc >= 0)
        rc = repo_host_insert(tx, &h, err);
    if (rc < 0)
        repo_host_row_free(&h);
    else
        *ret = h;
    return rc;
}

static int say_joining(struct db_tx *tx, struct service *svc, struct repo_host_row *h,
                       const char *why, struct agentlink_out *out, struct bt_err *err)
{
    char text[320];
    (void)snprintf(text, sizeof text, "host %s: %s; `berth host adopt %s` lets it in", h->name, why,
                   h->name);
    struct repo_alarm_new a = {.kind = "host_joining",
                               .severity = SEVERITY_WARNING,
                               .resource_type = "host",
                               .resource_id = h->id,
                               .text = text};
    bool fresh = false;
    int rc = repo_host_set_state(tx, h->id, HOST_JOINING, err);
    h->state = HOST_JOINING;
    if (rc >= 0)
        rc = repo_alarm_raise(tx, &a, &fresh, err);
    if (rc >= 0 && fresh)
        rc = service_host_event(tx, "host.joining", h->id, why, out, err);
    return rc < 0 ? rc : service_host_sched_refresh(tx, svc, h->id, err);
}

static int store_cert(struct db_tx *tx, int64_t host_id, const struct agentlink_cert *c,
                      struct bt_err *err)
{
    _cleanup_(repo_host_cert_row_free) struct repo_host_cert_row row = {
        .serial = bt_xstrdup(c->serial), .host_id = host_id, .not_after = c->not_after_ms};
    return repo_host_cert_insert(tx, &row, err);
}

int service_host_cert_store(struct db_tx *tx, void *ctx, int64_t host_id,
                            const struct agentlink_cert *c, struct bt_err *err)
{
    (void)ctx;
    return store_cert(tx, host_id, c, err);
}

/* No row knows this serial, but our CA signed it: a wiped or an older database. */
static int unknown_serial(struct db_tx *tx, struct service *svc, const struct agentlink_sync *s,
                          struct repo_host_row *ret, struct agentlink_out *out, struct bt_err *err)
{
    int rc = repo_host_get_by_name(tx, s->cert.cn, ret, err);
    if (rc == -BT_E_NOT_FOUND)
        rc = new_host(tx, s->cert.cn, ret, err);
    if (rc >= 0 && ret->state == HOST_REMOVED)
        return bt_fail(err, BT_E_DENIED, "host %s was removed", ret->name);
    if (rc >= 0)
        rc = store_cert(tx, ret->id, &s->cert, err);
    return rc < 0
               ? rc
               : say_joining(tx, svc, ret, "its certificate is ours, but unknown here", out, err);
}

static int known_serial(struct db_tx *tx, const struct repo_host_cert_row *cert,
                        struct repo_host_row *ret, struct bt_err *err)
{
    if (cert->revoked_at)
        return bt_fail(err, BT_E_DENIED, "the certificate was revoked");
    int rc = repo_host_get(tx, cert->host_id, ret, err);
    if (rc >= 0 && ret->state == HOST_REMOVED)
        return bt_fail(err, BT_E_DENIED, "host %s was removed", ret->name);
    return rc;
}

/* Which other controller it obeyed when it was listed as joining: adopting accepts just that. */
static int is_accepted(struct db_tx *tx, int64_t host_id, const char *controller_id, bool *ret,
                       struct bt_err *err)
{
    char key[48];
    _cleanup_free_ char *seen = NULL;
    (void)snprintf(key, sizeof key, "obeyed:%lld", (long long)host_id);
    int rc = repo_meta_get(tx, key, &seen, err);
    *ret = rc >= 0 && bt_streq(seen, controller_id);
    if (*ret || (rc < 0 && rc != -BT_E_NOT_FOUND))
        return rc;
    return repo_meta_set(tx, key, controller_id, err);
}

static int check_obedience(struct db_tx *tx, struct service *svc, const struct link_hello *hello,
                           struct repo_host_row *h, struct agentlink_out *out, struct bt_err *err)
{
    bool accepted = true;
    bool other = hello->controller_id && !bt_streq(hello->controller_id, svc->controller_id);
    int rc = other ? is_accepted(tx, h->id, hello->controller_id, &accepted, err) : 0;
    if (rc < 0 || (other && accepted))
        return rc;
    if (other)
        return say_joining(tx, svc, h, "it obeys another controller", out, err);
    if (hello->epoch <= h->epoch)
        return 0;
    int64_t epoch = 0;
    rc = repo_host_next_epoch(tx, h->id, hello->epoch - h->epoch, &epoch, err);
    h->epoch = epoch;
    return rc < 0 ? rc
                  : say_joining(tx, svc, h, "it has seen a younger state of this controller", out,
                                err);
}

int service_host_hello(struct db_tx *tx, void *ctx, struct agentlink_sync *s,
                       struct agentlink_out *out, struct bt_err *err)
{
    struct service *svc = ctx;
    _cleanup_(repo_host_cert_row_free) struct repo_host_cert_row cert = {0};
    _cleanup_(repo_host_row_free) struct repo_host_row h = {0};
    if (s->hello->protocol_min > LINK_VERSION || s->hello->protocol_max < LINK_VERSION)
        return bt_fail(err, BT_E_UNSUPPORTED, "the agent speaks protocol %lld to %lld, not %d",
                       (long long)s->hello->protocol_min, (long long)s->hello->protocol_max,
                       LINK_VERSION);
    int rc = repo_host_cert_get(tx, s->cert.serial, &cert, err);
    if (rc == -BT_E_NOT_FOUND)
        rc = unknown_serial(tx, svc, s, &h, out, err);
    else if (rc >= 0)
        rc = known_serial(tx, &cert, &h, err);
    if (rc >= 0 && h.state != HOST_JOINING)
        rc = check_obedience(tx, svc, s->hello, &h, out, err);
    else if (rc >= 0 && s->hello->controller_id &&
             !bt_streq(s->hello->controller_id, svc->controller_id)) {
        bool accepted;
        rc = is_accepted(tx, h.id, s->hello->controller_id, &accepted, err);
    }
    if (rc < 0)
        return rc;
    s->host_id = h.id;
    s->joining = h.state == HOST_JOINING;
    (void)bt_strcpy(s->host_name, sizeof s->host_name, h.name);
    return 0;
}
