"""ip() and cidr(): Go's net/netip as the Kubernetes libraries expose it."""

from __future__ import annotations

import ipaddress
from typing import Any, ClassVar

from wherry.errors import go_quote
from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.registry import Library
from wherry.machinery.cel.values import Named

IPS, CIDRS = Library("kubernetes.net.ip"), Library("kubernetes.net.cidr")
IP_TYPE, CIDR_TYPE = t.opaque("net.IP"), t.opaque("net.CIDR")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
IPS.type(IP_TYPE)
CIDRS.type(CIDR_TYPE)


class Ip(Named):
    __slots__ = ("address",)
    cel_type: ClassVar[t.Type] = IP_TYPE

    def __init__(self, address: Address):
        self.address = address

    def key(self) -> Any:
        return self.address

    @property
    def size(self) -> int:
        return self.address.max_prefixlen // 8


class Cidr(Named):
    __slots__ = ("address", "bits")
    cel_type: ClassVar[t.Type] = CIDR_TYPE

    def __init__(self, address: Address, bits: int):
        self.address, self.bits = address, bits

    def key(self) -> Any:
        return self.address, self.bits

    @property
    def size(self) -> int:
        return (self.bits + 7) // 8

    def contains(self, address: Address, bits: int | None = None) -> bool:
        if type(address) is not type(self.address):
            return False
        shift = self.address.max_prefixlen - self.bits
        return int(self.address) >> shift == int(address) >> shift and (bits is None or self.bits <= bits)


def _parse_v4(text: str) -> str:
    """The complaint of netip about an IPv4 text, or empty."""
    fields = text.split(".")
    for char in text:
        if char not in "0123456789.":
            return "unexpected character"
    if len(fields) < 4:
        return "IPv4 address too short" if all(fields) else "IPv4 field must have at least one digit"
    for field in fields:
        if not field:
            return "IPv4 field must have at least one digit"
        if len(field) > 1 and field[0] == "0":
            return "IPv4 field has octet with leading zero"
        if int(field) > 255:
            return "IPv4 field has value >255"
    return "IPv4 address too long" if len(fields) > 4 else ""


def _go_error(text: str) -> str:
    for char in text:
        if char == ".":
            why = _parse_v4(text)
            if why == "unexpected character":
                at = next(i for i, c in enumerate(text) if c not in "0123456789.")
                return f"ParseAddr({go_quote(text)}): {why} (at {go_quote(text[at:])})"
            return f"ParseAddr({go_quote(text)}): {why or 'unable to parse IP'}"
        if char == ":":
            return f"ParseAddr({go_quote(text)}): {_v6_problem(text)}"
        if char == "%":
            return f"ParseAddr({go_quote(text)}): missing IPv6 address"
    return f"ParseAddr({go_quote(text)}): unable to parse IP"


def _v6_problem(text: str) -> str:
    """Walks the groups as netip's parseIPv6 does."""
    s = text
    ellipsis, count = -1, 0
    if s.startswith("::"):
        ellipsis, s = 0, s[2:]
        if not s:
            return ""
    while count < 16:
        digits = 0
        while digits < len(s) and s[digits] in "0123456789abcdefABCDEF":
            if digits > 3:
                return f"each group must have 4 or less digits (at {go_quote(s)})"
            digits += 1
        if digits == 0:
            return f"each colon-separated field must have at least one digit (at {go_quote(s)})"
        if digits < len(s) and s[digits] == ".":
            if ellipsis < 0 and count != 12:
                return f"embedded IPv4 address must replace the final 2 fields of the address (at {go_quote(s)})"
            if count + 4 > 16:
                return f"too many hex fields to fit an embedded IPv4 at the end of the address (at {go_quote(s)})"
            why = _parse_v4(s)
            return f"{why} (at {go_quote(s)})" if why == "unexpected character" else why
        count += 2
        s = s[digits:]
        if not s:
            break
        if s[0] != ":":
            return f"unexpected character, want colon (at {go_quote(s)})"
        if len(s) == 1:
            return f"colon must be followed by more characters (at {go_quote(s)})"
        s = s[1:]
        if s[0] == ":":
            if ellipsis >= 0:
                return f"multiple :: in address (at {go_quote(s)})"
            ellipsis, s = count, s[1:]
            if not s:
                break
    if s:
        return f"trailing garbage after address (at {go_quote(s)})"
    return "address string too short" if count < 16 and ellipsis < 0 else ""


def _address(text: str) -> Address:
    try:
        if "%" in text:
            ipaddress.IPv6Address(text.partition("%")[0])
            raise CelError(f"IP address {go_quote(text)} with zone value is not allowed")
        return ipaddress.ip_address(text)
    except ValueError:
        raise CelError(
            f"IP Address {go_quote(text)} parse error during conversion from string: {_go_error(text)}"
        ) from None


def _parse_ip(text: str) -> Address:
    address = _address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise CelError(f"IPv4-mapped IPv6 address {go_quote(text)} is not allowed")
    return address


def _show(address: Address) -> str:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"
    return str(address)


def _parse_cidr(text: str) -> Cidr:
    outer = "network address parse error during conversion from string: "

    def bad(why: str) -> CelError:
        return CelError(f"{outer}{outer}netip.ParsePrefix({go_quote(text)}): {why}")

    host, slash, bits = text.rpartition("/")
    if not slash:
        raise bad("no '/'")
    try:
        if "%" in host:
            raise bad("IPv6 zones cannot be present in a prefix")
        address = ipaddress.ip_address(host)
    except ValueError:
        raise bad(_go_error(host)) from None
    if len(bits) > 1 and not ("1" <= bits[0] <= "9"):
        raise bad(f"bad bits after slash: {go_quote(bits)}")
    if not (bits.isascii() and bits.isdigit()) or len(bits) > 10:
        raise bad(f"bad bits after slash: {go_quote(bits)}")
    if int(bits) > address.max_prefixlen:
        raise bad("prefix length out of range")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise CelError(f"{outer}IPv4-mapped IPv6 address {go_quote(text)} is not allowed")
    return Cidr(address, int(bits))


def _succeeds(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except CelError:
        return False
    return True


_S = t.STRING
IPS.add("ip", "string_to_ip", [_S], IP_TYPE, lambda s: Ip(_parse_ip(s)))
IPS.add("isIP", "is_ip", [_S], t.BOOL, lambda s: _succeeds(_parse_ip, s))
IPS.add("ip.isCanonical", "ip_is_canonical", [_S], t.BOOL, lambda s: _show(_parse_ip(s)) == s)
IPS.add("string", "ip_to_string", [IP_TYPE], _S, lambda ip: _show(ip.address))
IPS.add("family", "ip_family", [IP_TYPE], t.INT, lambda ip: ip.address.version, member=True)


def _link_local_multicast(ip: Ip) -> bool:
    address = ip.address
    if isinstance(address, ipaddress.IPv4Address):
        return int(address) >> 8 == 0xE00000
    return int(address) >> 112 & 0xFF0F == 0xFF02


def _global_unicast(ip: Ip) -> bool:
    a = ip.address
    if isinstance(a, ipaddress.IPv4Address) and (int(a) in (0, 0xFFFFFFFF)):
        return False
    return not (a.is_unspecified or a.is_loopback or a.is_multicast or a.is_link_local)


for _name, _id, _test in (
    ("isUnspecified", "ip_is_unspecified", lambda ip: ip.address.is_unspecified),
    ("isLoopback", "ip_is_loopback", lambda ip: ip.address.is_loopback),
    ("isLinkLocalMulticast", "ip_is_link_local_multicast", _link_local_multicast),
    ("isLinkLocalUnicast", "ip_is_link_local_unicast", lambda ip: ip.address.is_link_local),
    ("isGlobalUnicast", "ip_is_global_unicast", _global_unicast),
):
    IPS.add(_name, _id, [IP_TYPE], t.BOOL, _test, member=True)


def _masked(cidr: Cidr) -> Cidr:
    shift = cidr.address.max_prefixlen - cidr.bits
    return Cidr(type(cidr.address)(int(cidr.address) >> shift << shift), cidr.bits)


def _contains_cidr(cidr: Cidr, other: Cidr) -> bool:
    return cidr.contains(other.address, other.bits)


CIDRS.add("cidr", "string_to_cidr", [_S], CIDR_TYPE, _parse_cidr)
CIDRS.add("isCIDR", "is_cidr", [_S], t.BOOL, lambda s: _succeeds(_parse_cidr, s))
CIDRS.add("string", "cidr_to_string", [CIDR_TYPE], _S, lambda c: f"{_show(c.address)}/{c.bits}")
CIDRS.add(
    "containsIP", "cidr_contains_ip_string", [CIDR_TYPE, _S], t.BOOL, lambda c, s: c.contains(_parse_ip(s)), member=True
)
CIDRS.add(
    "containsIP", "cidr_contains_ip_ip", [CIDR_TYPE, IP_TYPE], t.BOOL, lambda c, ip: c.contains(ip.address), member=True
)
CIDRS.add(
    "containsCIDR",
    "cidr_contains_cidr_string",
    [CIDR_TYPE, _S],
    t.BOOL,
    lambda c, s: _contains_cidr(c, _parse_cidr(s)),
    member=True,
)
CIDRS.add("containsCIDR", "cidr_contains_cidr", [CIDR_TYPE, CIDR_TYPE], t.BOOL, _contains_cidr, member=True)
CIDRS.add("ip", "cidr_ip", [CIDR_TYPE], IP_TYPE, lambda c: Ip(c.address), member=True)
CIDRS.add("prefixLength", "cidr_prefix_length", [CIDR_TYPE], t.INT, lambda c: c.bits, member=True)
CIDRS.add("masked", "cidr_masked", [CIDR_TYPE], CIDR_TYPE, _masked, member=True)
