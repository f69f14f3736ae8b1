/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/link.h"

#include "proto/field.h"

#define FT link_envelope
static const struct bt_field link_envelope_schema_fields[] = {F_INT(v, 1, 1000, BT_REQUIRED, NULL),
                                                              F_ID(id, 0, NULL),
                                                              F_ID(re, 0, NULL),
                                                              F_ID(epoch, 0, NULL),
                                                              F_STR(op, 32, "", BT_REQUIRED, NULL),
                                                              F_RAW(body, 1 << 20, 0, NULL),
                                                              F_END};
F_SCHEMA(link_envelope_schema, "LinkEnvelope", NULL);
#undef FT

#define FT link_driver
static const struct bt_field link_driver_schema_fields[] = {
    F_STR(name, 32, "", BT_REQUIRED, NULL), F_BOOL(available, 0, NULL),
    F_STR(reason, 200, "", BT_NULLABLE, NULL), F_END};
F_SCHEMA(link_driver_schema, "HostDriver", "A driver of a host and why it is not there");
#undef FT

#define FT link_host
static const struct bt_field link_host_schema_fields[] = {
    F_ID(cpus, BT_REQUIRED, NULL),
    F_ID(memory_bytes, BT_REQUIRED, NULL),
    F_ID(disk_bytes, BT_REQUIRED, NULL),
    F_ID(disk_free_bytes, 0, NULL),
    F_AOBJ(drivers, &link_driver_schema, 8, 0, NULL),
    F_STR(kernel, 128, "", 0, NULL),
    F_STR(cgroup, 16, "", 0, NULL),
    F_STR(disk_backend, 16, "", 0, NULL),
    F_AENUM(features, enum_feature, 0, NULL),
    F_END};
F_SCHEMA(link_host_schema, "LinkHost", NULL);
#undef FT

#define FT link_hello
static const struct bt_field link_hello_schema_fields[] = {
    F_INT(protocol_min, 1, 1000, BT_REQUIRED, NULL),
    F_INT(protocol_max, 1, 1000, BT_REQUIRED, NULL),
    F_ASTR(features, 64, "", 0, NULL),
    F_STR(agent_version, 32, "", 0, NULL),
    F_STR(boot_id, 64, "", BT_REQUIRED, NULL),
    F_STR(session, 64, "", BT_REQUIRED, NULL),
    F_STR(journal_id, 36, "uuid", BT_REQUIRED, NULL),
    F_TIME(clock_ms, BT_REQUIRED, NULL),
    F_STR(controller_id, 36, "uuid", 0, NULL),
    F_ID(epoch, 0, NULL),
    F_OBJ(host, &link_host_schema, BT_REQUIRED, NULL),
    F_END};
F_SCHEMA(link_hello_schema, "LinkHello", NULL);
#undef FT

#define FT link_welcome
static const struct bt_field link_welcome_schema_fields[] = {
    F_STR(controller_id, 36, "uuid", BT_REQUIRED, NULL),
    F_STR(host_name, 63, "name", 0, NULL),
    F_ID(epoch, BT_REQUIRED, NULL),
    F_INT(protocol, 1, 1000, BT_REQUIRED, NULL),
    F_BOOL(joining, 0, NULL),
    F_ID(applied_seq, 0, NULL),
    F_INT(lease_ms, 1, 600000, BT_REQUIRED, NULL),
    F_TIME(clock_ms, 0, NULL),
    F_END};
F_SCHEMA(link_welcome_schema, "LinkWelcome", NULL);
#undef FT

#define FT link_item
static const struct bt_field link_item_schema_fields[] = {
    F_STR(uuid, 36, "uuid", BT_REQUIRED, NULL),
    F_ID(generation, BT_REQUIRED, NULL),
    F_ID(done_generation, 0, NULL),
    F_ENUM(state, enum_instance_state, BT_REQUIRED, NULL),
    F_ENUM(desired, enum_desired, BT_REQUIRED, NULL),
    F_ENUM(desired_by, enum_desired_by, 0, NULL),
    F_BOOL(paused, 0, NULL),
    F_BOOL(trashed, 0, NULL),
    F_TIME(purge_at, 0, NULL),
    F_TIME(started_at, 0, NULL),
    F_OPTR(effective, &limits_schema, 0, NULL),
    F_OPTR(spec, &instance_spec_schema, 0, NULL),
    F_END};
F_SCHEMA(link_item_schema, "LinkItem", NULL);
#undef FT

#define FT link_inventory
static const struct bt_field link_inventory_schema_fields[] = {
    F_ID(page, BT_REQUIRED, NULL), F_BOOL(done, 0, NULL),
    F_AOBJ(items, &link_item_schema, LINK_INVENTORY_PAGE, 0, NULL), F_END};
F_SCHEMA(link_inventory_schema, "LinkInventory", NULL);
#undef FT

#define FT link_apply
static const struct bt_field link_apply_schema_fields[] = {
    F_ID(task_id, BT_REQUIRED, NULL),
    F_ENUM(action, enum_action, BT_REQUIRED, NULL),
    F_BOOL(force, 0, NULL),
    F_INT(timeout_ms, 0, 86400000, 0, NULL),
    F_OBJ(spec, &instance_spec_schema, BT_REQUIRED, NULL),
    F_END};
F_SCHEMA(link_apply_schema, "LinkApply", NULL);
#undef FT

#define FT link_accepted
static const struct bt_field link_accepted_schema_fields[] = {
    F_ID(task_id, BT_REQUIRED, NULL), F_ID(generation, 0, NULL), F_STR(code, 64, "", 0, NULL),
    F_STR(message, 400, "", 0, NULL), F_END};
F_SCHEMA(link_accepted_schema, "LinkAccepted", NULL);
#undef FT

#define FT link_cancel
static const struct bt_field link_cancel_schema_fields[] = {F_ID(task_id, BT_REQUIRED, NULL),
                                                            F_END};
F_SCHEMA(link_cancel_schema, "LinkCancel", NULL);
#undef FT

#define FT link_progress
static const struct bt_field link_progress_schema_fields[] = {
    F_ID(task_id, BT_REQUIRED, NULL), F_INT(progress, 0, 100, 0, NULL),
    F_STR(step, 64, "", 0, NULL), F_STR(waiting_for, 128, "", 0, NULL), F_END};
F_SCHEMA(link_progress_schema, "LinkProgress", NULL);
#undef FT

#define FT link_result
static const struct bt_field link_result_schema_fields[] = {
    F_ID(task_id, BT_REQUIRED, NULL),
    F_ENUM(action, enum_action, BT_REQUIRED, NULL),
    F_BOOL(ok, 0, NULL),
    F_BOOL(cancelled, 0, NULL),
    F_STR(code, 64, "", 0, NULL),
    F_STR(message, 400, "", 0, NULL),
    F_STR(hint, 200, "", 0, NULL),
    F_STR(step, 64, "", 0, NULL),
    F_BOOL(retryable, 0, NULL),
    F_END};
F_SCHEMA(link_result_schema, "LinkResult", NULL);
#undef FT

#define FT link_report
static const struct bt_field link_report_schema_fields[] = {
    F_INT(seq, 1, F_MAX_INT, BT_REQUIRED, NULL),
    F_ENUM(kind, enum_report, BT_REQUIRED, NULL),
    F_TIME(at, 0, NULL),
    F_OPTR(item, &link_item_schema, 0, NULL),
    F_OPTR(result, &link_result_schema, 0, NULL),
    F_STR(event, 64, "", 0, NULL),
    F_STR(uuid, 36, "uuid", 0, NULL),
    F_STR(text, 400, "", 0, NULL),
    F_END};
F_SCHEMA(link_report_schema, "LinkReport", NULL);
#undef FT

#define FT link_ack
static const struct bt_field link_ack_schema_fields[] = {F_ID(seq, BT_REQUIRED, NULL), F_END};
F_SCHEMA(link_ack_schema, "LinkAck", NULL);
#undef FT

#define FT link_renew
static const struct bt_field link_renew_schema_fields[] = {F_TIME(clock_ms, BT_REQUIRED, NULL),
                                                           F_ID(memory_used_bytes, 0, NULL),
                                                           F_ID(disk_used_bytes, 0, NULL),
                                                           F_ID(disk_free_bytes, 0, NULL),
                                                           F_ID(instances, 0, NULL),
                                                           F_ID(cpu_used_millicores, 0, NULL),
                                                           F_END};
F_SCHEMA(link_renew_schema, "LinkRenew", NULL);
#undef FT

#define FT link_stream_open
static const struct bt_field link_stream_open_schema_fields[] = {
    F_INT(stream, 1, 4294967295LL, BT_REQUIRED, NULL),
    F_ENUM(kind, enum_stream, BT_REQUIRED, NULL),
    F_STR(uuid, 36, "uuid", BT_REQUIRED, NULL),
    F_ASTR(argv, 256, "argv", BT_MULTILINE, NULL),
    F_BOOL(tty, 0, NULL),
    F_INT(rows, 0, 10000, 0, NULL),
    F_INT(cols, 0, 10000, 0, NULL),
    F_END};
F_SCHEMA(link_stream_open_schema, "LinkStreamOpen", NULL);
#undef FT

#define FT link_stream_ctl
static const struct bt_field link_stream_ctl_schema_fields[] = {
    F_INT(stream, 1, 4294967295LL, BT_REQUIRED, NULL),
    F_STR(what, 16, "", BT_REQUIRED, NULL),
    F_INT(rows, 0, 10000, BT_OMIT_ZERO, NULL),
    F_INT(cols, 0, 10000, BT_OMIT_ZERO, NULL),
    F_INT(status, 0, 255, 0, NULL),
    F_INT(credit, 0, 1 << 30, BT_OMIT_ZERO, NULL),
    F_STR(code, 64, "", 0, NULL),
    F_STR(message, 400, "", 0, NULL),
    F_END};
F_SCHEMA(link_stream_ctl_schema, "LinkStreamCtl", NULL);
#undef FT

#define FT link_error
static const struct bt_field link_error_schema_fields[] = {F_STR(code, 64, "", BT_REQUIRED, NULL),
                                                           F_STR(message, 400, "", 0, NULL), F_END};
F_SCHEMA(link_error_schema, "LinkError", NULL);
#undef FT

#define FT link_doctor_finding
static const struct bt_field finding_schema_fields[] = {
    F_ENUM(kind, enum_doctor, BT_REQUIRED, NULL), F_STR(object, 255, "", BT_NULLABLE, NULL),
    F_STR(expected, 400, "", BT_NULLABLE, NULL),  F_STR(found, 400, "", BT_NULLABLE, NULL),
    F_STR(fix, 400, "", BT_NULLABLE, NULL),       F_END};
static F_SCHEMA(finding_schema, "LinkDoctorFinding", NULL);
#undef FT

#define FT link_doctor
static const struct bt_field link_doctor_schema_fields[] = {
    F_AOBJ(findings, &finding_schema, 1000, 0, NULL), F_END};
F_SCHEMA(link_doctor_schema, "LinkDoctor", NULL);
#undef FT

#define FT link_confirm
static const struct bt_field link_confirm_schema_fields[] = {F_TIME(until_ms, 0, NULL), F_END};
F_SCHEMA(link_confirm_schema, "LinkConfirm", NULL);
#undef FT

#define FT link_cert
static const struct bt_field link_cert_schema_fields[] = {
    F_STR(csr, 8192, "", BT_MULTILINE, NULL), F_STR(cert, 8192, "", BT_MULTILINE, NULL), F_END};
F_SCHEMA(link_cert_schema, "LinkCert", NULL);
#undef FT
