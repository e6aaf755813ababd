"""IP addresses and CIDR blocks as the API reads them: the old sloppy way, the strict way, and warnings in between.

Follows k8s.io/apimachinery/pkg/util/validation/ip.go and k8s.io/utils/net (leading zeros are read as decimal, IPv4 in
IPv6 form counts as IPv4). Pure: only the standard library's `ipaddress` below.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from wherry.errors import FieldError, go_quote, invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}").fullmatch
_MAPPED_HIGH = 0xFFFF


class Block(NamedTuple):
    """A parsed CIDR: the address as written, the network it names, its prefix length."""

    address: Address
    network: Address
    prefix: int
    bits: int

    def __str__(self) -> str:
        return f"{self.network}/{self.prefix}"


def _v4(text: str) -> ipaddress.IPv4Address | None:
    if not _IPV4(text):
        return None
    parts = [part.lstrip("0") or "0" for part in text.split(".")]
    if any(len(part) > 3 or int(part) > 255 for part in parts):
        return None
    return ipaddress.IPv4Address(bytes(int(part) for part in parts))


def _v6(text: str) -> ipaddress.IPv6Address | None:
    head, colon, tail = text.rpartition(":")
    if not colon or "%" in text:
        return None
    if "." in tail:
        four = _v4(tail)
        if four is None:
            return None
        text = f"{head}:{int(four) >> 16:x}:{int(four) & 0xFFFF:x}"
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def parse_sloppy(text: str) -> Address | None:
    """netutils.ParseIPSloppy: an IPv4-mapped address comes back as IPv4, as Go's net.IP prints it."""
    if ":" not in text:
        return _v4(text)
    six = _v6(text)
    return six.ipv4_mapped or six if six is not None else None


def _raw_parse(text: str) -> Address | None:
    """netip.ParseAddr: no leading zeros; a mapped address stays IPv6."""
    if ":" not in text:
        try:
            return ipaddress.IPv4Address(text)
        except ValueError:
            return None
    if "." in text:
        try:
            ipaddress.IPv4Address(text.rpartition(":")[2])
        except ValueError:
            return None
    return _v6(text)


def _is_mapped(address: Address | None) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def is_v4(text: str) -> bool:
    return isinstance(parse_sloppy(text), ipaddress.IPv4Address)


def is_v6(text: str) -> bool:
    return isinstance(parse_sloppy(text), ipaddress.IPv6Address)


def _go_text(address: Address) -> str:
    """netip.Addr.String: mapped addresses keep their dotted tail."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return f"::ffff:{address.ipv4_mapped}"
    return str(address)


NOT_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NOT_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def legacy_ip(field: str, text: str, known: Sequence[str] = (), *, strict: bool = True) -> list[FieldError]:
    """IsValidIPForLegacyField; values of the old object (`known`) pass as they are."""
    if text in known:
        return []
    if parse_sloppy(text) is None:
        return [invalid(field, text, NOT_IP)]
    return _strict_ip(field, text) if strict else []


def _strict_ip(field: str, text: str) -> list[FieldError]:
    raw = _raw_parse(text)
    if raw is None:
        return [invalid(field, text, "must not have leading 0s")]
    if _is_mapped(raw):
        return [invalid(field, text, "must not be an IPv4-mapped IPv6 address")]
    return []


def valid_ip(field: str, text: str) -> list[FieldError]:
    """IsValidIP: strict and canonical."""
    address = parse_sloppy(text)
    if address is None:
        return [invalid(field, text, NOT_IP)]
    if problems := _strict_ip(field, text):
        return problems
    if str(address) != text:
        return [invalid(field, text, f"must be in canonical form ({go_quote(str(address))})")]
    return []


def ip_warnings(field: str, text: str) -> list[str]:
    """GetWarningsForIP: nothing for an address that does not parse, validation has refused it."""
    address = parse_sloppy(text)
    if address is None:
        return []
    raw = _raw_parse(text)
    if raw is None or _is_mapped(raw):
        return [f"{field}: non-standard IP address {go_quote(text)} is invalid: use {go_quote(str(address))}"]
    if isinstance(raw, ipaddress.IPv6Address) and str(raw) != text:
        canonical = go_quote(str(raw))
        return [f"{field}: IPv6 address {go_quote(text)} should be in RFC 5952 canonical format ({canonical})"]
    return []


def parse_cidr(text: str) -> Block | None:
    """netutils.ParseCIDRSloppy."""
    head, slash, tail = text.partition("/")
    if not slash or not tail.isascii() or not tail.isdigit():
        return None
    wide = ":" in head
    address: Address | None = _v6(head) if wide else _v4(head)
    if address is None:
        return None
    bits = 128 if wide else 32
    digits = tail.lstrip("0") or "0"
    prefix = int(digits) if len(digits) <= 3 else bits + 1
    if prefix > bits:
        return None
    masked = int(address) >> (bits - prefix) << (bits - prefix)
    network: Address = ipaddress.IPv6Address(masked) if wide else ipaddress.IPv4Address(masked)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
        if prefix >= 96 and isinstance(network, ipaddress.IPv6Address) and network.ipv4_mapped is not None:
            return Block(address, network.ipv4_mapped, prefix - 96, 32)
    return Block(address, network, prefix, bits)


def _parse_prefix(text: str) -> tuple[Address, int] | None:
    """netip.ParsePrefix: no leading zeros in either half."""
    head, _, tail = text.partition("/")
    address = _raw_parse(head)
    if address is None or (len(tail) > 1 and tail[0] == "0") or not tail.isdigit():
        return None
    return address, int(tail)


def legacy_cidr(field: str, text: str, known: Sequence[str] = (), *, strict: bool = True) -> list[FieldError]:
    if text in known:
        return []
    if parse_cidr(text) is None:
        return [invalid(field, text, NOT_CIDR)]
    return _strict_cidr(field, text) if strict else []


def _strict_cidr(field: str, text: str) -> list[FieldError]:
    prefix = _parse_prefix(text)
    block = parse_cidr(text)
    if prefix is None or block is None:
        return [invalid(field, text, "must not have leading 0s in IP or prefix length")]
    if _is_mapped(prefix[0]):
        return [invalid(field, text, "must not have an IPv4-mapped IPv6 address")]
    if block.address != block.network:
        return [invalid(field, text, "must not have bits set beyond the prefix length")]
    return []


def valid_cidr(field: str, text: str) -> list[FieldError]:
    """IsValidCIDR: strict and canonical."""
    block = parse_cidr(text)
    if block is None:
        return [invalid(field, text, NOT_CIDR)]
    if problems := _strict_cidr(field, text):
        return problems
    if str(block) != text:
        return [invalid(field, text, f"must be in canonical form ({go_quote(str(block))})")]
    return []


def cidr_warnings(field: str, text: str) -> list[str]:
    block = parse_cidr(text)
    if block is None:
        return []
    out: list[str] = []
    quoted = go_quote(text)
    if block.address != block.network:
        single = go_quote(f"{block.address}/{block.bits}")
        whole = go_quote(str(block))
        out.append(f"{field}: CIDR value {quoted} is ambiguous in this context (should be {whole} or {single}?)")
    prefix = _parse_prefix(text)
    if prefix is None or _is_mapped(prefix[0]):
        out.append(f"{field}: non-standard CIDR value {quoted} is invalid: use {go_quote(str(block))}")
    elif not out and isinstance(prefix[0], ipaddress.IPv6Address):
        canonical = f"{_go_text(prefix[0])}/{prefix[1]}"
        if canonical != text:
            out.append(
                f"{field}: IPv6 CIDR value {quoted} should be in RFC 5952 canonical format ({go_quote(canonical)})"
            )
    return out


def interface_address(field: str, text: str) -> list[FieldError]:
    """IsValidInterfaceAddress: an address with its prefix, canonical."""
    block = parse_cidr(text)
    if block is None:
        return [invalid(field, text, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)")]
    canonical = f"{block.address}/{block.prefix}"
    if canonical != text:
        return [invalid(field, text, f"must be in canonical form ({go_quote(canonical)})")]
    return []
