"""IP addresses and CIDR blocks as fields hold them, and what a Service gets from a pool."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import Invalid
from wherry.machinery.builtin.core.service_addresses import Refused, allocate_create, allocate_update, held
from wherry.machinery.builtin.core.shared import ip

Obj = dict[str, Any]


@given(st.ip_addresses())
def test_canonical_addresses_are_valid(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    text = str(address)
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    assert bool(ip.valid_ip("f", text)) == mapped
    assert ip.is_v4(text) == (address.version == 4 or mapped)


@given(st.text(alphabet="0123456789abcdef.:/%", max_size=24))
def test_any_text_is_judged(text: str) -> None:
    strict, sloppy = ip.valid_ip("f", text), ip.legacy_ip("f", text, strict=False)
    assert not sloppy or strict
    assert not ip.legacy_cidr("f", text, strict=False) or ip.valid_cidr("f", text)
    if not strict:
        assert not ip.ip_warnings("f", text)
    if not ip.valid_cidr("f", text):
        assert not ip.cidr_warnings("f", text)


@pytest.mark.parametrize("text", ["9" * 5000 + ".0.0.1", "10.0.0.0/" + "9" * 5000, "::1/" + "0" * 5000 + "1"])
def test_huge_numbers_do_not_break(text: str) -> None:
    ip.parse_sloppy(text)
    ip.parse_cidr(text)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("10.0.0.01", "must not have leading 0s"),
        ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"),
        ("2001:DB8::1", 'must be in canonical form ("2001:db8::1")'),
        ("1.2.3", ip.NOT_IP),
    ],
)
def test_what_is_wrong_with_an_address(text: str, detail: str) -> None:
    (error,) = ip.valid_ip("f", text)
    assert str(error).endswith(f": {detail}")


def test_cidr_warning_names_both_readings() -> None:
    (warning,) = ip.cidr_warnings("spec.x", "10.0.0.5/8")
    assert warning.endswith('is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.5/32"?)')


class Pool:
    def __init__(self, *families: str, fail: str = "") -> None:
        self.families, self.fail = families or ("IPv4",), fail
        self.ips: list[str] = []
        self.ports: list[int] = []

    def take_ip(self, family: str, wanted: str) -> str:
        self.ips.append(wanted or (f"10.0.0.{len(self.ips) + 1}" if family == "IPv4" else f"fd00::{len(self.ips) + 1}"))
        return self.ips[-1]

    def take_port(self, wanted: int) -> int:
        if self.fail:
            raise Refused(self.fail)
        self.ports.append(wanted or 30000 + len(self.ports))
        return self.ports[-1]


def service(**spec: Any) -> Obj:
    return {"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "ports": [{"port": 80}], **spec}}


def test_single_stack() -> None:
    obj = service()
    assert allocate_create(obj, Pool()).taken_ips == ["10.0.0.1"]
    assert obj["spec"]["clusterIPs"] == ["10.0.0.1"]
    assert obj["spec"]["clusterIP"] == "10.0.0.1"
    assert (obj["spec"]["ipFamilies"], obj["spec"]["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


def test_prefer_dual_stack_takes_what_there_is() -> None:
    one, two = service(ipFamilyPolicy="PreferDualStack"), service(ipFamilyPolicy="PreferDualStack")
    allocate_create(one, Pool("IPv4"))
    allocate_create(two, Pool("IPv4", "IPv6"))
    assert one["spec"]["ipFamilies"] == ["IPv4"]
    assert two["spec"]["clusterIPs"] == ["10.0.0.1", "fd00::2"]


def test_require_dual_stack_is_refused() -> None:
    with pytest.raises(Invalid, match="this cluster is not configured for dual-stack services"):
        allocate_create(service(ipFamilyPolicy="RequireDualStack"), Pool())


def test_headless_takes_nothing() -> None:
    obj = service(clusterIP="None", selector={"a": "b"})
    assert not allocate_create(obj, Pool()).taken_ips
    assert obj["spec"]["clusterIPs"] == ["None"]
    assert held(obj) == ([], [])


def test_two_protocols_share_a_node_port() -> None:
    ports = [{"port": 53, "protocol": "TCP", "name": "a"}, {"port": 53, "protocol": "UDP", "name": "b"}]
    obj = service(type="NodePort", ports=ports)
    assert allocate_create(obj, Pool()).taken_ports == [30000]
    assert [port["nodePort"] for port in ports] == [30000, 30000]


def test_a_refused_port_hands_back_the_address() -> None:
    with pytest.raises(Invalid, match="provided port is already allocated") as caught:
        allocate_create(
            service(type="NodePort", ports=[{"port": 1, "nodePort": 30001}]),
            Pool(fail="provided port is already allocated"),
        )
    assert caught.value.allocation.taken_ips == ["10.0.0.1"]  # type: ignore[attr-defined]


def test_an_update_keeps_and_frees() -> None:
    old = service(type="NodePort")
    allocate_create(old, Pool())
    same = service(type="NodePort")
    assert allocate_update(same, old, Pool()).freed_ports == []
    assert same["spec"]["ports"][0]["nodePort"] == 30000
    assert same["spec"]["clusterIP"] == "10.0.0.1"
    gone = {"metadata": {"name": "s"}, "spec": {"type": "ExternalName", "externalName": "x.example"}}
    freed = allocate_update(gone, old, Pool())
    assert (freed.freed_ips, freed.freed_ports) == (["10.0.0.1"], [30000])
