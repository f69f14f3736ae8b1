# SPDX-License-Identifier: GPL-2.0-or-later
"""Links, addresses, routes, sysctls and filters of the lab's namespaces.

Everything is stated as what should be, compared with what is, and only the difference is applied.
iproute2 and nft do the work: these are development hosts, made by a tool.
"""

import json
import os
import subprocess

from . import kernel, namespaces, record

WAN = "wan"
BRIDGE = "br-int"
UPLINK = "wan0"
MGMT = "mgmt0"
TABLE = "berthlab"
# Behind every route that the agent makes: what is not given to an instance has no way back to wan.
LAST_METRIC = "4096"

# A key that the kernel does not have (no br_netfilter) is passed over.
SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/default/forwarding": "1",
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/bridge/bridge-nf-call-iptables": "0",
    "net/bridge/bridge-nf-call-ip6tables": "0",
    "net/bridge/bridge-nf-call-arptables": "0",
}


def mgmt_link(lab, number):
    return f"{lab}m{number}"


def is_mgmt_link(lab, link):
    return link.startswith(f"{lab}m") and link[len(lab) + 1:].isdigit()


def mac(lab, what, number):
    """Locally administered, the same at every `up`."""
    h = record.hash_of(lab, "mac")
    return f"02:be:{h >> 8 & 255:02x}:{h & 255:02x}:{what:02x}:{number:02x}"


class Net:
    """What one namespace should have."""

    def __init__(self, ns):
        self.ns = ns  # path of the pinned network namespace, None = this one
        self.links = {}  # name -> words of `ip link add` that make it
        self.masters = {}  # name -> bridge
        self.quiet = []  # links that speak no IPv6
        self.addresses = []  # (link, "a.b.c.d/n", peer or None)
        self.routes = []  # (destination, words...)
        self.sysctls = {}


def host_number(host):
    return int(host[1:])


def wan_net(lab, var, numbers):
    net = Net(namespaces.pin_path(var, WAN, "net"))
    net.sysctls = SYSCTLS
    net.links[BRIDGE] = ["address", mac(lab, 0xff, 1), "type", "bridge", "forward_delay", "0",
                         "mcast_snooping", "0", "stp_state", "0"]
    net.addresses = [(BRIDGE, "192.0.2.1/24", None), (BRIDGE, "203.0.113.1/24", None),
                     (BRIDGE, "2001:db8:ffff::1/64", None)]
    for n in numbers:
        peer_ns = namespaces.pin_path(var, f"h{n}", "net")
        net.links[f"h{n}"] = ["address", mac(lab, 2, n), "type", "veth", "peer", "name", UPLINK,
                              "address", mac(lab, 1, n), "netns", peer_ns]
        net.masters[f"h{n}"] = BRIDGE
        net.quiet.append(f"h{n}")
        net.routes.append((f"198.18.{16 * (n - 1)}.0/20", "via", f"192.0.2.{10 + n}"))
        net.routes.append((f"2001:db8:{n}::/48", "via", f"2001:db8:ffff::{10 + n}"))
    return net


def host_net(lab, var, octet, n):
    net = Net(namespaces.pin_path(var, f"h{n}", "net"))
    net.sysctls = SYSCTLS
    net.links = {UPLINK: None, MGMT: None}  # made from the other end
    net.quiet = [MGMT]
    net.addresses = [
        (UPLINK, f"192.0.2.{10 + n}/24", None),
        (UPLINK, f"2001:db8:ffff::{10 + n}/64", None),
        (MGMT, f"198.19.{octet}.{10 + n}/32", f"198.19.{octet}.1"),
    ]
    net.routes = [
        ("default", "via", "192.0.2.1"),
        ("default", "via", "2001:db8:ffff::1"),
        (f"198.18.{16 * (n - 1)}.0/20", "unreachable", "metric", LAST_METRIC),
        (f"2001:db8:{n}::/48", "unreachable", "metric", LAST_METRIC),
    ]
    return net


def root_net(lab, var, octet, numbers):
    """The controller's end: one link per host with a route to that host alone."""
    net = Net(None)
    for n in numbers:
        link = mgmt_link(lab, n)
        net.links[link] = ["address", mac(lab, 4, n), "type", "veth", "peer", "name", MGMT,
                           "address", mac(lab, 3, n), "netns",
                           namespaces.pin_path(var, f"h{n}", "net")]
        net.quiet.append(link)
        net.addresses.append((link, f"198.19.{octet}.1/32", f"198.19.{octet}.{10 + n}"))
    return net


def _prefix(net, *argv):
    return (["nsenter", f"--net={net.ns}"] if net.ns else []) + list(argv)


def _run(argv, text=None):
    # The child keeps the lab's lock (close_fds): were this process killed, `down` would wait for it.
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False,
                          close_fds=False)
    if done.returncode != 0:
        raise record.LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _batch(net, lines):
    if lines:
        _run(_prefix(net, "ip", "-batch", "-"), "".join(" ".join(x) + "\n" for x in lines))


def _addr(net):
    return json.loads(_run(_prefix(net, "ip", "-json", "addr", "show")) or "[]")


def _in_net(net, work):
    """Runs work() in the namespace (sysctl files follow the caller's) and raises what it raises."""
    out_r, out_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = b""
        try:
            fd = os.open(net.ns, os.O_RDONLY | os.O_CLOEXEC)
            kernel.setns(fd, kernel.CLONE_NEWNET)
            work()
        except BaseException as e:  # pylint: disable=broad-except
            text = str(e).encode() or b"failed"
        finally:
            os.write(out_w, text)
            os._exit(0)
    os.close(out_w)
    with os.fdopen(out_r, "rb") as f:
        text = f.read()
    os.waitpid(pid, 0)
    if text:
        raise record.LabError(text.decode(errors="replace"))


def apply_sysctls(net):
    def work():
        for key, value in net.sysctls.items():
            now = kernel.try_read(f"/proc/sys/{key}")
            if now is not None and now.strip() != value:
                kernel.write(f"/proc/sys/{key}", value)

    _in_net(net, work)


def _link_lines(net, have):
    """A link that is missing is added; all are brought up, enslaved, silenced."""
    lines = []
    for link, words in net.links.items():
        now = have.get(link)
        if now is None:
            if words is None:
                raise record.LabError(f"{link} is missing in {net.ns}")
            lines.append(["link", "add", "name", link, *words])
            now = {}
        is_up = "UP" in now.get("flags", ())
        if link in net.quiet and not is_up:  # an address comes with `up`, if at all
            lines.append(["link", "set", "dev", link, "addrgenmode", "none"])
        if link in net.masters and now.get("master") != net.masters[link]:
            lines.append(["link", "set", "dev", link, "master", net.masters[link]])
        if not is_up:
            lines.append(["link", "set", "dev", link, "up"])
    if net.ns and "UP" not in have.get("lo", {}).get("flags", ()):
        lines.append(["link", "set", "dev", "lo", "up"])
    return lines


def _address_lines(net, have):
    lines = []
    for link, address, peer in net.addresses:
        local, _, length = address.partition("/")
        wanted = (local, peer, int(length))
        now = [(a.get("local"), a.get("address"), a["prefixlen"])
               for a in have.get(link, {}).get("addr_info", ()) if "local" in a]
        if wanted in now:
            continue
        words = [local, "peer", f"{peer}/{length}"] if peer else [address]
        lines.append(["addr", "replace", *words, "dev", link] + (["nodad"] if ":" in local else []))
    return lines


def _routes(net):
    found = set()
    for family in ("-4", "-6"):
        text = _run(_prefix(net, "ip", "-json", family, "route", "show"))
        for r in json.loads(text or "[]"):
            if "gateway" in r:
                found.add((r["dst"], "via", r["gateway"]))
            else:
                found.add((r["dst"], r.get("type", ""), "metric", str(r.get("metric", 0))))
    return found


def _route_lines(net):
    if not net.routes:
        return []
    have = _routes(net)
    lines = []
    for dst, *words in net.routes:
        if (dst, *words) in have:
            continue
        what = [dst, *words] if words[0] == "via" else [words[0], dst, *words[1:]]
        lines.append(["route", "replace", *what])
    return lines


def _by_name(net):
    return {x["ifname"]: x for x in _addr(net) if "ifname" in x}


def apply(net):
    """Brings links, addresses and routes to what they should be; True if anything was missing.
    Sysctls come before: links copy the defaults when they are born."""
    have = _by_name(net)
    links = _link_lines(net, have)
    if links:
        _batch(net, links)
        have = _by_name(net)
    addresses = _address_lines(net, have)
    _batch(net, addresses)
    routes = _route_lines(net)
    _batch(net, routes)
    return bool(links or addresses or routes)


def drop_half_wires(host, others):
    """Takes away links whose host end is not there under its name, so that they are made anew.

    others: {name in the host: (net of the other end, its name there)}
    """
    have = _by_name(host)
    for link, (net, name) in others.items():
        if link not in have:
            delete_link(net, name)


def delete_link(net, name):
    subprocess.run(_prefix(net, "ip", "link", "del", "dev", name), capture_output=True, check=False)


def _nft(net, text):
    _run(_prefix(net, "nft", "-f", "-"), text)


def _nft_list(net, *what):
    done = subprocess.run(_prefix(net, "nft", "-j", "list", *what), capture_output=True, text=True,
                          check=False)
    return json.loads(done.stdout)["nftables"] if done.returncode == 0 else None


def apply_host_filter(net, octet, number):
    """Nothing passes between the management link and anything else, and its address answers there
    only. True if the table was missing."""
    if _nft_list(net, "table", "inet", TABLE) is not None:
        return False
    _nft(net, f"""
table inet {TABLE} {{
    chain forward {{
        type filter hook forward priority -10; policy accept;
        iifname "{MGMT}" drop
        oifname "{MGMT}" drop
    }}
    chain input {{
        type filter hook input priority -10; policy accept;
        iifname {{ "{MGMT}", "lo" }} accept
        ip daddr 198.19.{octet}.{10 + number} drop
    }}
}}
""")
    return True


def apply_wan_filter(lab, net, numbers):
    """Counts and drops what a provider's switch port would lock a server for: a source MAC that is
    not the uplink's. netdev ingress sees every frame, link-local group addresses too."""
    have = _nft_list(net, "table", "netdev", TABLE) or []
    chains = {x["chain"]["name"] for x in have if "chain" in x}
    missing = [n for n in numbers if f"up_h{n}" not in chains]
    for n in missing:
        _nft(net, f"""
table netdev {TABLE} {{
    counter foreign_h{n} {{ }}
    chain up_h{n} {{
        type filter hook ingress device "h{n}" priority 0; policy accept;
        ether saddr != {mac(lab, 1, n)} counter name "foreign_h{n}" drop
    }}
}}
""")
    return bool(missing)


def foreign_macs(var):
    """Frames with a foreign source MAC that came out of each host, {"h1": N}."""
    net = Net(namespaces.pin_path(var, WAN, "net"))
    found = {}
    for x in _nft_list(net, "counters", "table", "netdev", TABLE) or []:
        counter = x.get("counter")
        if counter and counter["name"].startswith("foreign_"):
            found[counter["name"][len("foreign_"):]] = counter["packets"]
    return found


def remove_links(lab):
    """The ends in this namespace; the other ends die with them."""
    for link in os.listdir("/sys/class/net"):
        if is_mgmt_link(lab, link):
            delete_link(Net(None), link)
