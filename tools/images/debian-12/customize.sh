#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# mmdebstrap customize hook, $1 = the new root: from a Debian system to a VPS guest without identity.
set -eu
root=$1

mv "$root/etc/apt/sources.list.image" "$root/etc/apt/sources.list"
rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
cd "${BERTH_RECIPE:?}/files"
find . -type f -exec install -D -m 0644 {} "$root/{}" \;

# Nobody's keys, ids, passwords. Berth writes them per instance.
rm -f "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
ln -s /etc/machine-id "$root/var/lib/dbus/machine-id"
chroot "$root" usermod --password '*' root
install -d -m 0700 "$root/root/.ssh"

# The capability is permitted, not effective: ping raises it itself, and where an instance may not
# have CAP_NET_RAW it still starts and falls back to the unprivileged socket, icmp(7).
chroot "$root" setcap cap_net_raw+p /usr/bin/ping

# Units that cannot do anything in a container, or should not on thousands of them.
mask() {
    for unit; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
}
mask dev-hugepages.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
    systemd-journald-audit.socket systemd-networkd-wait-online.service systemd-firstboot.service \
    systemd-binfmt.service systemd-modules-load.service systemd-hwdb-update.service \
    systemd-pstore.service systemd-random-seed.service systemd-machine-id-commit.service \
    systemd-boot-system-token.service getty-static.service
for timer in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer; do
    rm -f "$root/etc/systemd/system/timers.target.wants/$timer"
done
chroot "$root" systemctl --quiet enable systemd-networkd.service ssh.service console-getty.service
chroot "$root" systemctl --quiet set-default multi-user.target

# Not $root/tmp: the configuration is there that keeps mmdebstrap's last apt-get calls inside.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb \
    "$root"/var/cache/debconf/*-old \
    "$root"/var/lib/dpkg/*-old "$root"/var/tmp/*
find "$root/var/log" -type f -delete
find "$root/var/cache/ldconfig" -type f -delete
