/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/spec.h"

#include "proto/field.h"

#define FT spec_address
static const struct bt_field spec_address_schema_fields[] = {
    F_STR(address, 45, "ip", BT_REQUIRED, NULL),
    F_INT(prefix, 0, 128, BT_REQUIRED, NULL),
    F_INT(family, 4, 6, BT_REQUIRED, NULL),
    F_STR(gateway, 45, "ip", 0, NULL),
    F_STR(pool, 63, "name", 0, NULL),
    F_ENUM(delivery, enum_delivery, 0, NULL),
    F_END};
F_SCHEMA(spec_address_schema, "SpecAddress", NULL);
#undef FT

#define FT spec_nic
static const struct bt_field spec_nic_schema_fields[] = {
    F_STR(mac, 17, "mac", BT_REQUIRED, NULL), F_AOBJ(addresses, &spec_address_schema, 80, 0, NULL),
    F_END};
F_SCHEMA(spec_nic_schema, "SpecNic", NULL);
#undef FT

#define FT spec_image
static const struct bt_field spec_image_schema_fields[] = {
    F_STR(name, 63, "name", BT_REQUIRED, NULL),
    F_STR(sha256, 64, "sha256", BT_REQUIRED, NULL),
    F_ENUM(kind, enum_image_kind, BT_REQUIRED, NULL),
    F_INT(bytes, 0, F_MAX_INT, 0, NULL),
    F_STR(stop_signal, 32, "", 0, NULL),
    F_STR(os_type, 32, "", 0, NULL),
    F_END};
F_SCHEMA(spec_image_schema, "SpecImage", NULL);
#undef FT

#define FT spec_tombstone
static const struct bt_field spec_tombstone_schema_fields[] = {
    F_STR(reason, 200, "", BT_REQUIRED, NULL), F_TIME(created_at, BT_REQUIRED, NULL),
    F_TIME(purge_at, BT_REQUIRED, NULL), F_BOOL(purge_now, 0, NULL), F_END};
F_SCHEMA(spec_tombstone_schema, "SpecTombstone", NULL);
#undef FT

#define FT instance_spec
static const struct bt_field instance_spec_schema_fields[] = {
    F_ID(id, BT_REQUIRED, NULL),
    F_STR(uuid, 36, "uuid", BT_REQUIRED, NULL),
    F_STR(name, 63, "name", BT_REQUIRED, NULL),
    F_STR(hostname, 253, "hostname", BT_REQUIRED, NULL),
    F_STR(tenant, 63, "name", 0, NULL),
    F_STR(plan, 63, "name", 0, NULL),
    F_INT(generation, 1, F_MAX_INT, BT_REQUIRED, NULL),
    F_ENUM(driver, enum_driver, BT_REQUIRED, NULL),
    F_ENUM(desired, enum_desired, BT_REQUIRED, NULL),
    F_BOOL(paused, 0, NULL),
    F_AENUM(suspended, enum_suspend, 0, NULL),
    F_ID(restart_seq, 0, NULL),
    F_ID(reset_seq, 0, NULL),
    F_ID(rebuild_seq, 0, NULL),
    F_ID(password_seq, 0, NULL),
    F_OBJ(image, &spec_image_schema, BT_REQUIRED, NULL),
    F_OBJ(limits, &limits_schema, BT_REQUIRED, NULL),
    F_AENUM(features, enum_feature, 0, NULL),
    F_AOBJ(nics, &spec_nic_schema, 8, 0, NULL),
    F_ASTR(resolvers, 3, "ip", 0, NULL),
    F_ASTR(ssh_keys, 64, "ssh_key", 0, NULL),
    F_STR(password_hash, 255, "", BT_SECRET, NULL),
    F_STR(user_data, 65536, "", BT_MULTILINE, NULL),
    F_OPTR(tombstone, &spec_tombstone_schema, 0, NULL),
    F_END};
F_SCHEMA(instance_spec_schema, "InstanceSpec", NULL);
#undef FT
