# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile archives: each case says what berth-unpack must answer, and what the tree may hold afterwards."""

import base64
import os
import stat
import struct

import tarforge
from tarforge import Forge

BAD, LARGE = "bad_image", "too_large"
CASES = []


class Case:
    def __init__(self, name, build, wants, request=None, check=None):
        self.name, self.build, self.wants, self.request, self.check = name, build, wants, request, check


def refused(name, build, code=BAD, request=None):
    CASES.append(Case(name, build, {code}, request))


def accepted(name, build, check=None, request=None):
    """@check(world, ok) returns what is wrong, or nothing."""
    CASES.append(Case(name, build, {"ok"}, request, check))


def harmless(name, build, check=None):
    """Refused or not: libraries differ, and both are fine as long as nothing happens."""
    CASES.append(Case(name, build, {"ok", BAD, LARGE, "storage_full"}, None, check))


def out(w, name=""):
    return os.path.join(w.outside, name).encode()


CAP_V2 = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw=ep
CAP_V3 = struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, 100000)
CAP_V1 = struct.pack("<III", 0x01000001, 1 << 13, 0)


# ---- paths that lead out ----
for label, path in (("../ at the start", b"../outside/pwned"), ("../ in the middle", b"a/../../outside/pwned"),
                    ("./../", b"./../outside/pwned"), ("many ../", b"a/b/../../../../outside/pwned"),
                    ("../ that stays inside", b"a/../b"), ("/.. at the end", b"a/.."), ("only ..", b".."),
                    ("a//../..", b"a//..//..//outside/pwned")):
    refused(f"path with {label}", lambda w, p=path: Forge().file(p).end())
refused("a directory ..", lambda w: Forge().dir(b"../outside/").end())
refused("a directory ../outside made world-writable", lambda w: Forge().dir(b"../outside", mode=0o777).end())
refused("an absolute path", lambda w: Forge().file(out(w, "pwned")).end())
refused("an absolute path with two slashes", lambda w: Forge().file(b"/" + out(w, "pwned")).end())
refused("the root directory itself", lambda w: Forge().dir(b"/", mode=0o777).end())
refused("an absolute path of pax", lambda w: Forge().pax(path=out(w, "pwned")).file(b"fine").end())
refused("a path with .. of pax", lambda w: Forge().pax(path=b"../outside/pwned").file(b"fine").end())
harmless("a global pax header with a path", lambda w: Forge().pax(b"g", path=b"../outside/pwned").file(b"fine").end())
refused("an absolute GNU long name", lambda w: Forge().gnu_long(b"L", out(w, "pwned")).file(b"fine").end())
refused("a GNU long name with ..", lambda w: Forge().gnu_long(b"L", b"../outside/pwned").file(b"fine").end())
refused("a ustar prefix ..", lambda w: Forge().file(b"outside/pwned", prefix=b"..").end())
refused("an absolute ustar prefix", lambda w: Forge().file(b"pwned", prefix=out(w)).end())
refused("a sparse file whose real name leads out",
        lambda w: Forge().pax_pairs([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                                     (b"GNU.sparse.name", b"../outside/pwned"), (b"GNU.sparse.realsize", b"4")])
        .file(b"fine", tarforge.pad(b"1\n0\n4\n") + b"data").end())


# ---- links out, and then something through them ----
def through(make):
    def build(w):
        f = Forge().symlink(b"l", out(w)[:100])
        make(f, w)
        return f.end()
    return build


refused("a file through a link", through(lambda f, w: f.file(b"l/pwned")))
refused("a file over what a link's target holds", through(lambda f, w: f.file(b"l/canary", b"evil")))
refused("a directory through a link", through(lambda f, w: f.dir(b"l/dir", mode=0o777)))
refused("a deeper file through a link", through(lambda f, w: f.file(b"l/dir/deep", b"evil")))
refused("a link through a link", through(lambda f, w: f.symlink(b"l/pwned", b"x")))
refused("a hard link made through a link", through(lambda f, w: f.file(b"f").hardlink(b"l/pwned", b"f")))
refused("a hard link to what lies behind a link", through(lambda f, w: f.hardlink(b"h", b"l/canary")))
refused("a fifo through a link", through(lambda f, w: f.header(b"l/pwned", b"6")))
refused("a link replaced by a directory", through(lambda f, w: f.dir(b"l").file(b"l/pwned")))
refused("a link given another mode as a directory", through(lambda f, w: f.dir(b"l", mode=0o777)))
refused("a link replaced by a file", through(lambda f, w: f.file(b"l", b"evil")))
refused("a link replaced by another link", through(lambda f, w: f.symlink(b"l", b".").file(b"l/pwned")))
refused("a file through a relative link", lambda w: Forge().symlink(b"l", b"../outside").file(b"l/pwned").end())
refused("a file through two links",
        lambda w: Forge().symlink(b"b", out(w)[:100]).symlink(b"a", b"b").file(b"a/pwned").end())
refused("a file through a link that stays inside", lambda w: Forge().dir(b"d").symlink(b"l", b"d").file(b"l/x").end())
refused("a file through a link to .", lambda w: Forge().symlink(b"l", b".").file(b"l/x").end())
refused("a file through a loop of links", lambda w: Forge().symlink(b"a", b"b").symlink(b"b", b"a").file(b"a/x").end())
refused("a file through a link to itself", lambda w: Forge().symlink(b"a", b"a").file(b"a/x").end())
for target in (b"/proc/self/root", b"/proc/1/root", b"/proc/self/fd/5/../..", b"/proc/self/cwd/..", b"/"):
    refused(f"a file through a link to {target.decode()}",
            lambda w, t=target: Forge().symlink(b"l", t).file(b"l" + out(w, "pwned")[:80]).end())
refused("a top-level etc that is a link, and a shadow in it",
        lambda w: Forge().symlink(b"etc", out(w)[:100]).file(b"etc/shadow", b"root::0:0\n").end())
refused("the root as a link", lambda w: Forge().symlink(b".", out(w)[:100]).file(b"pwned").end())
accepted("a link out that nothing goes through", lambda w: Forge().symlink(b"l", out(w)[:100]).file(b"f").end(),
         lambda w, ok: "" if os.readlink(w.at("l")) == w.outside + "/" else "the link is not as it was")
accepted("a long chain of dots in a link's text", lambda w: Forge().symlink(b"l", b"../" * 33).file(b"f").end())


# ---- hard links ----
refused("a hard link to ..", lambda w: Forge().hardlink(b"h", b"../outside/canary").end())
refused("an absolute hard link", lambda w: Forge().hardlink(b"h", out(w, "canary")).end())
refused("a hard link of pax to ..", lambda w: Forge().pax(linkpath=b"../../outside/canary").hardlink(b"h", b"f").end())
refused("a hard link of a GNU long link",
        lambda w: Forge().gnu_long(b"K", b"../outside/canary").hardlink(b"h", b"f").end())
refused("a hard link to nothing", lambda w: Forge().hardlink(b"h", b"absent").end())
refused("a hard link to itself", lambda w: Forge().hardlink(b"h", b"h").end())
refused("a hard link to itself by another name", lambda w: Forge().hardlink(b"h", b"./h").end())
refused("a hard link to a directory", lambda w: Forge().dir(b"d").hardlink(b"h", b"d").end())
refused("a hard link over a file", lambda w: Forge().file(b"f").file(b"h").hardlink(b"h", b"f").end())
harmless("a hard link to a link out, with data to write",
         lambda w: Forge().symlink(b"l", out(w, "canary")[:100]).hardlink(b"h", b"l", size=4).raw(tarforge.pad(b"evil")).end())
harmless("a pax hard link to a link out, with data",
         lambda w: Forge().symlink(b"l", out(w, "canary")[:100]).pax(size=b"4").hardlink(b"h", b"l").raw(tarforge.pad(b"evil")).end())
accepted("a hard link inside", lambda w: Forge().file(b"f", b"one\n").hardlink(b"d/h", b"f").end(),
         lambda w, ok: "" if os.stat(w.at("d/h")).st_nlink == 2 else "not linked")


# ---- device nodes ----
def no_devices(skipped):
    def check(w, ok):
        return "" if ok["skipped"] == skipped else f"skipped {ok['skipped']}, not {skipped}"
    return check


accepted("a block device", lambda w: Forge().device(b"sda", b"4", 8, 0, mode=0o666).end(), no_devices(1))
accepted("a character device", lambda w: Forge().dir(b"dev").device(b"dev/mem", b"3", 1, 1, mode=0o666).end(), no_devices(1))
accepted("a setuid device", lambda w: Forge().device(b"d", b"3", 1, 3, mode=0o6777).end(), no_devices(1))
accepted("a device, then a file below its name", lambda w: Forge().device(b"d", b"3", 1, 3).file(b"d/x").end(), no_devices(1))
accepted("a device with large numbers",
         lambda w: Forge().pax_pairs([(b"SCHILY.devmajor", b"8"), (b"SCHILY.devminor", b"0")]).device(b"d", b"4", 0, 0).end(), no_devices(1))
refused("a device through a link", through(lambda f, w: f.device(b"l/null", b"3", 1, 3).file(b"l/null")))
refused("a device at ..", lambda w: Forge().device(b"../outside/null", b"3", 1, 3).end())
accepted("a fifo", lambda w: Forge().header(b"run/initctl", b"6", mode=0o600).end(),
         lambda w, ok: "" if stat.S_ISFIFO(os.lstat(w.at("run/initctl")).st_mode) else "no fifo")


# ---- ids, modes, attributes ----
def mode_of(name, wanted):
    return lambda w, ok: "" if stat.S_IMODE(os.lstat(w.at(name)).st_mode) == wanted else oct(os.lstat(w.at(name)).st_mode)


def owner_of(name, uid, gid):
    def check(w, ok):
        st = os.lstat(w.at(name))
        return "" if (st.st_uid, st.st_gid) == (uid, gid) else f"{st.st_uid}:{st.st_gid}"
    return check


def xattrs_of(name, wanted):
    def check(w, ok):
        path = w.at(name)
        found = {x: os.getxattr(path, x, follow_symlinks=False) for x in os.listxattr(path, follow_symlinks=False)}
        return "" if found == wanted else str(found)
    return check


accepted("a setuid file keeps its bit", lambda w: Forge().file(b"su", mode=0o4755).end(), mode_of("su", 0o4755))
accepted("a setgid file of a group keeps its bit", lambda w: Forge().file(b"w", mode=0o2755, gid=5).end(), mode_of("w", 0o2755))
accepted("a sticky directory", lambda w: Forge().dir(b"tmp", mode=0o1777).end(), mode_of("tmp", 0o1777))
accepted("a directory without rights, and a file in it", lambda w: Forge().dir(b"d", mode=0).file(b"d/f").end(), mode_of("d", 0))
accepted("ids from the archive", lambda w: Forge().file(b"f", uid=1000, gid=65534).end(), owner_of("f", 1000, 65534))
accepted("names of users mean nothing", lambda w: Forge().file(b"f", uid=33, gid=34, uname=b"root", gname=b"root").end(),
         owner_of("f", 33, 34))
harmless("a negative id", lambda w: Forge().file(b"f", uid=tarforge.base256(-1, 8), gid=tarforge.base256(-2, 8)).end())
harmless("an id past 32 bits", lambda w: Forge().file(b"f", uid=tarforge.base256(1 << 40, 8)).end())
accepted("a capability of revision 2 is kept", lambda w: Forge().xattr(b"security.capability", CAP_V2).file(b"ping", mode=0o755).end(),
         xattrs_of("ping", {"security.capability": CAP_V2}))
accepted("a capability beside another owner is kept",
         lambda w: Forge().xattr(b"security.capability", CAP_V2).file(b"ping", mode=0o755, uid=7, gid=7).end(),
         xattrs_of("ping", {"security.capability": CAP_V2}))
accepted("a capability of revision 1 goes", lambda w: Forge().xattr(b"security.capability", CAP_V1).file(b"f").end(), xattrs_of("f", {}))
accepted("a garbled capability goes", lambda w: Forge().xattr(b"security.capability", b"\x01\x00\x00\x02").file(b"f").end(), xattrs_of("f", {}))
accepted("a capability that is too long goes", lambda w: Forge().xattr(b"security.capability", CAP_V2 + b"x").file(b"f").end(),
         xattrs_of("f", {}))
harmless("a capability of revision 3", lambda w: Forge().xattr(b"security.capability", CAP_V3).file(b"f").end())
for attribute in (b"trusted.overlay.opaque", b"trusted.overlay.redirect", b"trusted.overlay.origin", b"security.selinux",
                  b"security.ima", b"security.evm", b"security.apparmor", b"system.posix_acl_access",
                  b"security.capability2", b"userx.y"):
    accepted(f"{attribute.decode()} goes", lambda w, a=attribute: Forge().xattr(a, b"y").file(b"f").end(), xattrs_of("f", {}))
accepted("trusted attributes of a directory go", lambda w: Forge().xattr(b"trusted.overlay.opaque", b"y").dir(b"d").end(), xattrs_of("d", {}))
accepted("trusted attributes of a link go", lambda w: Forge().xattr(b"trusted.overlay.redirect", b"/x").symlink(b"l", b"x").end(),
         xattrs_of("l", {}))
accepted("trusted attributes in libarchive's form go",
         lambda w: Forge().pax_pairs([(b"LIBARCHIVE.xattr.trusted.overlay.opaque", base64.b64encode(b"y"))]).file(b"f").end(),
         xattrs_of("f", {}))
accepted("trusted attributes in RHT's form go",
         lambda w: Forge().pax_pairs([(b"RHT.security.selinux", b"x")]).file(b"f").end(), xattrs_of("f", {}))
accepted("user attributes are kept", lambda w: Forge().xattr(b"user.note", b"kept").file(b"f").end(), xattrs_of("f", {"user.note": b"kept"}))
accepted("ACLs go", lambda w: Forge().pax_pairs([(b"SCHILY.acl.access", b"user::rwx,user:65534:rwx,group::rwx,mask::rwx,other::rwx")])
         .file(b"f", mode=0o600).end(), xattrs_of("f", {}))
accepted("file flags go", lambda w: Forge().pax_pairs([(b"SCHILY.fflags", b"schg,sappnd,nodump")]).file(b"f").end(),
         lambda w, ok: os.unlink(w.at("f")))


# ---- bombs ----
BOMB = 400 << 20


def zeros(pack):
    head = Forge().header(b"zeros", b"0", BOMB)
    return lambda w: pack(b"".join(head.parts) + bytes(BOMB) + bytes(1024))


refused("a gzip bomb", lambda w: tarforge.gz_zeros(b"".join(Forge().header(b"zeros", b"0", BOMB).parts), BOMB, bytes(1024)))
refused("an xz bomb", zeros(tarforge.xz))
refused("a zstd bomb", zeros(tarforge.zst))
refused("a gzip bomb in a gzip bomb",
        lambda w: tarforge.gz(tarforge.gz_zeros(b"".join(Forge().header(b"zeros", b"0", 4 * BOMB).parts), 4 * BOMB, bytes(1024))))
refused("more files than allowed", lambda w: many(1001), LARGE, {"max_bytes": 1 << 30, "max_files": 1000})
accepted("as many files as allowed", lambda w: many(1000), None, {"max_bytes": 1 << 30, "max_files": 1000})
refused("more devices than files allowed", lambda w: device_rows(101), LARGE, {"max_bytes": 1 << 30, "max_files": 100})
refused("a file larger than allowed", lambda w: Forge().file(b"f", bytes(1 << 20)).end(), LARGE, {"max_bytes": 1 << 19, "max_files": 10})
refused("files that are too large together", lambda w: many(20, bytes(65536)), LARGE, {"max_bytes": 1 << 20, "max_files": 100})
refused("one directory a thousand times past the limit", lambda w: same_directory(1001), LARGE, {"max_bytes": 1 << 20, "max_files": 1000})
refused("a sparse file of 8 EiB", lambda w: Forge().sparse(b"f", [((1 << 33) - 1, 0)], tarforge.base256((1 << 62), 12)).end())
refused("a sparse file of 100 TiB", lambda w: Forge().sparse(b"f", [(0, 0)], tarforge.base256(100 << 40, 12)).end())
refused("a sparse file of 1 TiB", lambda w: Forge().sparse(b"f", [(0, 0)], tarforge.base256(1 << 40, 12)).end(), LARGE)
refused("a pax sparse file of 1 PiB",
        lambda w: Forge().pax_pairs([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"f"),
                                     (b"GNU.sparse.realsize", b"%d" % (1 << 50))]).file(b"g", tarforge.pad(b"0\n")).end())
accepted("a small sparse file", lambda w: Forge().sparse(b"f", [(1 << 20, 512)], (1 << 20) + 512, b"x" * 512).end(),
         lambda w, ok: "" if os.stat(w.at("f")).st_size == (1 << 20) + 512 else "wrong size")
refused("an xz dictionary of 4 GiB", lambda w: tarforge.xz_huge_dictionary(Forge().file(b"f").end()))
refused("a zstd window of 2 GiB", lambda w: tarforge.zst_huge_window())


def many(count, data=b""):
    f = Forge()
    for i in range(count):
        f.file(b"f%d" % i, data)
    return f.end()


def device_rows(count):
    f = Forge()
    for i in range(count):
        f.device(b"d%d" % i, b"3", 1, 3)
    return f.end()


def same_directory(count):
    f = Forge()
    for _ in range(count):
        f.dir(b"d")
    return f.end()


# ---- twice ----
refused("a file twice", lambda w: Forge().file(b"f", b"one").file(b"f", b"two").end())
refused("a file twice, once with ./", lambda w: Forge().file(b"f").file(b"./f").end())
refused("a file twice, once with //", lambda w: Forge().file(b"d/f").file(b"d//f").end())
refused("a setuid file replaced", lambda w: Forge().file(b"su", b"good", mode=0o4755).file(b"su", b"evil", mode=0o4755).end())
refused("a file, then a directory of its name", lambda w: Forge().file(b"x").dir(b"x").end())
refused("a directory, then a file of its name", lambda w: Forge().dir(b"x").file(b"x").end())
refused("a directory, then a link of its name", lambda w: Forge().dir(b"x").symlink(b"x", out(w)[:100]).file(b"x/pwned").end())
refused("a parent that is a file", lambda w: Forge().file(b"x").file(b"x/y").end())
accepted("a directory twice", lambda w: Forge().dir(b"d", mode=0o700).file(b"d/f").dir(b"d", mode=0o750).end(), mode_of("d", 0o750))


# ---- names ----
refused("a name of 256 bytes", lambda w: Forge().pax(path=b"n" * 256).file(b"x").end())
accepted("a name of 255 bytes", lambda w: Forge().pax(path=b"n" * 255).file(b"x").end(),
         lambda w, ok: "" if os.path.exists(w.at("n" * 255)) else "absent")
refused("a path of more than 4095 bytes", lambda w: Forge().pax(path=b"d/" * 2100 + b"x").file(b"x").end())
refused("a GNU long name of 100 kB", lambda w: Forge().gnu_long(b"L", b"d/" * 50000).file(b"x").end())
accepted("a very deep path", lambda w: Forge().pax(path=b"d/" * 1900 + b"f").file(b"x").end())
refused("an empty name", lambda w: Forge().file(b"").end())
refused("an empty pax name over an empty one", lambda w: Forge().pax(path=b"").file(b"").end())
refused("the root as a file", lambda w: Forge().file(b".", b"x").end())
accepted("the root as a directory", lambda w: Forge().dir(b"./", mode=0o711, uid=5).file(b"./f").end(),
         lambda w, ok: "" if stat.S_IMODE(os.stat(w.target).st_mode) == 0o711 else "mode not kept")
harmless("a NUL in a pax path", lambda w: Forge().pax(path=b"ok\0/../../outside/pwned").file(b"x").end())
harmless("a name that is no UTF-8", lambda w: Forge().file(b"\xff\xfe\x80name").end())
harmless("a pax name that is no UTF-8", lambda w: Forge().pax(path=b"\xff\xfe\x80").file(b"x").end())
harmless("a name in another character set", lambda w: Forge().pax(hdrcharset=b"BINARY", path=b"\xc0\xae\xc0\xae/outside/pwned").file(b"x").end())
accepted("backslashes are no separators", lambda w: Forge().file(b"..\\outside\\pwned").end(),
         lambda w, ok: "" if os.listdir(w.target) == ["..\\outside\\pwned"] else str(os.listdir(w.target)))
accepted("a name that looks like an option", lambda w: Forge().file(b"--help").file(b"-rf").file(b"$(reboot)").end(),
         lambda w, ok: "" if sorted(os.listdir(w.target)) == ["$(reboot)", "--help", "-rf"] else str(os.listdir(w.target)))
accepted("control bytes in a name", lambda w: Forge().file(b"a\x1b[2J\nb").end(),
         lambda w, ok: "" if os.listdir(w.target) == ["a\x1b[2J\nb"] else str(os.listdir(w.target)))
accepted("the name of a whiteout", lambda w: Forge().file(b"etc/.wh.passwd").file(b".wh..wh..opq").end())


# ---- sizes and headers that lie ----
refused("a wrong checksum", lambda w: Forge().header(b"f", size=0, checksum=1).end())
refused("a negative size in base 256", lambda w: Forge().header(b"f", size_field=tarforge.base256(-512, 12)).raw(bytes(512)).end())
harmless("a size that is no number", lambda w: Forge().header(b"f", size_field=b"zzzzzzzzzzz\0").raw(bytes(512)).end())
refused("a size past the end", lambda w: Forge().header(b"f", size=1 << 30).raw(b"short").end())
refused("a size of 8 EiB", lambda w: Forge().header(b"f", size_field=tarforge.base256((1 << 63) - 1, 12)).raw(bytes(512)).end())
refused("a pax size past the end", lambda w: Forge().pax(size=b"%d" % (1 << 40)).file(b"f", b"x").end())
harmless("a negative pax size", lambda w: Forge().pax(size=b"-1").file(b"f", b"x" * 512).end())
harmless("a pax size that is no number", lambda w: Forge().pax(size=b"0x10").file(b"f", b"x" * 512).end())
harmless("a pax size past 64 bits", lambda w: Forge().pax(size=b"9" * 40).file(b"f", b"x").end())
refused("a header hidden in data by a smaller pax size",
        lambda w: Forge().pax(size=b"0").file(b"f", b"".join(Forge().file(b"../outside/pwned", b"x").parts)).end())
harmless("a pax record that says it is longer than it is", lambda w: Forge().pax_raw(b"999999 path=x\n").file(b"f").end())
harmless("a pax record of length 0", lambda w: Forge().pax_raw(b"0 path=x\n" * 4).file(b"f").end())
harmless("a pax record without an end", lambda w: Forge().pax_raw(b"12 path=xyz").file(b"f").end())
harmless("a pax record with a huge length", lambda w: Forge().pax_raw(b"9" * 60 + b" path=x\n").file(b"f").end())
refused("a pax header that is cut off", lambda w: Forge().header(b"x", b"x", 1 << 20).raw(b"30 path=").end()[:700])
harmless("a pax header of 64 MiB", lambda w: tarforge.gz(Forge().pax(comment=b"c" * (64 << 20)).file(b"f").end()))
harmless("ten thousand attributes", lambda w: Forge().pax_pairs([(b"SCHILY.xattr.user.a%d" % i, b"v" * 20) for i in range(10000)]).file(b"f").end())
harmless("an attribute of 1 MiB", lambda w: Forge().xattr(b"user.big", b"v" * (1 << 20)).file(b"f").end())
harmless("two pax headers in a row", lambda w: Forge().pax(path=b"../outside/one").pax(path=b"two").file(b"three").end())
harmless("pax headers a thousand deep", lambda w: pax_tower(1000))
harmless("long names a thousand deep", lambda w: long_tower(1000))
harmless("a sparse map with a negative offset", lambda w: Forge().sparse(b"f", [(0, 512)], 4096, b"x" * 512,).end()
         .replace(b"00000000000\x0000000001000", b"-0000000001\x0000000001000", 1))
harmless("a sparse map that overlaps", lambda w: Forge().sparse(b"f", [(0, 512), (256, 512), (0, 512)], 1024, b"x" * 1536).end())
harmless("a sparse map that runs past the file", lambda w: Forge().sparse(b"f", [(4096, 512)], 512, b"x" * 512).end())
harmless("a pax sparse map of garbage",
         lambda w: Forge().pax_pairs([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9")])
         .file(b"f", tarforge.pad(b"zz\n")).end())
harmless("a pax sparse map with a billion pieces",
         lambda w: Forge().pax_pairs([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9")])
         .file(b"f", tarforge.pad(b"1000000000\n0\n")).end())
harmless("an unknown type", lambda w: Forge().header(b"f", b"Z", 4).raw(tarforge.pad(b"data")).end())
harmless("a multi-volume member", lambda w: Forge().header(b"../outside/pwned", b"M", 4).raw(tarforge.pad(b"data")).end())
harmless("a volume label that leads out", lambda w: Forge().header(b"../outside/pwned", b"V").file(b"f").end())
harmless("a GNU directory dump", lambda w: Forge().header(b"d", b"D", 4).raw(tarforge.pad(b"Ya\0\0")).end())
harmless("Solaris ACLs", lambda w: Forge().header(b"a", b"A", 40).raw(tarforge.pad(b"1000004\0user::rwx,user:root:rwx:0\0")).file(b"f").end())


def pax_tower(count):
    f = Forge()
    for _ in range(count):
        f.pax(comment=b"x")
    return f.file(b"f").end()


def long_tower(count):
    f = Forge()
    for _ in range(count):
        f.gnu_long(b"L", b"n" * 200)
    return f.file(b"f").end()


# ---- not an archive, or not a whole one ----
GOOD = Forge().dir(b"d").file(b"d/f", os.urandom(100000)).file(b"g", bytes(5000)).end()
refused("nothing", lambda w: b"")
refused("only zeros", lambda w: bytes(10240))
refused("noise", lambda w: os.urandom(20000))
refused("noise behind a tar's magic", lambda w: Forge().header(b"f", size=100).end()[:512].replace(b"f", b"g", 1) + os.urandom(5000))
refused("text", lambda w: b"#!/bin/sh\necho pwned\n" * 100)
refused("a tar cut off in data", lambda w: GOOD[:50000])
refused("a tar cut off in a header", lambda w: GOOD[:700])
for label, pack in (("gzip", tarforge.gz), ("xz", tarforge.xz), ("zstd", tarforge.zst)):
    refused(f"{label} cut off", lambda w, p=pack: p(GOOD)[:-3000])
    # libarchive 3.6 does not check gzip's CRC-32; what an image holds is bound by its SHA-256.
    (harmless if label == "gzip" else refused)(f"{label} with a byte turned", lambda w, p=pack: turned(p(GOOD)))
    refused(f"{label} of noise", lambda w, p=pack: p(os.urandom(20000)))
    refused(f"{label} of nothing", lambda w, p=pack: p(b""))
    refused(f"{label}: only its first bytes", lambda w, p=pack: p(GOOD)[:8])
refused("a zip", lambda w: b"PK\x03\x04" + bytes(26) + b"x" * 200)
refused("a cpio", lambda w: b"070701" + b"0" * 104 + b"../x\0" + bytes(500))
refused("an ar", lambda w: b"!<arch>\n" + b"x/              0           0     0     644     4         `\ndata")
refused("an ISO 9660 image", lambda w: bytes(32768) + b"\x01CD001\x01\0" + bytes(4096))
refused("an mtree", lambda w: b"#mtree\n./../outside/pwned type=file mode=0644\n")
refused("a uuencoded tar", lambda w: b"begin 644 x.tar\n" + b"".join(b"M" + b"`" * 60 + b"\n" for _ in range(40)) + b"`\nend\n")
refused("a qcow2 image", lambda w: b"QFI\xfb" + struct.pack(">I", 3) + bytes(5000))


def turned(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1:]
