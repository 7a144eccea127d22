"""Laws of the addresses that no name may lead to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.outbound import NeverConnectedError, allowed, is_address, is_never

NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.2",
    "fe80::1",
    "fe80::a9fe:a9fe%eth0",
    "febf::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "no address",
    "",
]
PRIVATE = [
    "127.0.0.1",
    "::1",
    "10.0.0.7",
    "192.168.1.2",
    "172.16.0.1",
    "100.64.0.1",
    "fd00::1",
    "fd00:ec2::253",
    "169.253.255.255",
    "169.255.0.0",
    "2001:db8::1",
    "::ffff:10.0.0.7",
    "64:ff9b::10.0.0.7",
]


@pytest.mark.parametrize("address", NEVER)
def test_no_name_may_lead_to_where_clouds_keep_credentials(address: str) -> None:
    assert is_never(address)
    with pytest.raises(NeverConnectedError, match="link-local"):
        allowed([address])


@pytest.mark.parametrize("address", PRIVATE)
def test_a_labs_own_networks_are_where_its_services_are(address: str) -> None:
    assert not is_never(address)
    assert allowed([address, "169.254.169.254"]) == [address]


def test_a_name_without_addresses_leads_nowhere_and_is_no_refusal() -> None:
    assert allowed([]) == []


@given(st.integers(0, 0xFFFF))
def test_every_link_local_address_is_refused_however_it_is_wrapped(host: int) -> None:
    inner = ipaddress.IPv4Address(0xA9FE0000 | host)
    number = int(inner)
    for text in (str(inner), f"::ffff:{inner}", str(ipaddress.IPv6Address(0x64FF9B << 96 | number))):
        assert is_never(text)


@given(st.ip_addresses())
def test_every_address_is_judged(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert isinstance(is_never(str(address)), bool)


@pytest.mark.parametrize("host", ["0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "a.b"])
def test_other_spellings_of_an_address_are_names(host: str) -> None:
    assert not is_address(host)
