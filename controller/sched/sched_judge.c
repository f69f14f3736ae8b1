/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "controller/sched/sched.h"

#define REASON_NAME(c, s) s,
static const char *const names[] = {SCHED_REASONS(REASON_NAME)};

const char *sched_reason_str(enum sched_reason r)
{
    return r < SCHED__COUNT ? names[r] : "?";
}

static bool in_groups(const struct sched_host *h, const struct sched_request *r)
{
    if (!r->n_groups)
        return true;
    for (size_t i = 0; i < r->n_groups; i++)
        if (r->groups[i] == h->group_id)
            return true;
    return false;
}

static bool disk_full(const struct sched_host *h)
{
    if (h->disk_used_bytes <= 0)
        return false;
    __int128 total = (__int128)h->disk_used_bytes + h->disk_free_bytes;
    return (__int128)h->disk_used_bytes * 100 >= total * SCHED_DISK_STOP_PERCENT;
}

static int64_t free_of(int64_t sellable, int64_t allocated)
{
    return sellable > allocated ? sellable - allocated : 0;
}

static bool has_max(const struct sched_host *h)
{
    return h->max_instances.is == BT_VALUE;
}

static enum sched_reason judge_place(const struct sched_host *h, const struct sched_request *r)
{
    if (r->host_id && r->host_id != h->id)
        return SCHED_PINNED;
    if (h->state != HOST_ONLINE)
        return SCHED_STATE;
    if (h->silent)
        return SCHED_SILENT;
    if (h->cordoned)
        return SCHED_CORDONED;
    if (!(h->drivers & (1u << r->driver)))
        return SCHED_DRIVER;
    if ((h->features & r->features) != r->features)
        return SCHED_FEATURES;
    if (r->location_id && r->location_id != h->location_id)
        return SCHED_LOCATION;
    if (!in_groups(h, r))
        return SCHED_HOST_GROUP;
    return SCHED_OK;
}

enum sched_reason sched_judge(const struct sched_host *h, const struct sched_request *r)
{
    enum sched_reason place = judge_place(h, r);
    if (place != SCHED_OK)
        return place;
    if (has_max(h) && h->allocated.instances + r->need.instances > h->max_instances.v)
        return SCHED_MAX_INSTANCES;
    if (free_of(h->sellable.cpus, h->allocated.cpus) < r->need.cpus)
        return SCHED_CPU;
    if (free_of(h->sellable.memory_bytes, h->allocated.memory_bytes) < r->need.memory_bytes)
        return SCHED_MEMORY;
    if (free_of(h->sellable.disk_bytes, h->allocated.disk_bytes) < r->need.disk_bytes)
        return SCHED_DISK;
    return disk_full(h) ? SCHED_DISK_FULL : SCHED_OK;
}

static void say(char *dst, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void say(char *dst, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(dst, size, fmt, ap);
    va_end(ap);
}

static void say_amount(char *dst, size_t size, const char *what, int64_t need,
                       const int64_t have[2])
{
    say(dst, size, "needs %lld %s, %lld of %lld free", (long long)need, what,
        (long long)free_of(have[0], have[1]), (long long)have[0]);
}

static void say_room(enum sched_reason why, const struct sched_host *h,
                     const struct sched_request *r, char *dst, size_t size)
{
    const struct sched_amount *s = &h->sellable, *a = &h->allocated;
    if (why == SCHED_CPU)
        say_amount(dst, size, "cores", r->need.cpus, (int64_t[]){s->cpus, a->cpus});
    else if (why == SCHED_MEMORY)
        say_amount(dst, size, "bytes of memory", r->need.memory_bytes,
                   (int64_t[]){s->memory_bytes, a->memory_bytes});
    else if (why == SCHED_DISK)
        say_amount(dst, size, "bytes of disk", r->need.disk_bytes,
                   (int64_t[]){s->disk_bytes, a->disk_bytes});
    else if (why == SCHED_MAX_INSTANCES)
        say(dst, size, "has %lld of at most %lld instances", (long long)a->instances,
            (long long)h->max_instances.v);
    else if (why == SCHED_DISK_FULL)
        say(dst, size, "%lld bytes really free, placement stops at %d %% used",
            (long long)h->disk_free_bytes, SCHED_DISK_STOP_PERCENT);
}

enum sched_reason sched_explain(const struct sched_host *h, const struct sched_request *r,
                                char *dst, size_t size)
{
    enum sched_reason why = sched_judge(h, r);
    say(dst, size, "%s", "");
    if (why == SCHED_STATE)
        say(dst, size, "is %s", enum_host_state[h->state]);
    else if (why == SCHED_SILENT)
        say(dst, size, "does not answer");
    else if (why == SCHED_DRIVER)
        say(dst, size, "has no driver %s", enum_driver[r->driver]);
    else if (why == SCHED_FEATURES)
        say(dst, size, "cannot give all features of the plan");
    else if (why == SCHED_HOST_GROUP)
        say(dst, size, "is in none of the plan's host groups");
    else if (why == SCHED_LOCATION)
        say(dst, size, "is in another location");
    else if (why == SCHED_PINNED)
        say(dst, size, "another host was asked for");
    else
        say_room(why, h, r, dst, size);
    return why;
}

/* Fewer than so far? Then @why is what ends it. */
static void bound(int64_t times, enum sched_reason why, int64_t *fits, enum sched_reason *limit)
{
    if (times < *fits) {
        *fits = times;
        *limit = why;
    }
}

int64_t sched_fits(const struct sched_host *h, const struct sched_request *r,
                   enum sched_reason *ret_limit)
{
    enum sched_reason why = judge_place(h, r);
    if (why == SCHED_OK && disk_full(h))
        why = SCHED_DISK_FULL;
    *ret_limit = why;
    if (why != SCHED_OK)
        return 0;
    const struct sched_amount *s = &h->sellable, *a = &h->allocated, *n = &r->need;
    int64_t fits = INT64_MAX;
    if (has_max(h) && n->instances > 0)
        bound(free_of(h->max_instances.v, a->instances) / n->instances, SCHED_MAX_INSTANCES, &fits,
              ret_limit);
    if (n->cpus > 0)
        bound(free_of(s->cpus, a->cpus) / n->cpus, SCHED_CPU, &fits, ret_limit);
    if (n->memory_bytes > 0)
        bound(free_of(s->memory_bytes, a->memory_bytes) / n->memory_bytes, SCHED_MEMORY, &fits,
              ret_limit);
    if (n->disk_bytes > 0)
        bound(free_of(s->disk_bytes, a->disk_bytes) / n->disk_bytes, SCHED_DISK, &fits, ret_limit);
    return fits;
}

static int64_t times_milli(int64_t physical, int64_t reserve, int64_t milli)
{
    if (physical <= reserve || milli <= 0)
        return 0;
    __int128 v = (__int128)(physical - reserve) * milli / 1000;
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

void sched_sellable(const struct sched_amount *physical, const struct sched_ratios *q,
                    struct sched_amount *ret)
{
    *ret = (struct sched_amount){
        .cpus = times_milli(physical->cpus, 0, q->cpu_milli),
        .memory_bytes =
            times_milli(physical->memory_bytes, q->reserve_memory_bytes, q->memory_milli),
        .disk_bytes = times_milli(physical->disk_bytes, q->reserve_disk_bytes, q->disk_milli),
    };
}
