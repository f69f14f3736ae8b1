# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives made byte by byte (POSIX pax interchange format, GNU tar manual "Basic Tar Format"), so that they may be wrong."""

import gzip
import lzma
import struct
import subprocess
import zlib

BLOCK = 512


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def base256(value, width):
    return bytes([0xFF if value < 0 else 0x80]) + value.to_bytes(width - 1, "big", signed=value < 0)


def pad(data):
    return data + bytes(-len(data) % BLOCK)


def pax_record(key, value):
    body = b" %s=%s\n" % (key, value)
    size = len(body) + 1
    while len(b"%d" % size) + len(body) != size:
        size = len(b"%d" % size) + len(body)
    return b"%d%s" % (size, body)


class Forge:
    """Blocks of an archive, in order. Names, links and pax values are bytes."""

    def __init__(self):
        self.parts = []

    def header(self, name, kind=b"0", size=0, **more):
        """One header block; @more: mode uid gid mtime link uname gname major minor prefix checksum size_field magic tail."""
        field = lambda key, width, default: octal(more.get(key, default), width)  # noqa: E731
        raw = bytearray(BLOCK)

        def put(at, data):
            raw[at:at + len(data)] = data

        def number(key, at, width, default):
            value = more.get(key, default)
            put(at, value if isinstance(value, bytes) else octal(value, width))

        assert len(name) <= 100 and len(more.get("link", b"")) <= 100
        put(0, name)
        number("mode", 100, 8, 0o644)
        number("uid", 108, 8, 0)
        number("gid", 116, 8, 0)
        put(124, more.get("size_field") or octal(size, 12))
        number("mtime", 136, 12, 1700000000)
        put(156, kind)
        put(157, more.get("link", b""))
        put(257, more.get("magic", b"ustar\x0000"))
        put(265, more.get("uname", b""))
        put(297, more.get("gname", b""))
        put(329, field("major", 8, 0))
        put(337, field("minor", 8, 0))
        put(345, more.get("prefix", b""))
        for at, data in more.get("tail", ()):
            put(at, data)
        put(148, b" " * 8)
        total = more.get("checksum", sum(raw))
        put(148, b"%06o\0 " % total)
        self.parts.append(bytes(raw))
        return self

    def raw(self, data):
        self.parts.append(data)
        return self

    def file(self, name, data=b"data\n", **more):
        return self.header(name, b"0", len(data), **more).raw(pad(data))

    def dir(self, name, **more):
        return self.header(name, b"5", mode=more.pop("mode", 0o755), **more)

    def symlink(self, name, link, **more):
        return self.header(name, b"2", link=link, mode=0o777, **more)

    def hardlink(self, name, link, **more):
        return self.header(name, b"1", link=link, **more)

    def device(self, name, kind, major, minor, **more):
        return self.header(name, kind, major=major, minor=minor, **more)

    def pax(self, kind=b"x", **records):
        return self.pax_pairs([(k.encode(), v) for k, v in records.items()], kind)

    def pax_pairs(self, pairs, kind=b"x"):
        return self.pax_raw(b"".join(pax_record(k, v) for k, v in pairs), kind)

    def pax_raw(self, data, kind=b"x"):
        return self.header(b"PaxHeaders/x", kind, len(data)).raw(pad(data))

    def xattr(self, name, value):
        return self.pax_pairs([(b"SCHILY.xattr." + name, value)])

    def gnu_long(self, kind, text):
        """GNU's L (name) and K (link) blocks."""
        return self.header(b"././@LongLink", kind, len(text) + 1, magic=b"ustar  \0").raw(pad(text + b"\0"))

    def sparse(self, name, pieces, real_size, data=b"", **more):
        """Old GNU sparse file: @pieces = (offset, length) as fields."""
        tail = [(386 + 24 * i, octal(o, 12) + octal(n, 12)) for i, (o, n) in enumerate(pieces)]
        tail.append((483, real_size if isinstance(real_size, bytes) else octal(real_size, 12)))
        return self.header(name, b"S", len(data), magic=b"ustar  \0", tail=tail, **more).raw(pad(data))

    def end(self):
        self.parts.append(bytes(2 * BLOCK))
        return b"".join(self.parts)


def gz(data):
    return gzip.compress(data, 6, mtime=0)


def xz(data):
    return lzma.compress(data, preset=1)


def zst(data):
    return subprocess.run(["zstd", "-q", "-3", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def gz_zeros(head, count, tail=b""):
    """gzip of @head, @count zero bytes and @tail, without holding them."""
    c = zlib.compressobj(6, zlib.DEFLATED, 31)
    out = [c.compress(head)]
    block = bytes(1 << 20)
    for _ in range(count >> 20):
        out.append(c.compress(block))
    out += [c.compress(tail), c.flush()]
    return b"".join(out)


def xz_huge_dictionary(data):
    """An .xz whose block asks for a dictionary of 4 GiB (The .xz File Format 1.1.0, 5.3.1)."""
    raw = bytearray(lzma.compress(data, preset=0))
    at = 12  # behind the stream header
    size = (raw[at] + 1) * 4
    head = raw[at:at + size]
    where = head.index(b"\x21\x01")  # LZMA2, one byte of properties
    head[where + 2] = 40
    head[-4:] = struct.pack("<I", zlib.crc32(bytes(head[:-4])))
    raw[at:at + size] = head
    return bytes(raw)


def zst_huge_window():
    """A .zst frame that asks for a window of 2 GiB (RFC 8878, 3.1.1.1.2)."""
    return struct.pack("<IBB", 0xFD2FB528, 0, (31 - 10) << 3) + b"\x01\x00\x00" + bytes(64)
