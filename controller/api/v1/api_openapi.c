/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api_openapi.h"

#include <assert.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json_pattern.h"
#include "controller/api/v1/api.h"
#include "controller/api/v1/api_route.h"
#include "controller/service/service_image.h"
#include "proto/api_fleet.h"
#include "proto/api_instance.h"

/* What answers carry; requests come from the verbs' own tables. */
static const struct bt_schema *const answers[] = {
    &api_problem_schema,    &api_instance_schema,   &api_instance_task_schema,
    &api_task_schema,       &api_event_schema,      &api_alarm_schema,
    &api_audit_schema,      &api_host_schema,       &api_host_joined_schema,
    &api_plan_schema,       &api_image_schema,      &service_image_task_schema,
    &api_pool_schema,       &api_address_schema,    &api_location_schema,
    &api_host_group_schema, &api_join_token_schema, &api_token_schema,
    &api_tenant_schema,     &api_ssh_key_schema,    &api_orphan_schema,
    &api_capacity_schema,   &api_explain_schema,    &api_finding_schema,
    &api_setting_schema,    &api_ticket_schema,     &api_action_schema,
};

static void collect(struct api_schemas *all, const struct bt_schema *s)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->list[i]->name, s->name) == 0)
            return;
    }
    assert(all->n < API_SCHEMAS_MAX);
    all->list[all->n++] = s;
    for (const struct bt_field *f = s->fields; f->key; f++) {
        if (f->sub)
            collect(all, f->sub);
    }
}

void api_schemas_collect(struct api_schemas *ret)
{
    *ret = (struct api_schemas){0};
    for (size_t i = 0; i < BT_ARRAY_LEN(answers); i++)
        collect(ret, answers[i]);
    for (size_t t = 0; api_route_tables[t]; t++) {
        for (const struct api_route *r = api_route_tables[t]; r->path; r++) {
            if (r->verb && r->verb->args_schema && !r->query)
                collect(ret, r->verb->args_schema);
        }
    }
}

static void add_names(const struct bt_field *f, struct bt_buf *out)
{
    (void)bt_buf_adds(out, "\"enum\":[");
    for (size_t i = 0; f->names[i]; i++) {
        (void)bt_buf_adds(out, i ? "," : "");
        (void)bt_json_quote(f->names[i], out);
    }
    (void)bt_buf_adds(out, f->type == BT_F_OPT_INT ? ",null]" : "]");
}

static void add_string(const struct bt_field *f, struct bt_buf *out)
{
    const struct bt_json_pattern *p = f->pattern ? bt_json_pattern_find(f->pattern) : NULL;
    (void)bt_buf_adds(out, f->flags & BT_NULLABLE ? "\"type\":[\"string\",\"null\"]"
                                                  : "\"type\":\"string\"");
    if (f->type == BT_F_STR && f->max > 0)
        (void)bt_buf_addf(out, ",\"maxLength\":%lld", (long long)f->max);
    if (p && p->regex) {
        (void)bt_buf_adds(out, ",\"pattern\":");
        (void)bt_json_quote(p->regex, out);
    }
}

static void add_number(const struct bt_field *f, struct bt_buf *out)
{
    bool null = f->type == BT_F_OPT_INT || (f->flags & BT_NULLABLE);
    (void)bt_buf_addf(out, "\"type\":%s,\"minimum\":%lld,\"maximum\":%lld",
                      null ? "[\"integer\",\"null\"]" : "\"integer\"", (long long)f->min,
                      (long long)f->max);
}

static void add_type_ref(const struct bt_schema *s, struct bt_buf *out)
{
    (void)bt_buf_addf(out, "\"$ref\":\"#/components/schemas/%s\"", s->name);
}

static void add_type(const struct bt_field *f, struct bt_buf *out)
{
    switch (f->type) {
    case BT_F_BOOL:
    case BT_F_OPT_BOOL:
        (void)bt_buf_adds(out, "\"type\":\"boolean\"");
        break;
    case BT_F_INT:
        add_number(f, out);
        break;
    case BT_F_OPT_INT:
        if (f->names)
            add_names(f, out);
        else
            add_number(f, out);
        break;
    case BT_F_STR:
        add_string(f, out);
        break;
    case BT_F_ENUM:
        add_names(f, out);
        break;
    case BT_F_REF:
        (void)bt_buf_adds(out, "\"$ref\":\"#/components/schemas/Reference\"");
        break;
    case BT_F_OBJ:
    case BT_F_OBJ_PTR:
        add_type_ref(f->sub, out);
        break;
    case BT_F_ARR_OBJ:
        (void)bt_buf_adds(out, "\"type\":\"array\",\"items\":{");
        add_type_ref(f->sub, out);
        (void)bt_buf_addc(out, '}');
        break;
    case BT_F_ARR_STR:
        (void)bt_buf_addf(out, "\"type\":\"array\",\"maxItems\":%lld,\"items\":{",
                          (long long)f->max);
        add_string(f, out);
        (void)bt_buf_addc(out, '}');
        break;
    case BT_F_ARR_ENUM:
        (void)bt_buf_adds(out, "\"type\":\"array\",\"uniqueItems\":true,\"items\":{");
        add_names(f, out);
        (void)bt_buf_addc(out, '}');
        break;
    case BT_F_MAP_STR:
        (void)bt_buf_adds(out,
                          "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}");
        break;
    case BT_F_RAW:
        (void)bt_buf_adds(out, "\"type\":\"object\"");
        break;
    }
}

static void add_property(const struct bt_field *f, struct bt_buf *out)
{
    (void)bt_json_quote(f->key, out);
    (void)bt_buf_adds(out, ":{");
    add_type(f, out);
    if (f->flags & BT_READONLY)
        (void)bt_buf_adds(out, ",\"readOnly\":true");
    if (f->flags & BT_WRITE_ONLY)
        (void)bt_buf_adds(out, ",\"writeOnly\":true");
    if (f->help) {
        (void)bt_buf_adds(out, ",\"description\":");
        (void)bt_json_quote(f->help, out);
    }
    (void)bt_buf_addc(out, '}');
}

static void add_schema(const struct bt_schema *s, struct bt_buf *out)
{
    bool first = true;
    (void)bt_json_quote(s->name, out);
    (void)bt_buf_adds(out, ":{\"type\":\"object\",\"properties\":{");
    for (const struct bt_field *f = s->fields; f->key; f++) {
        (void)bt_buf_adds(out, f == s->fields ? "" : ",");
        add_property(f, out);
    }
    (void)bt_buf_adds(out, "},\"required\":[");
    for (const struct bt_field *f = s->fields; f->key; f++) {
        if (!(f->flags & BT_REQUIRED))
            continue;
        (void)bt_buf_adds(out, first ? "" : ",");
        (void)bt_json_quote(f->key, out);
        first = false;
    }
    (void)bt_buf_adds(out, "]}");
}

static void add_path_text(const struct api_route *r, struct bt_buf *out)
{
    int n = 0;
    (void)bt_buf_adds(out, r->flags & API_ROOT ? "\"" : "\"" API_PREFIX);
    for (const char *p = r->path; *p; p++) {
        if (p[0] == '{') {
            (void)bt_buf_addf(out, "{p%d}", n++);
            p++;
        } else {
            (void)bt_buf_addc(out, *p);
        }
    }
    (void)bt_buf_addc(out, '"');
}

static void add_parameters(const struct api_route *r, struct bt_buf *out)
{
    int n = 0;
    (void)bt_buf_adds(out, ",\"parameters\":[");
    for (const char *p = r->path; (p = strchr(p, '{')); p++, n++)
        (void)bt_buf_addf(
            out,
            "%s{\"name\":\"p%d\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
            "\"string\"}}",
            n ? "," : "", n);
    for (const struct bt_field *f = r->query ? r->query->fields : NULL; f && f->key; f++, n++) {
        (void)bt_buf_adds(out, n ? ",{\"name\":" : "{\"name\":");
        (void)bt_json_quote(f->key, out);
        (void)bt_buf_adds(out, ",\"in\":\"query\",\"schema\":{");
        add_type(f, out);
        (void)bt_buf_adds(out, "}}");
    }
    (void)bt_buf_addc(out, ']');
}

static void add_operation(const struct api_route *r, struct bt_buf *out)
{
    static const char *const methods[] = {"get", "post", "put", "patch", "delete", "head", "x"};
    const struct bt_schema *body = r->verb && !r->query ? r->verb->args_schema : NULL;
    if (r->choose && !r->query)
        body = &api_action_schema;
    (void)bt_buf_addf(out, "\"%s\":{\"summary\":", methods[r->method]);
    (void)bt_json_quote(r->summary, out);
    add_parameters(r, out);
    if (body) {
        (void)bt_buf_adds(out, ",\"requestBody\":{\"content\":{\"application/json\":{\"schema\":{");
        add_type_ref(body, out);
        (void)bt_buf_adds(out, "}}}}");
    }
    if (r->flags & API_OPEN)
        (void)bt_buf_adds(out, ",\"security\":[]");
    (void)bt_buf_adds(out, ",\"responses\":{\"default\":{\"description\":\"problem\",\"content\":{"
                           "\"application/problem+json\":{\"schema\":{\"$ref\":"
                           "\"#/components/schemas/Problem\"}}}}}}");
}

/* A path is written at its first route, with all of its methods. */
static bool is_first(size_t table, const struct api_route *r)
{
    for (size_t t = 0; t <= table; t++) {
        for (const struct api_route *o = api_route_tables[t]; o->path; o++) {
            if (o == r)
                return true;
            if (strcmp(o->path, r->path) == 0)
                return false;
        }
    }
    return true;
}

static void add_path(const struct api_route *r, struct bt_buf *out)
{
    bool first = true;
    add_path_text(r, out);
    (void)bt_buf_adds(out, ":{");
    for (size_t t = 0; api_route_tables[t]; t++) {
        for (const struct api_route *o = api_route_tables[t]; o->path; o++) {
            if (strcmp(o->path, r->path) != 0)
                continue;
            (void)bt_buf_adds(out, first ? "" : ",");
            add_operation(o, out);
            first = false;
        }
    }
    (void)bt_buf_addc(out, '}');
}

void api_openapi_write(struct bt_buf *out)
{
    struct api_schemas all;
    bool first = true;
    api_schemas_collect(&all);
    (void)bt_buf_adds(out,
                      "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Berth\",\"version\":\"1\"},"
                      "\"security\":[{\"bearer\":[]}],\"paths\":{");
    for (size_t t = 0; api_route_tables[t]; t++) {
        for (const struct api_route *r = api_route_tables[t]; r->path; r++) {
            if (!is_first(t, r))
                continue;
            (void)bt_buf_adds(out, first ? "" : ",");
            add_path(r, out);
            first = false;
        }
    }
    (void)bt_buf_adds(out,
                      "},\"components\":{\"securitySchemes\":{\"bearer\":{\"type\":\"http\","
                      "\"scheme\":\"bearer\"}},\"schemas\":{\"Reference\":{\"description\":\"in "
                      "requests a name, uuid or id\"}");
    for (size_t i = 0; i < all.n; i++) {
        (void)bt_buf_addc(out, ',');
        add_schema(all.list[i], out);
    }
    (void)bt_buf_adds(out, "}}}");
}
