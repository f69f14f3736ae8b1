/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api_route.h"

#include <string.h>

const struct api_route *const api_route_tables[] = {api_instance_routes, api_fleet_routes,
                                                    api_other_routes, NULL};

/* Take the segment at *p into @dst; false when it is empty or too long. */
static bool take_segment(const char **p, char *dst, size_t size)
{
    size_t n = strcspn(*p, "/");
    if (n == 0 || n >= size)
        return false;
    memcpy(dst, *p, n);
    dst[n] = '\0';
    *p += n;
    return true;
}

static bool matches(const char *pattern, const char *path, struct api_target *t)
{
    t->n_segs = 0;
    while (*pattern) {
        if (pattern[0] == '{' && pattern[1] == '}') {
            if (t->n_segs == API_SEGS_MAX ||
                !take_segment(&path, t->segs[t->n_segs], sizeof t->segs[0]))
                return false;
            t->n_segs++;
            pattern += 2;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static bool choose_verb(struct api_target *t)
{
    const char *segs[API_SEGS_MAX] = {t->segs[0], t->segs[1], t->segs[2]};
    t->verb = t->route->choose ? t->route->choose(segs) : t->route->verb;
    return t->verb || t->route->answer;
}

enum api_match api_route_find(enum http_method method, const char *path, struct api_target *ret)
{
    size_t prefix = strlen(API_PREFIX);
    bool under = strncmp(path, API_PREFIX "/", prefix + 1) == 0;
    enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
    enum api_match best = API_NO_PATH;
    for (size_t t = 0; api_route_tables[t]; t++) {
        for (const struct api_route *r = api_route_tables[t]; r->path; r++) {
            bool root = (r->flags & API_ROOT) != 0;
            if ((!root && !under) || !matches(r->path, root ? path : path + prefix, ret))
                continue;
            ret->route = r;
            if (r->method == wanted && choose_verb(ret))
                return API_FOUND;
            if (r->method != wanted)
                best = API_NO_METHOD;
        }
    }
    return best;
}
