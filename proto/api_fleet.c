/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/api_fleet.h"

#include "proto/field.h"

#define RO BT_READONLY
#define NIL BT_NULLABLE

#define FT api_amount
static const struct bt_field amount_schema_fields[] = {
    F_ID(cpus, RO, NULL), F_ID(memory_bytes, RO, NULL), F_ID(disk_bytes, RO, NULL),
    F_OPT(instances, 0, F_MAX_INT, RO | NIL, NULL), F_END};
static F_SCHEMA(amount_schema, "Amount", NULL);
#undef FT

#define FT api_capacity4
static const struct bt_field capacity4_schema_fields[] = {
    F_OBJ(physical, &amount_schema, RO, NULL), F_OBJ(sellable, &amount_schema, RO, NULL),
    F_OBJ(allocated, &amount_schema, RO, NULL), F_OBJ(used, &amount_schema, RO, NULL), F_END};
static F_SCHEMA(capacity4_schema, "HostCapacity", NULL);
#undef FT

#define FT api_overcommit
static const struct bt_field overcommit_schema_fields[] = {
    F_OPT(cpu_milli, 100, 1000000, NIL, "thousandths: 8000 = 8 times"),
    F_OPT(memory_milli, 100, 1000000, NIL, NULL),
    F_OPT(disk_milli, 100, 1000000, NIL, NULL),
    F_OPT(reserve_memory_bytes, 0, F_MAX_INT, NIL, "kept for the host"),
    F_OPT(reserve_disk_bytes, 0, F_MAX_INT, NIL, NULL),
    F_OPT(max_instances, 0, 1000000, NIL, "null = no maximum"),
    F_END};
static F_SCHEMA(overcommit_schema, "Overcommit", NULL);
#undef FT

#define FT api_host
static const struct bt_field api_host_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(name, 63, "name", RO, NULL),
    F_REF(location, 0, NULL),
    F_REF(host_group, NIL, NULL),
    F_ENUM(state, enum_host_state, RO, NULL),
    F_BOOL(cordoned, RO, NULL),
    F_AOBJ(drivers, &link_driver_schema, 8, RO, NULL),
    F_OBJ(capacity, &capacity4_schema, RO, NULL),
    F_OBJ(overcommit, &overcommit_schema, 0, NULL),
    F_STR(agent_version, 32, "", RO | NIL, NULL),
    F_ID(protocol, RO, NULL),
    F_INT(clock_skew_ms, -F_MAX_INT, F_MAX_INT, RO, NULL),
    F_OPT(last_seen_at, 0, F_MAX_INT, RO | NIL, NULL),
    F_STR(boot_id, 64, "", RO | NIL, NULL),
    F_RAW(facts, 65536, RO, NULL),
    F_TIME(created_at, RO, NULL),
    F_END};
F_SCHEMA(api_host_schema, "Host", NULL);
#undef FT

#define FT api_host_patch
static const struct bt_field api_host_patch_schema_fields[] = {
    F_REF(location, 0, NULL), F_REF(host_group, 0, NULL),
    F_OBJ(overcommit, &overcommit_schema, 0, NULL), F_END};
F_SCHEMA(api_host_patch_schema, "HostPatch", NULL);
#undef FT

#define FT api_host_join
static const struct bt_field api_host_join_schema_fields[] = {
    F_STR(token, 256, "", BT_REQUIRED | BT_SECRET, NULL),
    F_STR(csr, 8192, "", BT_REQUIRED | BT_MULTILINE, NULL), F_STR(name, 63, "name", 0, NULL),
    F_END};
F_SCHEMA(api_host_join_schema, "HostJoin", NULL);
#undef FT

#define FT api_host_joined
static const struct bt_field api_host_joined_schema_fields[] = {
    F_STR(name, 63, "name", RO, NULL),
    F_STR(cert, 8192, "", RO | BT_MULTILINE, NULL),
    F_STR(ca, 8192, "", RO | BT_MULTILINE, NULL),
    F_INT(agent_port, 1, 65535, RO, NULL),
    F_STR(url, 255, "", RO, NULL),
    F_END};
F_SCHEMA(api_host_joined_schema, "HostJoined", NULL);
#undef FT

#define FT api_join_token_create
static const struct bt_field api_join_token_create_schema_fields[] = {
    F_STR(host, 63, "name", BT_REQUIRED, NULL), F_REF(location, 0, NULL),
    F_REF(host_group, 0, NULL), F_END};
F_SCHEMA(api_join_token_create_schema, "JoinTokenCreate", NULL);
#undef FT

#define FT api_join_token
static const struct bt_field api_join_token_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(token, 256, "", RO | BT_SECRET, "shown once"),
    F_STR(host, 63, "name", RO, NULL),
    F_TIME(created_at, RO, NULL),
    F_TIME(expires_at, RO, NULL),
    F_OPT(used_at, 0, F_MAX_INT, RO | NIL, NULL),
    F_END};
F_SCHEMA(api_join_token_schema, "JoinToken", NULL);
#undef FT

#define FT api_location
static const struct bt_field api_location_schema_fields[] = {
    F_ID(id, RO, NULL), F_STR(name, 63, "name", 0, "POST needs it"),
    F_STR(description, 400, "", NIL, NULL), F_TIME(created_at, RO, NULL), F_END};
F_SCHEMA(api_location_schema, "Location", NULL);
#undef FT

#define FT api_host_group
static const struct bt_field api_host_group_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(name, 63, "name", 0, "POST needs it"),
    F_ENUM(policy, enum_policy, 0, "spread or pack"),
    F_OBJ(overcommit, &overcommit_schema, 0, NULL),
    F_TIME(created_at, RO, NULL),
    F_END};
F_SCHEMA(api_host_group_schema, "HostGroup", NULL);
#undef FT

#define FT api_plan
enum { FINITE = 1, ZERO_HINT = 2 };
#define NAMES_COUNT NULL
#define NAMES_SIZE NULL
#define NAMES_RATE NULL
#define NAMES_MILLI NULL
#define NAMES_enum_traffic_count enum_traffic_count
#define NAMES_enum_traffic_action enum_traffic_action
static const struct bt_field api_plan_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(name, 63, "name", 0, NULL),
    F_AENUM(drivers, enum_driver, 0, NULL),
#define BT_LIMIT(member, flag, kind, lo, hi, flg, hlp)                                             \
    {.key = #member,                                                                               \
     .type = BT_F_OPT_INT,                                                                         \
     .off = offsetof(struct api_plan, limits) + offsetof(struct limits, member),                   \
     .min = ((flg)&ZERO_HINT) ? 0 : (lo),                                                          \
     .max = (hi),                                                                                  \
     .names = NAMES_##kind,                                                                        \
     .flags = BT_NULLABLE,                                                                         \
     .help = (hlp)},
#include "proto/limits.def"
#undef BT_LIMIT
    F_ASTR(features, 8, "", 0, "absent = tun, net_admin, net_raw, compat32; none = strict"),
    F_ASTR(images, 256, "", 0, "empty = all"),
    F_ASTR(host_groups, 64, "", 0, "empty = all"),
    F_TIME(created_at, RO, NULL),
    F_END};
F_SCHEMA(api_plan_schema, "Plan", NULL);
#undef FT

#define FT api_image_kind
static const struct bt_field image_kind_schema_fields[] = {F_ENUM(kind, enum_image_kind, RO, NULL),
                                                           F_STR(sha256, 64, "sha256", RO, NULL),
                                                           F_ID(bytes, RO, NULL), F_END};
static F_SCHEMA(image_kind_schema, "ImageKind", NULL);
#undef FT

#define FT api_image
static const struct bt_field api_image_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(name, 63, "name", 0, NULL),
    F_STR(family, 63, "", NIL, NULL),
    F_STR(version, 63, "", NIL, NULL),
    F_ENUM(state, enum_image_state, RO, NULL),
    F_AOBJ(kinds, &image_kind_schema, 4, RO, NULL),
    F_ID(min_memory_bytes, 0, NULL),
    F_ID(min_disk_bytes, 0, NULL),
    F_STR(os_type, 32, "", 0, NULL),
    F_STR(default_user, 32, "", 0, NULL),
    F_STR(stop_signal, 32, "", 0, NULL),
    F_BOOL(hidden, 0, NULL),
    F_STR(error, 400, "", RO | NIL, NULL),
    F_TIME(created_at, RO, NULL),
    F_END};
F_SCHEMA(api_image_schema, "Image", NULL);
#undef FT

#define FT api_image_create
static const struct bt_field api_image_create_schema_fields[] = {
    F_STR(name, 63, "name", BT_REQUIRED, NULL),
    F_STR(family, 63, "", 0, NULL),
    F_STR(version, 63, "", 0, NULL),
    F_STR(sha256, 64, "sha256", 0, "must match what is uploaded"),
    F_STR(url, 2048, "", 0, "fetched by the controller"),
    F_STR(os_type, 32, "", 0, NULL),
    F_STR(default_user, 32, "", 0, NULL),
    F_STR(stop_signal, 32, "signal", 0, NULL),
    F_ENUM(kind, enum_image_kind, 0, "default rootfs"),
    F_ID(min_memory_bytes, 0, NULL),
    F_ID(min_disk_bytes, 0, NULL),
    F_BOOL(hidden, 0, NULL),
    F_END};
F_SCHEMA(api_image_create_schema, "ImageCreate", NULL);
#undef FT

#define FT api_pool
static const struct bt_field api_pool_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(name, 63, "name", 0, "POST needs it"),
    F_STR(cidr, 49, "cidr", 0, "POST needs it"),
    F_STR(gateway, 45, "ip", NIL, "default: first address (v4), fe80::1 (v6)"),
    F_ENUM(delivery, enum_delivery, 0, "default routed"),
    F_STR(uplink, 15, "iface", NIL, NULL),
    F_REF(host, NIL, NULL),
    F_REF(host_group, NIL, NULL),
    F_REF(location, NIL, NULL),
    F_INT(ipv6_prefix_len, 0, 128, 0, "length of an instance's prefix, default 64"),
    F_ASTR(resolvers, 3, "ip", 0, NULL),
    F_STR(rdns_pattern, 253, "", NIL, NULL),
    F_ID(free, RO, NULL),
    F_ID(used, RO, NULL),
    F_TIME(created_at, RO, NULL),
    F_END};
F_SCHEMA(api_pool_schema, "Pool", NULL);
#undef FT

#define FT api_token
static const struct bt_field api_token_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(name, 63, "", RO, NULL),
    F_REF(tenant, RO | NIL, "null = operator"),
    F_AENUM(scopes, enum_scope, RO, NULL),
    F_STR(source, 63, "", RO, NULL),
    F_STR(token, 64, "", RO | BT_SECRET, "shown once"),
    F_TIME(created_at, RO, NULL),
    F_OPT(expires_at, 0, F_MAX_INT, RO | NIL, NULL),
    F_OPT(last_used_at, 0, F_MAX_INT, RO | NIL, NULL),
    F_END};
F_SCHEMA(api_token_schema, "Token", NULL);
#undef FT

#define FT api_token_create
static const struct bt_field api_token_create_schema_fields[] = {
    F_STR(name, 63, "", 0, NULL),
    F_REF(tenant, 0, "absent = operator's"),
    F_AENUM(scopes, enum_scope, BT_REQUIRED, NULL),
    F_STR(source, 63, "", 0, "billing installation"),
    F_OPT(expires_ms, 1000, F_MAX_INT, 0, "life from now; absent = no end"),
    F_END};
F_SCHEMA(api_token_create_schema, "TokenCreate", NULL);
#undef FT

#define FT api_tenant
static const struct bt_field api_tenant_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(name, 63, "name", 0, "POST needs it"),
    F_STR(display_name, 128, "", NIL, NULL),
    F_STR(external_id, 128, "", NIL, NULL),
    F_STR(source, 63, "", 0, NULL),
    F_AENUM(suspended, enum_suspend, RO, NULL),
    F_OBJ(limits, &limits_schema, 0, "caps over all instances"),
    F_OPT(max_instances, 0, 1000000, NIL, NULL),
    F_TIME(created_at, RO, NULL),
    F_END};
F_SCHEMA(api_tenant_schema, "Tenant", NULL);
#undef FT

#define FT api_ssh_key
static const struct bt_field api_ssh_key_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(name, 63, "name", BT_REQUIRED, NULL),
    F_STR(public_key, 8192, "ssh_key", BT_REQUIRED, NULL),
    F_REF(tenant, 0, NULL),
    F_TIME(created_at, RO, NULL),
    F_END};
F_SCHEMA(api_ssh_key_schema, "SshKey", NULL);
#undef FT

#define FT api_orphan
static const struct bt_field api_orphan_schema_fields[] = {
    F_STR(id, 36, "uuid", RO, NULL),
    F_STR(uuid, 36, "uuid", RO, NULL),
    F_REF(host, RO, NULL),
    F_STR(name, 63, "", RO | NIL, NULL),
    F_STR(plan, 63, "", RO | NIL, NULL),
    F_STR(image, 63, "", RO | NIL, NULL),
    F_ASTR(addresses, 128, "ip", RO, NULL),
    F_ENUM(state, enum_instance_state, RO, NULL),
    F_OBJ(limits, &limits_schema, RO, NULL),
    F_TIME(seen_at, RO, NULL),
    F_END};
F_SCHEMA(api_orphan_schema, "Orphan",
         "An instance that a host holds and the controller does not know");
#undef FT

#define FT api_orphan_adopt
static const struct bt_field api_orphan_adopt_schema_fields[] = {
    F_REF(tenant, BT_REQUIRED, NULL), F_STR(name, 63, "name", 0, NULL), F_END};
F_SCHEMA(api_orphan_adopt_schema, "OrphanAdopt", NULL);
#undef FT

#define FT api_capacity
static const struct bt_field api_capacity_schema_fields[] = {
    F_STR(host, 63, "name", RO, NULL), F_STR(plan, 63, "name", RO, NULL), F_ID(fits, RO, NULL),
    F_STR(limited_by, 64, "", RO | NIL, NULL), F_END};
F_SCHEMA(api_capacity_schema, "Capacity", "How many more of a plan fit on a host");
#undef FT

#define FT api_explain
static const struct bt_field api_explain_schema_fields[] = {
    F_STR(host, 63, "name", RO, NULL), F_BOOL(ok, RO, NULL), F_STR(reason, 64, "", RO | NIL, NULL),
    F_STR(detail, 400, "", RO | NIL, NULL), F_END};
F_SCHEMA(api_explain_schema, "Explain", "Why a host does or does not fit");
#undef FT

#define FT api_explain_request
static const struct bt_field api_explain_request_schema_fields[] = {
    F_REF(plan, BT_REQUIRED, NULL),
    F_REF(image, 0, NULL),
    F_REF(host, 0, NULL),
    F_REF(location, 0, NULL),
    F_REF(tenant, 0, NULL),
    F_ENUM(driver, enum_driver, 0, NULL),
    F_OBJ(limits, &limits_schema, 0, NULL),
    F_END};
F_SCHEMA(api_explain_request_schema, "ExplainRequest", NULL);
#undef FT

#define FT api_finding
static const struct bt_field api_finding_schema_fields[] = {
    F_STR(host, 63, "", RO | NIL, "null = the controller"),
    F_ENUM(kind, enum_doctor, RO, NULL),
    F_STR(object, 255, "", RO | NIL, NULL),
    F_STR(expected, 400, "", RO | NIL, NULL),
    F_STR(found, 400, "", RO | NIL, NULL),
    F_STR(fix, 400, "", RO | NIL, NULL),
    F_END};
F_SCHEMA(api_finding_schema, "DoctorFinding", NULL);
#undef FT

#define FT api_setting
static const struct bt_field api_setting_schema_fields[] = {
    F_STR(key, 63, "", BT_REQUIRED, NULL), F_STR(value, 4096, "", BT_REQUIRED, NULL), F_END};
F_SCHEMA(api_setting_schema, "Setting", NULL);
#undef FT

#define FT api_note
static const struct bt_field api_note_schema_fields[] = {F_STR(note, 400, "", 0, "why"), F_END};
F_SCHEMA(api_note_schema, "Note", NULL);
#undef FT
