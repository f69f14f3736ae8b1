/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "controller/api/v1/api_route.h"
#include "controller/service/service_adopt.h"
#include "controller/service/service_fleet.h"
#include "controller/service/service_host.h"
#include "controller/service/service_image.h"
#include "proto/field.h"

#define FT service_query
static const struct bt_field api_query_schema_fields[] = {
    F_REF(tenant, 0, "only this tenant's"),
    F_REF(host, 0, "only on this host"),
    F_REF(pool, 0, "only of this pool"),
    F_STR(name, 63, "name", 0, "exact name"),
    F_BOOL(deleted, 0, "deleted, revoked or used ones too"),
    F_END};
F_SCHEMA(api_query_schema, "Query", NULL);
#undef FT

#define FT service_capacity_query
static const struct bt_field capacity_query_fields[] = {F_REF(plan, 0, "only this plan"),
                                                        F_REF(host, 0, "only this host"), F_END};
static F_SCHEMA(capacity_query, "CapacityQuery", NULL);
#undef FT

#define LIST(p, v, s)                                                                              \
    {                                                                                              \
        .method = HTTP_GET, .path = p, .verb = &v, .query = &api_query_schema, .summary = s        \
    }
#define GET(p, v, s)                                                                               \
    {                                                                                              \
        .method = HTTP_GET, .path = p, .verb = &v, .summary = s                                    \
    }
#define POST(p, v, s)                                                                              \
    {                                                                                              \
        .method = HTTP_POST, .path = p, .verb = &v, .summary = s                                   \
    }
#define PATCH(p, v, s)                                                                             \
    {                                                                                              \
        .method = HTTP_PATCH, .path = p, .verb = &v, .summary = s                                  \
    }
#define DELETE(p, v, s)                                                                            \
    {                                                                                              \
        .method = HTTP_DELETE, .path = p, .verb = &v, .summary = s                                 \
    }

const struct api_route api_fleet_routes[] = {
    LIST("/plans", service_plan_list, "List plans"),
    POST("/plans", service_plan_create, "Make a plan"),
    GET("/plans/{}", service_plan_get, "Show a plan"),
    PATCH("/plans/{}", service_plan_patch, "Change a plan"),
    DELETE("/plans/{}", service_plan_delete, "Delete a plan"),
    LIST("/images", service_image_list, "List images"),
    POST("/images", service_image_create, "Announce an image"),
    GET("/images/{}", service_image_get, "Show an image"),
    DELETE("/images/{}", service_image_delete, "Delete an image"),
    LIST("/pools", service_pool_list, "List address pools"),
    POST("/pools", service_pool_create, "Make an address pool"),
    GET("/pools/{}", service_pool_get, "Show an address pool"),
    PATCH("/pools/{}", service_pool_patch, "Change an address pool"),
    DELETE("/pools/{}", service_pool_delete, "Delete an address pool"),
    LIST("/locations", service_location_list, "List locations"),
    POST("/locations", service_location_create, "Make a location"),
    GET("/locations/{}", service_location_get, "Show a location"),
    PATCH("/locations/{}", service_location_patch, "Change a location"),
    DELETE("/locations/{}", service_location_delete, "Delete a location"),
    LIST("/host-groups", service_host_group_list, "List host groups"),
    POST("/host-groups", service_host_group_create, "Make a host group"),
    GET("/host-groups/{}", service_host_group_get, "Show a host group"),
    PATCH("/host-groups/{}", service_host_group_patch, "Change a host group"),
    DELETE("/host-groups/{}", service_host_group_delete, "Delete a host group"),
    LIST("/hosts", service_host_list, "List hosts"),
    {.method = HTTP_POST,
     .path = "/hosts/join",
     .verb = &service_host_join,
     .flags = API_OPEN,
     .summary = "Join with a join token and a certificate request"},
    GET("/hosts/{}", service_host_get, "Show a host"),
    PATCH("/hosts/{}", service_host_patch, "Change a host"),
    POST("/hosts/{}/actions/cordon", service_host_cordon, "No new instances"),
    POST("/hosts/{}/actions/uncordon", service_host_uncordon, "New instances again"),
    POST("/hosts/{}/actions/drain", service_host_drain, "Move its instances away"),
    POST("/hosts/{}/actions/retire", service_host_retire, "Remove an empty host"),
    POST("/hosts/{}/actions/adopt", service_host_adopt, "Take a joining host"),
    LIST("/join-tokens", service_join_token_list, "List join tokens"),
    POST("/join-tokens", service_join_token_create, "Make a join token"),
    DELETE("/join-tokens/{}", service_join_token_delete, "Delete a join token"),
    {.method = HTTP_GET,
     .path = "/capacity",
     .verb = &service_capacity,
     .query = &capacity_query,
     .summary = "How many more of a plan fit"},
    POST("/placement/explain", service_explain, "Why a host does or does not fit"),
    {.method = HTTP_GET,
     .path = "/placement/explain",
     .verb = &service_explain,
     .query = &api_explain_request_schema,
     .summary = "Why a host does or does not fit"},
    LIST("/tenants", service_tenant_list, "List tenants"),
    POST("/tenants", service_tenant_create, "Make a tenant"),
    GET("/tenants/{}", service_tenant_get, "Show a tenant"),
    PATCH("/tenants/{}", service_tenant_patch, "Change a tenant"),
    DELETE("/tenants/{}", service_tenant_delete, "Delete a tenant"),
    LIST("/tokens", service_token_list, "List tokens"),
    POST("/tokens", service_token_create, "Make a token"),
    DELETE("/tokens/{}", service_token_delete, "Revoke a token"),
    LIST("/ssh-keys", service_ssh_key_list, "List SSH keys"),
    POST("/ssh-keys", service_ssh_key_create, "Store an SSH key"),
    DELETE("/ssh-keys/{}", service_ssh_key_delete, "Delete an SSH key"),
    {.path = NULL}};
