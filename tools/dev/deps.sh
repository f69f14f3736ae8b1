#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Install what is missing of tools/packages.txt. Without anything missing: no network, well under a second.
# Services that packages bring are not started: a policy-rc.d of ours answers 101 (invoke-rc.d(8)) meanwhile.
# shellcheck source=tools/dev/lib.sh
source "${BERTH_ROOT:?run it through ./dev}/tools/dev/lib.sh"

policy=${BERTH_POLICY_RC_D:-/usr/sbin/policy-rc.d}
saved=$policy.berth-saved
mark='# berth: refuses service starts while ./dev deps installs'

# Names in tools/packages.txt, without comments and [sections].
listed() {
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' -e '/^\[/d' tools/packages.txt
}

missing() {
    comm -23 <(listed | sort -u) <(
        dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u
    )
}

policy_restore() {
    if [ -f "$policy" ] && grep -qF "$mark" "$policy"; then
        rm -f "$policy"
        if [ -e "$saved" ] || [ -L "$saved" ]; then mv -f "$saved" "$policy"; fi
    fi
}

policy_refuse() {
    policy_restore # a killed run may have left ours behind
    if [ -e "$policy" ] || [ -L "$policy" ]; then mv -f "$policy" "$saved"; fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
}

# Two checkouts may come here at once: the lock also covers policy-rc.d.
install_missing() {
    exec 9>/run/lock/berth-deps.lock
    flock 9
    local names
    mapfile -t names < <(missing)
    [ "${#names[@]}" -gt 0 ] || return 0
    echo "dev: installing ${names[*]}" >&2
    trap policy_restore EXIT
    trap 'exit 130' INT TERM HUP
    policy_refuse
    export DEBIAN_FRONTEND=noninteractive
    # A broken foreign source is not ours to judge: what matters is that the packages can be had.
    apt-get -q update 9>&- </dev/null ||
        echo "dev: apt-get update had errors, trying all the same" >&2
    apt-get -q install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold \
        "${names[@]}" 9>&- </dev/null
    mapfile -t names < <(missing)
    if [ "${#names[@]}" -gt 0 ]; then
        echo "dev: still missing: ${names[*]}" >&2
        return 1
    fi
}

[ -z "$(missing)" ] || install_missing >&2
