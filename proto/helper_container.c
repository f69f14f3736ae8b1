/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/helper_container.h"

#include "proto/field.h"

#define NAME_ROW(c, s) #s,
const char *const helper_container_op[] = {HELPER_CONTAINER_OPS(NAME_ROW) NULL};
const char *const helper_container_cause[] = {HELPER_CONTAINER_CAUSES(NAME_ROW) NULL};
const char *const helper_upper[] = {"loop", "project", "dir", NULL};
const char *const helper_file_op[] = {"write", "shadow_root", "remove", NULL};
const char *const helper_stop_how[] = {"signal", "kill", NULL};
const char *const helper_container_state[] = {"stopped", "running", "paused", "changing", NULL};

#define PATH_MAX_LEN 1023
#define CONTENT_MAX 262144
#define ID_MAX 4294967295LL

#define FT helper_address
static const struct bt_field helper_address_schema_fields[] = {
    F_STR(address, 45, "ip", BT_REQUIRED, NULL), F_INT(prefix, 0, 128, BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_address_schema, "HelperAddress", NULL);
#undef FT

#define FT helper_nic
static const struct bt_field helper_nic_schema_fields[] = {
    F_STR(ifname, 15, "", BT_REQUIRED, NULL),
    F_STR(guest_name, 15, "", BT_REQUIRED, NULL),
    F_STR(mac, 17, "mac", 0, NULL),
    F_INT(mtu, 0, 65535, 0, NULL),
    F_AOBJ(addresses, &helper_address_schema, 80, 0, NULL),
    F_STR(gateway4, 45, "ip", 0, NULL),
    F_STR(gateway6, 45, "ip", 0, NULL),
    F_END};
F_SCHEMA(helper_nic_schema, "HelperNic", NULL);
#undef FT

#define FT helper_file
static const struct bt_field helper_file_schema_fields[] = {
    F_STR(path, PATH_MAX_LEN, "", BT_REQUIRED, NULL),
    F_ENUM(op, helper_file_op, BT_REQUIRED, NULL),
    F_STR(content, CONTENT_MAX, "", BT_MULTILINE | BT_SECRET, NULL),
    F_INT(mode, 0, 07777, 0, NULL),
    F_INT(dir_mode, 0, 07777, 0, NULL),
    F_BOOL(every_boot, 0, NULL),
    F_END};
F_SCHEMA(helper_file_schema, "HelperFile", NULL);
#undef FT

#define FT helper_upper_spec
static const struct bt_field helper_upper_spec_schema_fields[] = {
    F_ENUM(backend, helper_upper, BT_REQUIRED, NULL),
    F_STR(path, PATH_MAX_LEN, "", BT_REQUIRED, NULL), F_INT(size_bytes, 0, F_MAX_INT, 0, NULL),
    F_END};
F_SCHEMA(helper_upper_spec_schema, "HelperUpper", NULL);
#undef FT

#define FT helper_container_spec
static const struct bt_field helper_container_spec_schema_fields[] = {
    F_STR(name, 63, "", 0, NULL),
    F_STR(hostname, 253, "hostname", BT_REQUIRED, NULL),
    F_STR(lower, PATH_MAX_LEN, "", BT_REQUIRED, NULL),
    F_OBJ(upper, &helper_upper_spec_schema, BT_REQUIRED, NULL),
    F_INT(id_base, 65536, ID_MAX, BT_REQUIRED, "never a range that holds host ids of its own"),
    F_INT(id_count, 65536, ID_MAX, BT_REQUIRED, NULL),
    F_STR(cgroup_parent, 255, "", BT_REQUIRED, NULL),
    F_STR(cgroup, 63, "", BT_REQUIRED, NULL),
    F_STR(stop_signal, 32, "", 0, NULL),
    F_STR(init, 255, "", 0, NULL),
    F_STR(cpuset, 255, "", 0, NULL),
    F_OBJ(limits, &limits_schema, BT_REQUIRED, NULL),
    F_AENUM(features, enum_feature, 0, NULL),
    F_AOBJ(nics, &helper_nic_schema, 8, 0, NULL),
    F_AOBJ(files, &helper_file_schema, 64, 0, NULL),
    F_STR(seed_id, 127, "", BT_REQUIRED, NULL),
    F_BOOL(ssh_host_keys, 0, NULL),
    F_INT(boot, 1, F_MAX_INT, BT_REQUIRED, NULL),
    F_STR(log, PATH_MAX_LEN, "", 0, NULL),
    F_STR(log_level, 8, "", 0, NULL),
    F_END};
F_SCHEMA(helper_container_spec_schema, "HelperContainerSpec", NULL);
#undef FT

#define FT helper_container_stop
static const struct bt_field helper_container_stop_schema_fields[] = {
    F_ENUM(how, helper_stop_how, BT_REQUIRED, NULL),
    F_INT(timeout_ms, 1, 86400000, BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_container_stop_schema, "HelperContainerStop", NULL);
#undef FT

#define FT helper_container_exec
static const struct bt_field helper_container_exec_schema_fields[] = {
    F_ASTR(argv, 1024, "", BT_REQUIRED | BT_MULTILINE, NULL),
    F_ASTR(env, 256, "", BT_MULTILINE, NULL),
    F_BOOL(tty, 0, NULL),
    F_INT(rows, 0, 10000, 0, NULL),
    F_INT(cols, 0, 10000, 0, NULL),
    F_END};
F_SCHEMA(helper_container_exec_schema, "HelperContainerExec", NULL);
#undef FT

#define FT helper_container_console
static const struct bt_field helper_container_console_schema_fields[] = {
    F_INT(rows, 0, 10000, 0, NULL), F_INT(cols, 0, 10000, 0, NULL), F_BOOL(replay, 0, NULL), F_END};
F_SCHEMA(helper_container_console_schema, "HelperContainerConsole", NULL);
#undef FT

#define FT helper_container_grow
static const struct bt_field helper_container_grow_schema_fields[] = {
    F_STR(path, PATH_MAX_LEN, "", BT_REQUIRED, NULL),
    F_INT(size_bytes, 1, F_MAX_INT, BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_container_grow_schema, "HelperContainerGrow", NULL);
#undef FT

#define FT helper_container_limits
static const struct bt_field helper_container_limits_schema_fields[] = {
    F_OBJ(limits, &limits_schema, BT_REQUIRED, NULL), F_STR(cpuset, 255, "", 0, NULL), F_END};
F_SCHEMA(helper_container_limits_schema, "HelperContainerLimits", NULL);
#undef FT

#define FT helper_container_freeze
static const struct bt_field helper_container_freeze_schema_fields[] = {
    F_BOOL(on, BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_container_freeze_schema, "HelperContainerFreeze", NULL);
#undef FT

#define FT helper_container_probe
static const struct bt_field helper_container_probe_schema_fields[] = {
    F_STR(dir, PATH_MAX_LEN, "", BT_REQUIRED, NULL),
    F_STR(cgroup_parent, 255, "", BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_container_probe_schema, "HelperContainerProbe", NULL);
#undef FT

#define FT helper_container_request
static const struct bt_field helper_container_request_schema_fields[] = {
    F_ENUM(op, helper_container_op, BT_REQUIRED, NULL),
    F_STR(run_dir, PATH_MAX_LEN, "", BT_REQUIRED, NULL),
    F_OPTR(run, &helper_container_spec_schema, 0, NULL),
    F_OPTR(stop, &helper_container_stop_schema, 0, NULL),
    F_OPTR(exec, &helper_container_exec_schema, 0, NULL),
    F_OPTR(console, &helper_container_console_schema, 0, NULL),
    F_OPTR(grow, &helper_container_grow_schema, 0, NULL),
    F_OPTR(limits, &helper_container_limits_schema, 0, NULL),
    F_OPTR(freeze, &helper_container_freeze_schema, 0, NULL),
    F_OPTR(probe, &helper_container_probe_schema, 0, NULL),
    F_END};
F_SCHEMA(helper_container_request_schema, "HelperContainerRequest", NULL);
#undef FT

#define FT helper_err
static const struct bt_field helper_err_schema_fields[] = {
    F_STR(code, 63, "", BT_REQUIRED, NULL), F_STR(message, 1023, "", BT_MULTILINE, NULL),
    F_STR(hint, 255, "", 0, NULL), F_STR(step, 63, "", 0, NULL), F_END};
F_SCHEMA(helper_err_schema, "HelperErr", NULL);
#undef FT

#define FT helper_exit
static const struct bt_field helper_exit_schema_fields[] = {
    F_INT(status, 0, 255, BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_exit_schema, "HelperExit", NULL);
#undef FT

#define FT helper_container_started
static const struct bt_field helper_container_started_schema_fields[] = {
    F_ID(pid, BT_REQUIRED, NULL),
    F_ID(pid_start, BT_REQUIRED, NULL),
    F_ID(monitor, BT_REQUIRED, NULL),
    F_ID(monitor_start, BT_REQUIRED, NULL),
    F_ID(boot, BT_REQUIRED, NULL),
    F_TIME(started_at, BT_REQUIRED, NULL),
    F_OBJ(effective, &limits_schema, BT_REQUIRED, NULL),
    F_BOOL(seeded, 0, NULL),
    F_END};
F_SCHEMA(helper_container_started_schema, "HelperContainerStarted", NULL);
#undef FT

#define FT helper_container_stream
static const struct bt_field helper_container_stream_schema_fields[] = {
    F_INT(fds, 1, 8, BT_REQUIRED, NULL), F_ID(pid, 0, NULL), F_END};
F_SCHEMA(helper_container_stream_schema, "HelperContainerStream", NULL);
#undef FT

#define FT helper_container_grown
static const struct bt_field helper_container_grown_schema_fields[] = {
    F_ID(size_bytes, BT_REQUIRED, NULL), F_BOOL(online, 0, NULL), F_END};
F_SCHEMA(helper_container_grown_schema, "HelperContainerGrown", NULL);
#undef FT

#define FT helper_container_usage
static const struct bt_field helper_container_usage_schema_fields[] = {
    F_ID(cpu_ms, 0, NULL),
    F_ID(memory_bytes, 0, NULL),
    F_ID(swap_bytes, 0, NULL),
    F_ID(pids, 0, NULL),
    F_ID(memory_limit_hits, 0, NULL),
    F_ID(oom_kills, 0, NULL),
    F_ID(disk_bytes, 0, NULL),
    F_ID(disk_free_bytes, 0, NULL),
    F_ID(inodes, 0, NULL),
    F_ID(inodes_free, 0, NULL),
    F_END};
F_SCHEMA(helper_container_usage_schema, "HelperContainerUsage", NULL);
#undef FT

#define FT helper_container_stat
static const struct bt_field helper_container_stat_schema_fields[] = {
    F_ENUM(state, helper_container_state, BT_REQUIRED, NULL),
    F_BOOL(monitor_lost, 0, NULL),
    F_ID(pid, 0, NULL),
    F_ID(pid_start, 0, NULL),
    F_ID(monitor, 0, NULL),
    F_ID(monitor_start, 0, NULL),
    F_ID(boot, 0, NULL),
    F_TIME(started_at, 0, NULL),
    F_OBJ(effective, &limits_schema, 0, NULL),
    F_OPTR(usage, &helper_container_usage_schema, 0, NULL),
    F_OPTR(exit, &helper_container_exit_schema, 0, NULL),
    F_END};
F_SCHEMA(helper_container_stat_schema, "HelperContainerStat", NULL);
#undef FT

#define FT helper_quota_backend
static const struct bt_field helper_quota_backend_schema_fields[] = {
    F_STR(name, 15, "", BT_REQUIRED, NULL),
    F_BOOL(works, BT_REQUIRED, NULL),
    F_BOOL(inodes, 0, NULL),
    F_BOOL(grows, 0, NULL),
    F_BOOL(shrinks, 0, NULL),
    F_STR(reason, 400, "", 0, NULL),
    F_END};
F_SCHEMA(helper_quota_backend_schema, "HelperQuotaBackend", NULL);
#undef FT

#define FT helper_container_probed
static const struct bt_field helper_container_probed_schema_fields[] = {
    F_AOBJ(backends, &helper_quota_backend_schema, 8, BT_REQUIRED, NULL),
    F_STR(cgroup, 15, "", BT_REQUIRED, NULL),
    F_AENUM(features, enum_feature, 0, NULL),
    F_BOOL(swap, 0, NULL),
    F_BOOL(io_limits, 0, NULL),
    F_STR(kernel, 127, "", 0, NULL),
    F_STR(engine, 63, "", 0, NULL),
    F_BOOL(apparmor, 0, NULL),
    F_END};
F_SCHEMA(helper_container_probed_schema, "HelperContainerProbed", NULL);
#undef FT

#define FT helper_container_place
static const struct bt_field helper_container_place_schema_fields[] = {
    F_STR(uuid, 36, "uuid", BT_REQUIRED, NULL),
    F_STR(name, 63, "", 0, NULL),
    F_STR(cgroup_parent, 255, "", BT_REQUIRED, NULL),
    F_STR(cgroup, 63, "", BT_REQUIRED, NULL),
    F_STR(lower, PATH_MAX_LEN, "", BT_REQUIRED, NULL),
    F_STR(upper_path, PATH_MAX_LEN, "", BT_REQUIRED, NULL),
    F_ENUM(upper_backend, helper_upper, BT_REQUIRED, NULL),
    F_INT(id_base, 0, ID_MAX, BT_REQUIRED, NULL),
    F_INT(id_count, 0, ID_MAX, BT_REQUIRED, NULL),
    F_AENUM(features, enum_feature, 0, NULL),
    F_STR(stop_signal, 32, "", 0, NULL),
    F_AOBJ(nics, &helper_nic_schema, 8, 0, NULL),
    F_ID(monitor, BT_REQUIRED, NULL),
    F_ID(monitor_start, BT_REQUIRED, NULL),
    F_ID(boot, BT_REQUIRED, NULL),
    F_ID(disk_major, 0, NULL),
    F_ID(disk_minor, 0, NULL),
    F_BOOL(seeded, 0, NULL),
    F_END};
F_SCHEMA(helper_container_place_schema, "HelperContainerPlace", NULL);
#undef FT

#define FT helper_container_boot
static const struct bt_field helper_container_boot_schema_fields[] = {
    F_ID(boot, BT_REQUIRED, NULL), F_TIME(started_at, BT_REQUIRED, NULL),
    F_ID(pid, BT_REQUIRED, NULL), F_ID(pid_start, BT_REQUIRED, NULL), F_END};
F_SCHEMA(helper_container_boot_schema, "HelperContainerBoot", NULL);
#undef FT

#define FT helper_container_exit
static const struct bt_field helper_container_exit_schema_fields[] = {
    F_ID(boot, BT_REQUIRED, NULL),
    F_TIME(started_at, BT_REQUIRED, NULL),
    F_TIME(ended_at, BT_REQUIRED, NULL),
    F_INT(error_num, -2147483648LL, 2147483647, BT_REQUIRED, NULL),
    F_ENUM(cause, helper_container_cause, BT_REQUIRED, NULL),
    F_END};
F_SCHEMA(helper_container_exit_schema, "HelperContainerExit", NULL);
#undef FT

#define FT helper_container_reply
static const struct bt_field helper_container_reply_schema_fields[] = {
    F_RAW(ok, 65536, 0, NULL), F_OPTR(err, &helper_err_schema, 0, NULL),
    F_OPTR(exit, &helper_exit_schema, 0, NULL), F_END};
F_SCHEMA(helper_container_reply_schema, "HelperContainerReply", NULL);
#undef FT
