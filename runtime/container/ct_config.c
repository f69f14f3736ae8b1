/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime/container/ct_config.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/ip.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/container/ct.h"
#include "runtime/container/ct_profile.h"

#define MONITORS "monitors" /* the group where monitors live */
#define DEV_SIZE "65536"
#define CONSOLE_RING "65536"
#define TTYS "4"
#define VALUE_MAX 4096

static void add(struct bt_arr *items, const char *key, const char *value)
{
    struct bt_pair *p = bt_arr_push(items, sizeof *p);
    p->key = bt_xstrdup(key);
    p->value = bt_xstrdup(value);
}

static void addf(struct bt_arr *items, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void addf(struct bt_arr *items, const char *key, const char *fmt, ...)
{
    char text[VALUE_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add(items, key, text);
}

struct setting {
    const char *key, *value;
};

static const struct setting fixed[] = {
    {"lxc.autodev", "1"},
    {"lxc.autodev.tmpfs.size", DEV_SIZE},
    {"lxc.mount.auto", "proc:mixed sys:mixed cgroup:mixed"},
    {"lxc.console.buffer.size", CONSOLE_RING},
    {"lxc.tty.max", TTYS},
    {"lxc.pty.max", "1024"},
    {"lxc.monitor.signal.pdeath", "0"},
    {"lxc.hook.version", "1"},
    /* Load it though the monitor has a filter (ct_seccomp_architectures) already. */
    {"lxc.seccomp.allow_nesting", "1"},
};

/* Tidiness, not a wall: root inside can unmount them. Files, then directories. */
static const char *const masked_files[] = {
    "proc/kcore",         "proc/keys",        "proc/latency_stats", "proc/timer_list",
    "proc/timer_stats",   "proc/sched_debug", "proc/kallsyms",      "proc/kpagecount",
    "proc/kpageflags",    "proc/kpagecgroup", "proc/vmallocinfo",   "proc/kmsg",
    "proc/sysrq-trigger", "proc/config.gz",   "sys/kernel/notes",   "sys/kernel/vmcoreinfo",
};
static const char *const masked_dirs[] = {
    "proc/acpi",
    "proc/asound",
    "proc/scsi",
    "sys/firmware",
    "sys/kernel/debug",
    "sys/kernel/tracing",
    "sys/kernel/slab",
    "sys/kernel/security",
    "sys/fs/pstore",
    "sys/fs/bpf",
    "sys/power",
    "sys/class/dmi",
    "sys/devices/virtual/powercap",
};

static void add_masks(const struct ct_config_in *in, struct bt_arr *items)
{
    /* A covered proc could not be mounted again by a container inside. */
    if (ct_has(in->spec->features, FEATURE_NESTING))
        return;
    for (size_t i = 0; i < BT_ARRAY_LEN(masked_files); i++)
        addf(items, "lxc.mount.entry", "%s/%s/mask %s none bind,ro,optional 0 0", in->run_dir,
             in->uuid, masked_files[i]);
    for (size_t i = 0; i < BT_ARRAY_LEN(masked_dirs); i++)
        addf(items, "lxc.mount.entry", "%s/%s/maskdir %s none bind,ro,optional 0 0", in->run_dir,
             in->uuid, masked_dirs[i]);
}

const struct ct_node ct_nodes[CT_NODES] = {
    {FEATURE_TUN, "net/tun", "tun", 10, 200},
    {FEATURE_FUSE, "fuse", "fuse", 10, 229},
};

/* cgroup-v1/devices: null zero full random urandom tty console ptmx pts. Making nodes is refused by
 * the user namespace; having one must not help either. */
static const char *const devices[] = {"c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",
                                      "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm",
                                      "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"};

static void add_device_rules(const struct ct_config_in *in, struct bt_arr *items)
{
    bool v2 = in->kind == CT_CG_V2;
    const char *allow = v2 ? "lxc.cgroup2.devices.allow" : "lxc.cgroup.devices.allow";
    add(items, v2 ? "lxc.cgroup2.devices.deny" : "lxc.cgroup.devices.deny", "a");
    for (size_t i = 0; i < BT_ARRAY_LEN(devices); i++)
        add(items, allow, devices[i]);
    for (size_t i = 0; i < CT_NODES; i++) {
        if (ct_has(in->spec->features, ct_nodes[i].feature))
            addf(items, allow, "c %u:%u rwm", ct_nodes[i].major, ct_nodes[i].minor);
    }
}

static void add_devices(const struct ct_config_in *in, struct bt_arr *items)
{
    if (in->devices)
        add_device_rules(in, items);
    for (size_t i = 0; i < CT_NODES; i++) {
        const struct ct_node *n = &ct_nodes[i];
        if (!ct_has(in->spec->features, n->feature))
            continue;
        if (in->own_nodes)
            addf(items, "lxc.mount.entry", "%s/%s/dev/%s dev/%s none bind,create=file 0 0",
                 in->run_dir, in->uuid, n->name, n->path);
        else
            addf(items, "lxc.mount.entry", "/dev/%s dev/%s none bind,create=file,optional 0 0",
                 n->path, n->path);
    }
}

/* With the broadcast address: left to itself liblxc 5.0.2 computes 0.0.15.255 for a /20. */
static void add_address4(const struct helper_address *a, const char *key, struct bt_arr *items)
{
    struct bt_ip ip;
    char text[BT_IP_STR_MAX];
    if (bt_ip_parse(a->address, &ip, NULL) < 0 || a->prefix > 32)
        return;
    for (int64_t bit = a->prefix; bit < 32; bit++)
        ip.bytes[bit / 8] |= (unsigned char)(0x80 >> (bit % 8));
    addf(items, key, "%s/%lld %s", a->address, (long long)a->prefix,
         a->prefix > 30 ? "0.0.0.0" : bt_ip_str(&ip, text));
}

static void add_nic(const struct helper_nic *nic, size_t n, struct bt_arr *items)
{
    char key[64];
#define NIC(name) (snprintf(key, sizeof key, "lxc.net.%zu.%s", n, name), key)
    add(items, NIC("type"), "phys");
    add(items, NIC("link"), nic->ifname);
    add(items, NIC("name"), nic->guest_name);
    add(items, NIC("flags"), "up");
    if (nic->mac)
        add(items, NIC("hwaddr"), nic->mac);
    if (nic->mtu)
        addf(items, NIC("mtu"), "%lld", (long long)nic->mtu);
    for (size_t i = 0; i < nic->addresses.len; i++) {
        const struct helper_address *a = &((struct helper_address *)nic->addresses.items)[i];
        if (strchr(a->address, ':'))
            addf(items, NIC("ipv6.address"), "%s/%lld", a->address, (long long)a->prefix);
        else
            add_address4(a, NIC("ipv4.address"), items);
    }
    if (nic->gateway4)
        add(items, NIC("ipv4.gateway"), nic->gateway4);
    if (nic->gateway6)
        add(items, NIC("ipv6.gateway"), nic->gateway6);
#undef NIC
}

static void add_nics(const struct ct_config_in *in, struct bt_arr *items)
{
    const struct helper_nic *nics = in->spec->nics.items;
    for (size_t i = 0; i < in->spec->nics.len; i++)
        add_nic(&nics[i], i, items);
    /* A network namespace of its own even then. */
    if (in->spec->nics.len == 0)
        add(items, "lxc.net.0.type", "empty");
}

static void add_cgroups(const struct ct_config_in *in, struct bt_arr *items)
{
    const char *parent = in->spec->cgroup_parent + 1;
    const char *name = in->spec->cgroup;
    addf(items, "lxc.cgroup.dir.container", "%s/%s", parent, name);
    addf(items, "lxc.cgroup.dir.monitor", "%s/%s.monitor", parent, name);
    addf(items, "lxc.cgroup.dir.monitor.pivot", "%s/%s.pivot", parent, name);
}

static void add_identity(const struct ct_config_in *in, struct bt_arr *items)
{
    const struct helper_container_spec *s = in->spec;
    _cleanup_buf_ struct bt_buf caps = BT_BUF(4096);
    add(items, "lxc.uts.name", s->hostname);
    addf(items, "lxc.rootfs.path", "dir:%s/%s/root", in->run_dir, in->uuid);
    addf(items, "lxc.rootfs.mount", "%s/%s/stage", in->run_dir, in->uuid);
    addf(items, "lxc.idmap", "u 0 %lld %lld", (long long)s->id_base, (long long)s->id_count);
    addf(items, "lxc.idmap", "g 0 %lld %lld", (long long)s->id_base, (long long)s->id_count);
    add(items, "lxc.init.cmd", s->init ? s->init : "/sbin/init");
    add(items, "lxc.signal.halt", s->stop_signal ? s->stop_signal : "SIGPWR");
    addf(items, "lxc.seccomp.profile", "%s/%s/%s", in->run_dir, in->uuid, CT_F_SECCOMP);
    ct_caps_emit(s->features, &caps);
    add(items, "lxc.cap.drop", caps.data);
    addf(items, "lxc.hook.start-host", "'%s' boot '%s/%s'", in->exe, in->run_dir, in->uuid);
    if (s->log)
        add(items, "lxc.log.file", s->log);
    else
        addf(items, "lxc.log.file", "%s/%s/%s", in->run_dir, in->uuid, CT_F_LOG);
    add(items, "lxc.log.level", s->log_level ? s->log_level : "ERROR");
}

void ct_config_build(const struct ct_config_in *in, struct bt_arr *ret)
{
    *ret = (struct bt_arr){0};
    add_identity(in, ret);
    for (size_t i = 0; i < BT_ARRAY_LEN(fixed); i++)
        add(ret, fixed[i].key, fixed[i].value);
    add_cgroups(in, ret);
    add_masks(in, ret);
    add_devices(in, ret);
    add_nics(in, ret);
}

void ct_config_free(struct bt_arr *items)
{
    struct bt_pair *p = items->items;
    for (size_t i = 0; i < items->len; i++) {
        free(p[i].key);
        free(p[i].value);
    }
    free(items->items);
    *items = (struct bt_arr){0};
}

struct signal_name {
    const char *name;
    int number;
};

int ct_signal_number(const char *name)
{
    static const struct signal_name names[] = {
        {"PWR", SIGPWR},   {"TERM", SIGTERM}, {"INT", SIGINT},
        {"QUIT", SIGQUIT}, {"HUP", SIGHUP},   {"USR1", SIGUSR1},
        {"USR2", SIGUSR2}, {"KILL", SIGKILL}, {"WINCH", SIGWINCH},
    };
    const char *s = bt_starts_with(name, "SIG") ? name + 3 : name;
    int64_t n;
    for (size_t i = 0; i < BT_ARRAY_LEN(names); i++) {
        if (bt_streq(s, names[i].name))
            return names[i].number;
    }
    if (bt_starts_with(s, "RTMIN+") &&
        bt_parse_i64(s + strlen("RTMIN+"), 0, SIGRTMAX - SIGRTMIN, &n, NULL) == 0)
        return SIGRTMIN + (int)n;
    return 0;
}

/* Text that goes into a line, a quoted shell word and a mount table: no blanks, quotes, controls.
 */
static bool is_plain_path(const char *s)
{
    if (s[0] != '/')
        return false;
    for (; *s; s++) {
        if (*s <= ' ' || *s == '\'' || *s == '"' || *s == '\\' || *s == 127)
            return false;
    }
    return true;
}

static bool is_plain_name(const char *s)
{
    return *s && *s != '.' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789-_.@") == strlen(s);
}

static int check_nics(const struct helper_container_spec *s, struct bt_err *err)
{
    const struct helper_nic *nics = s->nics.items;
    for (size_t i = 0; i < s->nics.len; i++) {
        if (!is_plain_name(nics[i].ifname) || !is_plain_name(nics[i].guest_name))
            return bt_fail(err, BT_E_INVALID, "nics[%zu]: interface name", i);
    }
    return 0;
}

int ct_config_check(const struct ct_config_in *in, struct bt_err *err)
{
    const struct helper_container_spec *s = in->spec;
    if (!is_plain_path(in->run_dir) || !is_plain_path(in->exe))
        return bt_fail(err, BT_E_INVALID, "run_dir \"%s\"", in->run_dir);
    if (s->lower[0] != '/' || s->upper.path[0] != '/')
        return bt_fail(err, BT_E_INVALID, "lower and upper are absolute paths");
    if (!ct_cg_path_ok(s->cgroup_parent) || !is_plain_path(s->cgroup_parent))
        return bt_fail(err, BT_E_INVALID, "cgroup_parent \"%s\"", s->cgroup_parent);
    if (!is_plain_name(s->cgroup) || bt_streq(s->cgroup, MONITORS))
        return bt_fail(err, BT_E_INVALID, "cgroup \"%s\"", s->cgroup);
    if (s->id_base + s->id_count > UINT32_MAX)
        return bt_fail(err, BT_E_INVALID, "id range ends past 2^32");
    if (s->stop_signal && !ct_signal_number(s->stop_signal))
        return bt_fail(err, BT_E_INVALID, "stop_signal \"%s\"", s->stop_signal);
    if (s->init && !is_plain_path(s->init))
        return bt_fail(err, BT_E_INVALID, "init \"%s\"", s->init);
    if (ct_has(s->features, FEATURE_NESTING))
        return bt_fail(err, BT_E_MISSING_CAPABILITY, "feature nesting");
    return check_nics(s, err);
}

static char *group(const struct helper_container_place *p, const char *name, const char *suffix)
{
    return bt_xasprintf("%s/%s%s", p->cgroup_parent, name, suffix);
}

char *ct_cgroup_of(const struct helper_container_place *place)
{
    return group(place, place->cgroup, "");
}

char *ct_cgroup_monitors(const struct helper_container_place *place)
{
    return group(place, MONITORS, "");
}

char *ct_cgroup_monitor(const struct helper_container_place *place)
{
    return group(place, place->cgroup, ".monitor");
}

char *ct_cgroup_pivot(const struct helper_container_place *place)
{
    return group(place, place->cgroup, ".pivot");
}
