/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the helper shall run: the spec, with this host's paths and ids, and the guest's files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/driver/container/container_priv.h"
#include "common/base/mem.h"

static struct helper_file *add_file(struct bt_arr *files, const char *path, struct bt_buf *content)
{
    struct helper_file *f = bt_arr_push(files, sizeof *f);
    f->op = HELPER_FILE_WRITE;
    f->path = bt_xstrdup(path);
    f->content = bt_buf_take(content);
    return f;
}

static void add_hostname(struct bt_arr *files, const struct instance_spec *spec)
{
    struct bt_buf name = BT_BUF(512);
    struct bt_buf hosts = BT_BUF(4096);
    const char *dot = strchr(spec->hostname, '.');
    (void)bt_buf_addf(&name, "%s\n", spec->hostname);
    (void)bt_buf_addf(&hosts, "127.0.0.1 localhost\n127.0.1.1 %s", spec->hostname);
    if (dot)
        (void)bt_buf_addf(&hosts, " %.*s", (int)(dot - spec->hostname), spec->hostname);
    (void)bt_buf_adds(&hosts, "\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\n"
                              "ff02::2 ip6-allrouters\n");
    add_file(files, "/etc/hostname", &name);
    add_file(files, "/etc/hosts", &hosts);
}

static void add_resolvers(struct bt_arr *files, const struct instance_spec *spec)
{
    struct bt_buf text = BT_BUF(1024);
    for (size_t i = 0; i < spec->resolvers.len; i++)
        (void)bt_buf_addf(&text, "nameserver %s\n", ((char **)spec->resolvers.items)[i]);
    if (spec->resolvers.len > 0)
        add_file(files, "/etc/resolv.conf", &text);
    else
        bt_buf_fini(&text);
}

/* systemd-networkd; the engine has set the same addresses before init runs. */
static void networkd(const struct spec_nic *nic, struct bt_buf *out)
{
    const struct spec_address *a = nic->addresses.items;
    (void)bt_buf_adds(
        out, "[Match]\nName=eth0\n\n[Network]\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n");
    for (size_t i = 0; i < nic->addresses.len; i++)
        (void)bt_buf_addf(out, "\n[Address]\nAddress=%s/%lld\n%s", a[i].address,
                          (long long)a[i].prefix,
                          a[i].family == 6 ? "DuplicateAddressDetection=none\n" : "");
    bool seen[7] = {false};
    for (size_t i = 0; i < nic->addresses.len; i++) {
        if (!a[i].gateway || seen[a[i].family])
            continue;
        seen[a[i].family] = true;
        (void)bt_buf_addf(out, "\n[Route]\nGateway=%s\n", a[i].gateway);
    }
}

/* ifupdown, for images that have it. */
static void interfaces(const struct spec_nic *nic, struct bt_buf *out)
{
    const struct spec_address *a = nic->addresses.items;
    bool seen[7] = {false};
    (void)bt_buf_adds(out, "auto lo\niface lo inet loopback\n\nauto eth0\n");
    for (size_t i = 0; i < nic->addresses.len; i++) {
        const char *family = a[i].family == 6 ? "inet6" : "inet";
        (void)bt_buf_addf(out, "iface eth0 %s static\n    address %s/%lld\n", family, a[i].address,
                          (long long)a[i].prefix);
        if (a[i].gateway && !seen[a[i].family])
            (void)bt_buf_addf(out, "    gateway %s\n", a[i].gateway);
        seen[a[i].family] = true;
    }
}

static void add_network(struct bt_arr *files, const struct instance_spec *spec)
{
    if (spec->nics.len == 0)
        return;
    struct bt_buf unit = BT_BUF(65536);
    struct bt_buf classic = BT_BUF(65536);
    networkd(spec->nics.items, &unit);
    interfaces(spec->nics.items, &classic);
    add_file(files, "/etc/systemd/network/10-eth0.network", &unit);
    add_file(files, "/etc/network/interfaces", &classic);
}

/* When a password was sold it really logs in (sshd refuses root's by default). */
static void add_login(struct bt_arr *files, const struct instance_spec *spec)
{
    if (spec->ssh_keys.len > 0) {
        struct bt_buf keys = BT_BUF(1u << 20);
        for (size_t i = 0; i < spec->ssh_keys.len; i++)
            (void)bt_buf_addf(&keys, "%s\n", ((char **)spec->ssh_keys.items)[i]);
        struct helper_file *f = add_file(files, "/root/.ssh/authorized_keys", &keys);
        f->mode = 0600;
        f->dir_mode = 0700;
    }
    if (!spec->password_hash)
        return;
    struct helper_file *shadow = bt_arr_push(files, sizeof *shadow);
    shadow->op = HELPER_FILE_SHADOW_ROOT;
    shadow->path = bt_xstrdup("/etc/shadow");
    shadow->content = bt_xstrdup(spec->password_hash);
    struct bt_buf sshd = BT_BUF(256);
    (void)bt_buf_adds(&sshd, "PermitRootLogin yes\nPasswordAuthentication yes\n");
    add_file(files, "/etc/ssh/sshd_config.d/10-berth.conf", &sshd);
}

static void add_user_data(struct bt_arr *files, const struct instance_spec *spec)
{
    if (!spec->user_data)
        return;
    struct bt_buf text = BT_BUF(1u << 20);
    (void)bt_buf_adds(&text, spec->user_data);
    struct helper_file *f = add_file(files, "/var/lib/cloud/seed/nocloud/user-data", &text);
    f->mode = 0600;
    struct bt_buf meta = BT_BUF(1024);
    (void)bt_buf_addf(&meta, "instance-id: %s.%lld\nlocal-hostname: %s\n", spec->uuid,
                      (long long)spec->rebuild_seq, spec->hostname);
    add_file(files, "/var/lib/cloud/seed/nocloud/meta-data", &meta);
}

static void add_nics(const struct instance_spec *spec, struct bt_arr *ret)
{
    const struct spec_nic *nic = spec->nics.items;
    for (size_t i = 0; i < spec->nics.len; i++) {
        struct helper_nic *out = bt_arr_push(ret, sizeof *out);
        char peer[BT_PORT_LEN + 1];
        net_peer_name(spec->uuid, (int)i, peer);
        out->ifname = bt_xstrdup(peer);
        out->guest_name = bt_xasprintf("eth%zu", i);
        out->mac = bt_xstrdup(nic[i].mac);
        const struct spec_address *a = nic[i].addresses.items;
        for (size_t k = 0; k < nic[i].addresses.len; k++) {
            struct helper_address *addr = bt_arr_push(&out->addresses, sizeof *addr);
            addr->address = bt_xstrdup(a[k].address);
            addr->prefix = a[k].prefix;
            char **gateway = a[k].family == 6 ? &out->gateway6 : &out->gateway4;
            if (!*gateway && a[k].gateway)
                *gateway = bt_xstrdup(a[k].gateway);
        }
    }
}

/* Spread by the uuid: without a ledger of cores two neighbours rarely meet. */
char *container_cpuset(const struct container_driver *cd, const struct instance_spec *spec)
{
    int64_t want = spec->limits.cpus.is == BT_VALUE ? spec->limits.cpus.v : cd->cfg.cpus;
    if (want >= cd->cfg.cpus || cd->cfg.cpus <= 1)
        return NULL;
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = spec->uuid; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    int64_t first = (int64_t)(h % (uint64_t)cd->cfg.cpus);
    int64_t end = first + want - 1;
    if (end < cd->cfg.cpus)
        return bt_xasprintf("%lld-%lld", (long long)first, (long long)end);
    return bt_xasprintf("0-%lld,%lld-%lld", (long long)(end - cd->cfg.cpus), (long long)first,
                        (long long)(cd->cfg.cpus - 1));
}

int container_spec_build(struct container_driver *cd, const struct driver_req *req,
                         struct helper_container_request *ret, struct bt_err *err)
{
    const struct instance_spec *spec = req->spec;
    char path[CONTAINER_PATH_MAX];
    if (req->place.id_base == 0)
        return bt_fail(err, BT_E_INTERNAL, "no id range for %s", spec->uuid);
    struct helper_container_spec *s = bt_xcalloc(1, sizeof *s);
    *ret = (struct helper_container_request){.op = HELPER_CONTAINER_RUN, .run = s};
    s->name = bt_xstrdup(spec->name);
    s->hostname = bt_xstrdup(spec->hostname);
    image_root(cd->cfg.images, spec->image.sha256, path, sizeof path);
    s->lower = bt_xstrdup(path);
    storage_upper(cd->cfg.storage, spec->uuid, path, sizeof path);
    s->upper = (struct helper_upper_spec){.backend = HELPER_UPPER_LOOP,
                                          .path = bt_xstrdup(path),
                                          .size_bytes = spec->limits.disk_bytes.v};
    s->id_base = req->place.id_base;
    s->id_count = cd->cfg.id_count;
    s->cgroup_parent = bt_xstrdup(cd->cgroup_parent);
    s->cgroup = bt_xstrdup(spec->uuid);
    s->stop_signal = bt_xstrdup(spec->image.stop_signal ? spec->image.stop_signal : "SIGPWR");
    s->cpuset = container_cpuset(cd, spec);
    s->limits = spec->limits;
    s->features = spec->features;
    s->seed_id = bt_xasprintf("%s.%lld", spec->uuid, (long long)spec->rebuild_seq);
    s->ssh_host_keys = true;
    s->boot = req->place.boots + 1;
    if (cd->log_dir)
        s->log = bt_xasprintf("%s/%s.log", cd->log_dir, spec->uuid);
    add_nics(spec, &s->nics);
    add_hostname(&s->files, spec);
    add_resolvers(&s->files, spec);
    add_network(&s->files, spec);
    add_login(&s->files, spec);
    add_user_data(&s->files, spec);
    return 0;
}
