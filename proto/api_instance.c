/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/api_instance.h"

#include "proto/field.h"

#define RO BT_READONLY
#define NIL BT_NULLABLE

#define FT api_address
static const struct bt_field api_address_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(address, 45, "ip", RO, NULL),
    F_INT(prefix, 0, 128, RO, NULL),
    F_INT(family, 4, 6, RO, NULL),
    F_ENUM(kind, enum_address_kind, RO, NULL),
    F_REF(network, RO | NIL, NULL),
    F_REF(pool, RO | NIL, NULL),
    F_STR(mac, 17, "mac", RO | NIL, NULL),
    F_STR(rdns, 253, "hostname", RO | NIL, NULL),
    F_STR(gateway, 45, "ip", RO | NIL, NULL),
    F_ENUM(state, enum_address_state, RO, NULL),
    F_REF(instance, RO | NIL, NULL),
    F_END};
F_SCHEMA(api_address_schema, "Address", NULL);
#undef FT

#define FT api_nat_port
static const struct bt_field nat_port_schema_fields[] = {
    F_STR(public_address, 45, "ip", RO, NULL), F_INT(public_port, 1, 65535, RO, NULL),
    F_STR(proto, 8, "", RO, NULL), F_INT(port, 1, 65535, RO, NULL), F_END};
static F_SCHEMA(nat_port_schema, "NatPort", NULL);
#undef FT

static const struct bt_field protection_schema_fields[] = {
    {.key = "delete", .type = BT_F_BOOL, .off = offsetof(struct api_protection, del)},
    {.key = "rebuild", .type = BT_F_BOOL, .off = offsetof(struct api_protection, rebuild)},
    F_END};
static const struct bt_schema protection_schema = {.name = "Protection",
                                                   .fields = protection_schema_fields,
                                                   .size = sizeof(struct api_protection)};

#define FT api_instance
static const struct bt_field api_instance_schema_fields[] = {
    F_ID(id, RO, NULL),
    F_STR(uuid, 36, "uuid", RO, NULL),
    F_STR(external_id, 128, "", NIL, "id in a billing system, unique per source"),
    F_STR(source, 63, "", RO, "billing installation"),
    F_STR(name, 63, "name", 0, NULL),
    F_STR(hostname, 253, "hostname", 0, NULL),
    F_REF(tenant, 0, NULL),
    F_REF(plan, 0, NULL),
    F_REF(image, 0, NULL),
    F_ENUM(driver, enum_driver, RO, NULL),
    F_REF(host, RO | NIL, NULL),
    F_REF(location, RO | NIL, NULL),
    F_ENUM(desired, enum_desired, RO, NULL),
    F_ENUM(state, enum_instance_state, RO, "as observed"),
    F_BOOL(paused, RO, NULL),
    F_AENUM(suspended, enum_suspend, RO, "reasons"),
    F_STR(suspend_text, 400, "", RO | NIL, NULL),
    F_OPT(locked_by, 0, F_MAX_INT, RO | NIL, "task that holds it"),
    F_OBJ(protection, &protection_schema, 0, NULL),
    F_AOBJ(addresses, &api_address_schema, 128, RO, NULL),
    F_AOBJ(nat_ports, &nat_port_schema, 65535, RO, NULL),
    F_OBJ(limits, &limit_views_schema, RO, NULL),
    F_AENUM(features, enum_feature, 0, NULL),
    F_ID(generation, RO, NULL),
    F_ID(observed_generation, RO, NULL),
    F_TIME(created_at, RO, NULL),
    F_OPT(started_at, 0, F_MAX_INT, RO | NIL, "start of the guest's present boot"),
    F_OPT(delete_at, 0, F_MAX_INT, RO | NIL, "when the trash is emptied"),
    F_OPTR(last_error, &api_error_schema, RO | NIL, NULL),
    F_MAP(labels, 64, 0, NULL),
    F_STR(notes, 4096, "", NIL | BT_MULTILINE, NULL),
    F_END};
F_SCHEMA(api_instance_schema, "Instance", "A VPS");
#undef FT

#define FT api_instance_create
static const struct bt_field api_instance_create_schema_fields[] = {
    F_STR(name, 63, "name", BT_REQUIRED, NULL),
    F_REF(plan, BT_REQUIRED, NULL),
    F_REF(image, BT_REQUIRED, NULL),
    F_ENUM(driver, enum_driver, 0, NULL),
    F_REF(tenant, 0, "operators only; default: setting default_tenant"),
    F_REF(host, 0, "pinned to this host"),
    F_REF(location, 0, NULL),
    F_STR(hostname, 253, "hostname", 0, "default: the name"),
    F_ASTR(ssh_keys, 64, "ssh_key_or_name", 0, "key text or the name of a stored key"),
    F_STR(password, 128, "", BT_SECRET | BT_WRITE_ONLY, "root password; kept as a hash"),
    F_STR(user_data, 65536, "", BT_MULTILINE, NULL),
    F_STR(source, 63, "", 0, NULL),
    F_STR(external_id, 128, "", 0, NULL),
    F_ASTR(networks, 8, "", 0, NULL),
    F_ASTR(addresses, 64, "ip", 0, "wanted addresses (operators)"),
    F_STR(mac, 17, "mac", 0, NULL),
    F_ASTR(features, 8, "", 0, "instead of the plan's"),
    F_OBJ(limits, &limits_schema, 0, "overrides"),
    F_OBOOL(start, 0, "default true"),
    F_MAP(labels, 64, 0, NULL),
    F_STR(notes, 4096, "", BT_MULTILINE, NULL),
    F_END};
F_SCHEMA(api_instance_create_schema, "InstanceCreate", NULL);
#undef FT

#define FT api_instance_patch
static const struct bt_field api_instance_patch_schema_fields[] = {
    F_STR(name, 63, "name", 0, NULL),
    F_STR(hostname, 253, "hostname", 0, NULL),
    F_STR(notes, 4096, "", BT_MULTILINE, NULL),
    F_STR(external_id, 128, "", 0, NULL),
    F_OBOOL(protect_delete, 0, NULL),
    F_OBOOL(protect_rebuild, 0, NULL),
    F_MAP(labels, 64, 0, NULL),
    F_END};
F_SCHEMA(api_instance_patch_schema, "InstancePatch", NULL);
#undef FT

#define FT api_action
static const struct bt_field api_action_schema_fields[] = {
    F_BOOL(force, 0, "stop: kill after the timeout; delete: running too"),
    F_OPT(timeout_ms, 0, 3600000, 0, "graceful stop"),
    F_AENUM(reasons, enum_suspend, 0, "suspend, unsuspend"),
    F_STR(text, 400, "", 0, "why, for the customer"),
    F_REF(image, 0, "rebuild"),
    F_ASTR(ssh_keys, 64, "ssh_key_or_name", 0, "rebuild, reset_password"),
    F_STR(password, 128, "", BT_SECRET | BT_WRITE_ONLY, "rebuild, reset_password"),
    F_REF(plan, 0, "resize"),
    F_OBJ(limits, &limits_schema, 0, "resize: overrides"),
    F_BOOL(purge, 0, "delete past the trash (operators)"),
    F_STR(uuid, 36, "uuid", 0, "delete: must match"),
    F_STR(external_id, 128, "", 0, "delete: must match"),
    F_END};
F_SCHEMA(api_action_schema, "InstanceAction", "Arguments of a verb");
#undef FT

#define FT api_instance_task
static const struct bt_field api_instance_task_schema_fields[] = {
    F_OBJ(task, &api_task_schema, 0, NULL), F_OBJ(instance, &api_instance_schema, 0, NULL), F_END};
F_SCHEMA(api_instance_task_schema, "InstanceTask", NULL);
#undef FT

#define FT api_exec
static const struct bt_field api_exec_schema_fields[] = {
    F_ASTR(argv, 256, "argv", BT_MULTILINE, "exec only"), F_BOOL(tty, 0, NULL),
    F_INT(rows, 0, 10000, 0, NULL), F_INT(cols, 0, 10000, 0, NULL), F_END};
F_SCHEMA(api_exec_schema, "Exec", NULL);
#undef FT

#define FT api_ticket
static const struct bt_field api_ticket_schema_fields[] = {
    F_STR(ticket, 128, "", RO, "WebSocket subprotocol, one use, 30 s"),
    F_STR(url, 400, "", RO, "path on this server"), F_TIME(expires_at, RO, NULL), F_END};
F_SCHEMA(api_ticket_schema, "Ticket", NULL);
#undef FT
