# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile frames, as a guest with its own kernel would send them; each carries a marker."""

import logging
import struct
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import (  # noqa: E402  pylint: disable=wrong-import-position,no-name-in-module
    ARP, BOOTP, DHCP, DHCP6_Advertise, Dot1AD, Dot1Q, Dot3, Ether, ICMP, ICMPv6DestUnreach,
    ICMPv6EchoRequest, ICMPv6MLQuery, ICMPv6MLReport, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA,
    ICMPv6ND_RS, ICMPv6ND_Redirect, ICMPv6NDOptDstLLAddr, ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr, IP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting, LLC, PadN, Raw, SNAP, STP, UDP, conf)

conf.verb = 0
GROUP4 = "ff:ff:ff:ff:ff:ff"
ALL6 = "33:33:00:00:00:01"
GATEWAY4 = "198.18.0.1"
WAN4, WAN6 = "192.0.2.1", "2001:db8:ffff::1"
EUI = "fe80::ff:fe00:2"


def marker(number):
    return b"BtMark" + struct.pack(">H", number) + b"kraMtB"


class Frames:
    """hostile: nothing of it may arrive anywhere. beside: right in itself but sent past the host, straight to the
    neighbour: isolation stops it, the guard need not."""

    def __init__(self, me, other, bridge_mac):
        self.me, self.other, self.bridge = me, other, bridge_mac
        self.list = []
        self._names = set()

    def add(self, name, frame, beside=False):
        assert name not in self._names, name
        self._names.add(name)
        number = len(self.list)
        data = bytes(frame)
        # Behind the packet: the length fields of the layers stay as they were built.
        data = data.ljust(60, b"\0") + marker(number)
        self.list.append((name, number, data, beside))

    def inside(self, name, build, beside=False):
        """The marker as payload: build(payload) gives the frame."""
        assert name not in self._names, name
        self._names.add(name)
        number = len(self.list)
        self.list.append((name, number, bytes(build(marker(number) * 2)), beside))

    def udp4(self, src, dst, mac=None, to=None):
        def build(payload):
            return (Ether(src=mac or self.me.mac, dst=to or self.bridge) /
                    IP(src=src, dst=dst) / UDP(sport=4000, dport=4001) / Raw(payload))
        return build

    def udp6(self, src, dst, mac=None, to=None):
        def build(payload):
            return (Ether(src=mac or self.me.mac, dst=to or self.bridge) /
                    IPv6(src=src, dst=dst) / UDP(sport=4000, dport=4001) / Raw(payload))
        return build

    # ---- kinds ----

    def macs(self):
        me, other = self.me, self.other
        for what, mac in (("foreign", "02:00:00:00:99:99"), ("neighbour's", other.mac),
                          ("bridge's", self.bridge), ("all-zero", "00:00:00:00:00:00"),
                          ("group", "03:00:00:00:00:02"), ("broadcast", GROUP4)):
            self.inside(f"{what} MAC, IPv4 to the neighbour",
                        self.udp4(me.v4, other.v4, mac=mac, to=other.mac))
            self.inside(f"{what} MAC, IPv4 to wan", self.udp4(me.v4, WAN4, mac=mac))
            self.inside(f"{what} MAC, IPv6 to wan", self.udp6(me.v6, WAN6, mac=mac))
        self.inside("foreign MAC, IPv4 broadcast",
                    self.udp4(me.v4, "255.255.255.255", mac="02:00:00:00:99:99", to=GROUP4))

    def addresses(self):
        me, other = self.me, self.other
        for src in (other.v4, GATEWAY4, "198.18.0.77", WAN4, "0.0.0.0", "127.0.0.1", "10.0.0.1",
                    "224.0.0.1", "255.255.255.255", "192.0.2.11", "198.19.9.11"):
            self.inside(f"IPv4 source {src} to wan", self.udp4(src, WAN4))
            self.inside(f"IPv4 source {src} to the neighbour",
                        self.udp4(src, other.v4, to=other.mac))
        for src in (other.v6, "fe80::1", "::", "::1", WAN6, "2001:db8:1:3:ffff::1",
                    "2001:db8:1:1::1", "::ffff:198.18.0.2", "ff02::1", EUI):
            self.inside(f"IPv6 source {src} to wan", self.udp6(src, WAN6))
            self.inside(f"IPv6 source {src} to the neighbour",
                        self.udp6(src, other.v6, to=other.mac))

    def envelopes(self):
        me, other = self.me, self.other
        ip = IP(src=me.v4, dst=other.v4) / UDP(sport=1, dport=2)
        spoofed = IP(src=other.v4, dst=WAN4) / UDP(sport=1, dport=2)
        eth = {"src": me.mac, "dst": other.mac}
        up = {"src": me.mac, "dst": self.bridge}

        def wrap(name, head, inner, **e):
            self.inside(name, lambda p: Ether(**(e or eth)) / head / inner / Raw(p))

        wrap("VLAN 0", Dot1Q(vlan=0), ip)
        wrap("VLAN 0 to the host", Dot1Q(vlan=0), spoofed, **up)
        wrap("VLAN 1", Dot1Q(vlan=1), ip)
        wrap("VLAN 100", Dot1Q(vlan=100), ip)
        wrap("VLAN 100 to the host", Dot1Q(vlan=100), spoofed, **up)
        wrap("VLAN 4095", Dot1Q(vlan=4095), ip)
        wrap("VLAN 0 twice", Dot1Q(vlan=0) / Dot1Q(vlan=0), ip)
        wrap("VLAN 0 three times", Dot1Q(vlan=0) / Dot1Q(vlan=0) / Dot1Q(vlan=0), spoofed, **up)
        wrap("802.1ad 0", Dot1AD(vlan=0), ip)
        wrap("802.1ad 0, VLAN 0", Dot1AD(vlan=0) / Dot1Q(vlan=0), ip)
        wrap("802.1ad 7, VLAN 7 to the host", Dot1AD(vlan=7) / Dot1Q(vlan=7), spoofed, **up)
        self.inside("VLAN 0, IPv6", lambda p: Ether(**up) / Dot1Q(vlan=0) / IPv6(
            src=other.v6, dst=WAN6) / UDP(sport=1, dport=2) / Raw(p))
        self.add("VLAN 0, ARP", Ether(src=me.mac, dst=GROUP4) / Dot1Q(vlan=0) / ARP(
            op=2, hwsrc=me.mac, psrc=GATEWAY4, hwdst=GROUP4, pdst=other.v4))
        for kind in (0x9100, 0x9200, 0x9300, 0x8847, 0x8848, 0x8863, 0x8864, 0x888e, 0x88cc, 0x8808,
                     0x8809, 0x8902, 0x88e5, 0x88f7, 0x8137, 0x8035, 0x6558, 0x22f3, 0x88b5, 0x0101,
                     0x1234, 0x86de):
            self.inside(f"ether type {kind:#06x}",
                        lambda p, k=kind: Ether(type=k, **eth) / Raw(bytes(ip) + p))
        self.inside("ether type 0x8847 to the host",
                    lambda p: Ether(type=0x8847, **up) / Raw(b"\0\0\1\xff" + bytes(spoofed) + p))
        self.inside("LLC, IPv4", lambda p: Dot3(**eth) / LLC(dsap=6, ssap=6, ctrl=3) / Raw(
            bytes(ip) + p))
        self.inside("SNAP, IPv4", lambda p: Dot3(**eth) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(
            OUI=0, code=0x800) / Raw(bytes(ip) + p))
        self.inside("SNAP, IPv6", lambda p: Dot3(**up) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(
            OUI=0, code=0x86dd) / Raw(bytes(IPv6(src=other.v6, dst=WAN6) / UDP()) + p))
        self.inside("VLAN 0, SNAP", lambda p: Ether(type=0x8100, **eth) / Raw(
            struct.pack(">HH", 0, 60) + b"\xaa\xaa\3\0\0\0\x08\0" + bytes(ip) + p))
        self.inside("IPX raw 802.3", lambda p: Dot3(**eth) / Raw(b"\xff\xff" + p * 2))
        self.add("spanning tree", Dot3(src=me.mac, dst="01:80:c2:00:00:00") / LLC(
            dsap=0x42, ssap=0x42, ctrl=3) / STP(rootid=0, rootmac=me.mac))

    def arp(self):
        me, other = self.me, self.other

        def one(name, dst=GROUP4, src=None, **fields):
            f = {"op": 2, "hwsrc": me.mac, "psrc": me.v4, "hwdst": GROUP4, "pdst": other.v4, **fields}
            self.add(f"ARP {name}", Ether(src=src or me.mac, dst=dst) / ARP(**f))

        one("answer for the gateway", psrc=GATEWAY4)
        one("answer for the gateway to the neighbour", dst=other.mac, psrc=GATEWAY4)
        one("answer for the neighbour", dst=self.bridge, psrc=other.v4, pdst=GATEWAY4)
        one("answer for nobody", psrc="198.18.0.99")
        one("answer for wan", dst=self.bridge, psrc=WAN4, pdst=GATEWAY4)
        one("inner MAC foreign", hwsrc="02:00:00:00:99:99")
        one("inner MAC the neighbour's", hwsrc=other.mac)
        one("inner MAC the bridge's", hwsrc=self.bridge, psrc=GATEWAY4)
        one("frame MAC foreign", src="02:00:00:00:99:99")
        one("gratuitous for the gateway", op=1, psrc=GATEWAY4, pdst=GATEWAY4)
        one("gratuitous for the neighbour", op=1, psrc=other.v4, pdst=other.v4)
        one("question from the neighbour", op=1, psrc=other.v4, pdst=GATEWAY4)
        one("question from the gateway", op=1, psrc=GATEWAY4, pdst=other.v4)
        one("answer from 0.0.0.0", psrc="0.0.0.0")
        one("probe with a foreign inner MAC", op=1, psrc="0.0.0.0", hwsrc=other.mac)
        for op in (0, 3, 4, 8, 9, 25):
            one(f"operation {op}", op=op)
        raw = bytes(ARP(op=2, hwsrc=me.mac, psrc=GATEWAY4, hwdst=other.mac, pdst=other.v4))
        for name, at, value in (("hardware type 6", 0, b"\0\6"), ("protocol IPv6", 2, b"\x86\xdd"),
                                ("hardware length 8", 4, b"\x08"), ("address length 16", 5, b"\x10"),
                                ("hardware length 0", 4, b"\0")):
            bad = raw[:at] + value + raw[at + len(value):]
            self.add(f"ARP {name}", Ether(src=me.mac, dst=GROUP4, type=0x806) / Raw(bad))
        self.add("ARP cut short", Ether(src=me.mac, dst=GROUP4, type=0x806) / Raw(raw[:12]))

    def discovery(self):
        me, other = self.me, self.other
        opt = ICMPv6NDOptDstLLAddr(lladdr=me.mac)
        ra = ICMPv6ND_RA(routerlifetime=1800) / ICMPv6NDOptPrefixInfo(
            prefix="2001:db8:bad::", prefixlen=64) / ICMPv6NDOptSrcLLAddr(lladdr=me.mac)

        def six(src, dst, mac=ALL6, hlim=255, nh=None):
            extra = {} if nh is None else {"nh": nh}
            return Ether(src=me.mac, dst=mac) / IPv6(src=src, dst=dst, hlim=hlim, **extra)

        self.add("NA for the gateway", six(me.v6, "ff02::1") / ICMPv6ND_NA(
            R=1, S=0, O=1, tgt="fe80::1") / opt)
        self.add("NA for the gateway, link-local", six(EUI, "ff02::1") / ICMPv6ND_NA(
            R=1, S=0, O=1, tgt="fe80::1") / opt)
        self.add("NA as the gateway", six("fe80::1", "ff02::1") / ICMPv6ND_NA(
            R=1, S=0, O=1, tgt="fe80::1") / opt)
        self.add("NA for the neighbour", six(me.v6, "ff02::1") / ICMPv6ND_NA(
            R=0, S=0, O=1, tgt=other.v6) / opt)
        self.add("NA for the neighbour to the host", six(me.v6, "fe80::1", self.bridge) /
                 ICMPv6ND_NA(R=0, S=1, O=1, tgt=other.v6) / opt)
        self.add("NA to the neighbour", six(me.v6, other.v6, other.mac) / ICMPv6ND_NA(
            R=1, S=1, O=1, tgt="fe80::1") / opt)
        self.add("NA link-local to the neighbour", six(EUI, other.v6, other.mac) / ICMPv6ND_NA(
            R=1, S=1, O=1, tgt="fe80::1") / opt)
        self.add("NA from the neighbour", six(other.v6, "ff02::1") / ICMPv6ND_NA(
            R=0, S=0, O=1, tgt=other.v6) / opt)
        self.add("NS from the neighbour", six(other.v6, "ff02::1:ff00:1", "33:33:ff:00:00:01") /
                 ICMPv6ND_NS(tgt="fe80::1") / ICMPv6NDOptSrcLLAddr(lladdr=me.mac))
        self.add("NS from the gateway", six("fe80::1", "ff02::1:ff00:1", "33:33:ff:00:00:01") /
                 ICMPv6ND_NS(tgt=other.v6) / ICMPv6NDOptSrcLLAddr(lladdr=me.mac))
        self.add("NS link-local to all", six(EUI, "ff02::1") / ICMPv6ND_NS(tgt=other.v6))
        for src in (EUI, "fe80::1", me.v6, "::"):
            self.add(f"RA from {src}", six(src, "ff02::1") / ra)
            self.add(f"RA from {src} to the neighbour", six(src, other.v6, other.mac) / ra)
            self.add(f"RA from {src} to the host", six(src, "fe80::1", self.bridge) / ra)
        for src in (EUI, me.v6):
            self.extended(src, ra)
        self.add("redirect", six(EUI, other.v6, other.mac) / ICMPv6ND_Redirect(
            tgt=me.v6, dst=WAN6) / opt)
        self.add("redirect as the gateway", six("fe80::1", "ff02::1") / ICMPv6ND_Redirect(
            tgt=me.v6, dst=WAN6) / opt)
        self.add("redirect to the host", six(me.v6, "fe80::1", self.bridge) / ICMPv6ND_Redirect(
            tgt=me.v6, dst=WAN6) / opt)
        ask = bytes(IPv6(src=EUI, dst="fe80::1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"))[40:]
        self.add("NS link-local behind options", Ether(src=me.mac, dst=self.bridge) / IPv6(
            src=EUI, dst="fe80::1", hlim=255, nh=60) / Raw(bytes([58, 0, 1, 4, 0, 0, 0, 0]) + ask))
        self.add("NS own address behind options, to a group", Ether(
            src=me.mac, dst="33:33:ff:00:00:01") / IPv6(
                src=me.v6, dst="ff02::1:ff00:1", hlim=255, nh=60) / Raw(
                    bytes([58, 0, 1, 4, 0, 0, 0, 0]) + ask))
        self.add("RS to all", six(EUI, "ff02::1") / ICMPv6ND_RS())

    def extended(self, src, ra):
        """Router advertisements hidden behind extension headers and fragments (RFC 7113)."""
        me = self.me
        packet = IPv6(src=src, dst="ff02::1", hlim=255) / ra
        body = bytes(packet)[40:]
        eth = Ether(src=me.mac, dst=ALL6)
        head = {"src": src, "dst": "ff02::1", "hlim": 255}

        def frag(nh, offset, m, data, before=b"", first=44):
            h = struct.pack(">BBHI", nh, 0, offset << 3 | m, 0x1234)
            return eth / IPv6(nh=first, **head) / Raw(before + h + data)

        hbh = bytes([58, 0, 1, 4, 0, 0, 0, 0])
        dst_then_icmp = bytes([58, 0, 1, 4, 0, 0, 0, 0])
        self.add(f"RA from {src} in a fragment", frag(58, 0, 0, body))
        self.add(f"RA from {src}, first fragment", frag(58, 0, 1, body[:8]))
        self.add(f"RA from {src}, second fragment", frag(58, 1, 0, body[8:]))
        self.add(f"RA from {src}, options in the first fragment", frag(60, 0, 1, dst_then_icmp))
        self.add(f"RA from {src}, itself in the second", frag(60, 1, 0, body))
        self.add(f"RA from {src} behind hop-by-hop", eth / IPv6(nh=0, **head) / Raw(hbh + body))
        self.add(f"RA from {src} behind options", eth / IPv6(nh=60, **head) / Raw(
            dst_then_icmp + body))
        self.add(f"RA from {src} behind two options", eth / IPv6(nh=60, **head) / Raw(
            bytes([60, 0, 1, 4, 0, 0, 0, 0]) + dst_then_icmp + body))
        self.add(f"RA from {src} behind routing", eth / IPv6(nh=43, **head) / Raw(
            bytes([58, 0, 0, 0, 0, 0, 0, 0]) + body))
        self.add(f"RA from {src}, options before a fragment", frag(
            58, 0, 0, body, before=bytes([44, 0, 1, 4, 0, 0, 0, 0]), first=60))
        self.add(f"RA from {src} behind mobility", eth / IPv6(nh=135, **head) / Raw(
            bytes([58, 0, 0, 0, 0, 0, 0, 0]) + body))

    def groups(self):
        me = self.me

        def six(src, dst, mac, nh=None):
            extra = {} if nh is None else {"nh": nh}
            return Ether(src=me.mac, dst=mac) / IPv6(src=src, dst=dst, hlim=1, **extra)

        self.add("MLD query", six(EUI, "ff02::1", ALL6) / IPv6ExtHdrHopByHop(
            options=[PadN(optdata=b"\0\0")]) / ICMPv6MLQuery())
        self.add("MLD query without router alert", six(EUI, "ff02::1", ALL6) / ICMPv6MLQuery())
        self.add("MLD query, own address", six(me.v6, "ff02::1", ALL6) / ICMPv6MLQuery())
        self.add("MLD report", six(EUI, "ff02::1:3", "33:33:00:01:00:03") / ICMPv6MLReport(
            mladdr="ff02::1:3"))
        self.add("MLD report, own address", six(me.v6, "ff02::1:3", "33:33:00:01:00:03") /
                 IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0\0")]) / ICMPv6MLReport())
        self.add("echo to all, own address", six(me.v6, "ff02::1", ALL6) / ICMPv6EchoRequest())
        self.add("echo to all, link-local", six(EUI, "ff02::1", ALL6) / ICMPv6EchoRequest())
        self.inside("mDNS IPv6", lambda p: six(EUI, "ff02::fb", "33:33:00:00:00:fb") / UDP(
            sport=5353, dport=5353) / Raw(p))
        self.inside("group UDP, own IPv6", lambda p: six(me.v6, "ff02::fb", "33:33:00:00:00:fb") /
                    UDP(sport=5353, dport=5353) / Raw(p))
        self.inside("mDNS IPv4", self.udp4(me.v4, "224.0.0.251", to="01:00:5e:00:00:fb"))
        self.inside("broadcast UDP", self.udp4(me.v4, "255.255.255.255", to=GROUP4))
        self.inside("subnet broadcast UDP", self.udp4(me.v4, "198.18.15.255", to=GROUP4))
        self.inside("neighbour's IPv4 in a broadcast frame",
                    self.udp4(me.v4, self.other.v4, to=GROUP4))
        self.inside("group IPv4 in a frame to the neighbour",
                    self.udp4(me.v4, "224.0.0.251", to=self.other.mac))
        self.inside("broadcast IPv4 in a frame to the neighbour",
                    self.udp4(me.v4, "255.255.255.255", to=self.other.mac))
        self.inside("group IPv6 in a frame to the neighbour",
                    self.udp6(me.v6, "ff02::1", to=self.other.mac))
        self.add("RA in a fragment to the neighbour, to all", Ether(src=me.mac, dst=self.other.mac) / IPv6(
            src=me.v6, dst="ff02::1", hlim=255) / IPv6ExtHdrFragment(nh=58) / Raw(bytes(ICMPv6ND_RA())))
        self.inside("neighbour's IPv6 in a group frame", self.udp6(me.v6, self.other.v6, to=ALL6))
        self.add("IGMP query", Ether(src=me.mac, dst="01:00:5e:00:00:01") / IP(
            src=me.v4, dst="224.0.0.1", proto=2, ttl=1) / Raw(b"\x11\x64\xee\x9b\0\0\0\0"))
        self.add("IGMP to the neighbour", Ether(src=me.mac, dst=self.other.mac) / IP(
            src=me.v4, dst=self.other.v4, proto=2, ttl=1) / Raw(b"\x11\x64\xee\x9b\0\0\0\0"))

    def servers(self):
        me, other = self.me, self.other
        offer = BOOTP(op=2, yiaddr=other.v4, siaddr=me.v4, chaddr=b"\2\0\0\0\0\3") / DHCP(
            options=[("message-type", "offer"), ("server_id", me.v4), ("router", me.v4), "end"])
        for src in (me.v4, GATEWAY4):
            for name, mac, dst in (("to all", GROUP4, "255.255.255.255"),
                                   ("to the neighbour", other.mac, other.v4),
                                   ("to the host", self.bridge, WAN4)):
                self.add(f"DHCP offer from {src} {name}", Ether(src=me.mac, dst=mac) / IP(
                    src=src, dst=dst) / UDP(sport=67, dport=68) / offer)
        self.add("DHCP offer from another port", Ether(src=me.mac, dst=self.bridge) / IP(
            src=me.v4, dst=other.v4) / UDP(sport=1067, dport=68) / offer)
        self.inside("from port 67 to another", lambda p: Ether(src=me.mac, dst=self.bridge) / IP(
            src=me.v4, dst=other.v4) / UDP(sport=67, dport=1068) / Raw(p))
        self.add("DHCP question with a foreign source", Ether(src=me.mac, dst=GROUP4) / IP(
            src=other.v4, dst="255.255.255.255") / UDP(sport=68, dport=67) / BOOTP())
        adv = DHCP6_Advertise(trid=7)
        for src in (EUI, me.v6):
            self.add(f"DHCPv6 advertise from {src}", Ether(src=me.mac, dst=other.mac) / IPv6(
                src=src, dst=other.v6) / UDP(sport=547, dport=546) / adv)
            self.add(f"DHCPv6 advertise from {src} to all", Ether(src=me.mac, dst=ALL6) / IPv6(
                src=src, dst="ff02::1") / UDP(sport=547, dport=546) / adv)

    def broken(self):
        me, other = self.me, self.other
        eth = {"src": me.mac, "dst": self.bridge}
        v4 = bytes(IP(src=other.v4, dst=WAN4) / UDP(sport=1, dport=2))
        v6 = bytes(IPv6(src=other.v6, dst=WAN6) / UDP(sport=1, dport=2))
        self.inside("IPv6 in an IPv4 envelope", lambda p: Ether(type=0x800, **eth) / Raw(v6 + p))
        self.inside("IPv4 in an IPv6 envelope", lambda p: Ether(type=0x86dd, **eth) / Raw(v4 + p))
        self.inside("IPv4 in an ARP envelope", lambda p: Ether(type=0x806, **eth) / Raw(v4 + p))
        self.inside("IPv4 header of 4 words", lambda p: Ether(type=0x800, **eth) / Raw(
            b"\x44" + v4[1:] + p))
        self.inside("IPv4 header of 15 words", lambda p: Ether(type=0x800, **eth) / Raw(
            b"\x4f" + v4[1:] + p))
        self.add("IPv4 cut short", Ether(type=0x800, **eth) / Raw(v4[:10]))
        self.add("IPv6 cut short", Ether(type=0x86dd, **eth) / Raw(v6[:20]))
        self.inside("IPv4 fragment with a foreign source", lambda p: Ether(**eth) / IP(
            src=other.v4, dst=WAN4, frag=100, flags=1) / Raw(p))
        self.inside("source routing, foreign source", lambda p: Ether(type=0x800, **eth) / IP(
            src=other.v4, dst=GATEWAY4, options=b"\x83\x07\x04\xc0\x00\x02\x01\x00") / UDP() / Raw(p))
        self.inside("error with a foreign source", lambda p: Ether(**eth) / IPv6(
            src="fe80::1", dst=WAN6) / ICMPv6DestUnreach() / Raw(p))
        self.inside("ICMP redirect as the gateway", lambda p: Ether(src=me.mac, dst=other.mac) / IP(
            src=GATEWAY4, dst=other.v4) / ICMP(type=5, code=1, gw=me.v4) / Raw(p))

    def beside(self):
        me, other = self.me, self.other
        self.inside("own IPv4 straight to the neighbour",
                    self.udp4(me.v4, other.v4, to=other.mac), beside=True)
        self.inside("own IPv6 straight to the neighbour",
                    self.udp6(me.v6, other.v6, to=other.mac), beside=True)
        self.add("own ARP straight to the neighbour", Ether(src=me.mac, dst=other.mac) / ARP(
            op=2, hwsrc=me.mac, psrc=me.v4, hwdst=other.mac, pdst=other.v4), beside=True)
        self.inside("own IPv6 fragments straight to the neighbour", lambda p: Ether(
            src=me.mac, dst=other.mac) / IPv6(src=me.v6, dst=other.v6) / IPv6ExtHdrFragment(
                nh=17) / Raw(p), beside=True)
        self.inside("own IPv6 with options straight to the neighbour", lambda p: Ether(
            src=me.mac, dst=other.mac) / IPv6(src=me.v6, dst=other.v6) / IPv6ExtHdrDestOpt() /
            IPv6ExtHdrRouting(segleft=0) / UDP(dport=4001) / Raw(p), beside=True)

    def all(self):
        for kind in (self.macs, self.addresses, self.envelopes, self.arp, self.discovery, self.groups,
                     self.servers, self.broken, self.beside):
            kind()
        return self.list


if __name__ == "__main__":
    sys.exit("a library of tests/system/net/test_guard")
