# SPDX-License-Identifier: GPL-2.0-or-later
"""The image `debian-12`: Debian bookworm as a VPS guest, made by mmdebstrap(1).

Packages come from where this machine's apt takes Debian's; the image itself names the mirror that
mmdebstrap names by default.
"""

import os
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
RECIPE = os.path.join(HERE, "debian-12")
RELEASE = "bookworm"

PACKAGES = (
    "bash-completion", "ca-certificates", "curl", "dbus", "iproute2", "iputils-ping", "less",
    "libcap2-bin", "netbase", "netcat-openbsd", "nftables", "openssh-server", "procps", "sudo",
    "systemd", "systemd-sysv", "vim-tiny",
)

# Left out while the image is made, not afterwards: a guest that installs a package gets all of it.
DPKG_EXCLUDES = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*",
                 "/usr/share/lintian/*", "/usr/share/bug/*")


def inputs():
    found = []
    for folder, _, names in os.walk(RECIPE):
        found += [os.path.join(folder, name) for name in names]
    return found


def _source_lines():
    """One-line sources of Debian's own archive as this machine has them, sources.list(5)."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format",
         "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)|$(RELEASE)", "Created-By: Packages"],
        check=True, capture_output=True, text=True)
    lines = []
    for row in sorted(set(done.stdout.split("\n"))):
        origin, codename, component, uri, release = (row.split("|") + [""] * 5)[:5]
        if origin == "Debian" and codename.split("-")[0] == RELEASE and component == "main":
            if not codename.endswith("-backports"):
                lines.append(f"deb {uri} {release} main\n")
    return lines


def _sources(path):
    """apt knows what is Debian's from the archive's own lists: without them they are fetched."""
    lines = _source_lines()
    if not lines:
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        lines = _source_lines()
    if not lines:
        raise OSError(f"apt has no source of Debian {RELEASE} here")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(lines)


def _apt_options(path):
    """Proxies and the like of this machine's apt."""
    done = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True)
    with open(path, "w", encoding="utf-8") as f:
        for line in done.stdout.split("\n"):
            key = line.split(" ", 1)[0]
            if key.startswith("Acquire::") and "Languages" not in key and ' "' in line:
                f.write(line + "\n")


def _archive(root, out):
    """Extended attributes carry file capabilities; device nodes are the host's to make."""
    argv = ["tar", "--create", "--file", out, "--directory", root, "--sort=name", "--numeric-owner",
            "--format=pax", "--pax-option=delete=atime,delete=ctime",
            "--xattrs", "--xattrs-include=*", "--one-file-system", "--exclude=./dev/*",
            "--exclude=./tmp/*", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./run/*",
            "--use-compress-program=zstd -6 -T0", "."]
    subprocess.run(argv, check=True)


def make(work):
    """Builds in the empty folder `work`; returns the archive's path there."""
    sources = os.path.join(work, "sources.list")
    options = os.path.join(work, "apt.conf")
    root = os.path.join(work, "root")
    _sources(sources)
    _apt_options(options)
    env = dict(os.environ, BERTH_SOURCES=sources, BERTH_RECIPE=RECIPE, TMPDIR=work, LC_ALL="C.UTF-8",
               PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    argv = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory",
            f"--include={','.join(PACKAGES)}", f"--aptopt={options}",
            *(f"--dpkgopt=path-exclude={p}" for p in DPKG_EXCLUDES),
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            f"--setup-hook={RECIPE}/setup.sh", f"--customize-hook={RECIPE}/customize.sh",
            RELEASE, root]
    subprocess.run(argv, check=True, env=env)
    out = os.path.join(work, "debian-12.tar.zst")
    _archive(root, out)
    return out
