"""The way of a request: only trusted proxies are believed, each hop is told, and no request comes through twice."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.faults import LoopDetected
from gateway.core.forwarded import Proxies, Way, check_loop, forwarded_lines, via_line

PROXIES = Proxies((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
NOBODY = Proxies(())
SAID = (
    (b"X-Forwarded-For", b"203.0.113.9"),
    (b"x-forwarded-proto", b"https"),
    (b"X-FORWARDED-HOST", b"gate.lab.test"),
    (b"Forwarded", b"for=203.0.113.9"),
    (b"X-Real-IP", b"6.6.6.6"),
    (b"Accept", b"*/*"),
)


def way(*fields, peer="10.0.0.1", proxies=PROXIES):
    return proxies.way(tuple(fields), peer, b"http", b"here:8700")


def client(*values: bytes) -> str:
    return way(*((b"X-Forwarded-For", value) for value in values)).client


# --- who is believed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.0.0.1", True),
        ("10.255.255.255", True),
        ("11.0.0.1", False),
        ("fd00::1", True),
        ("fd12:3456::1%eth0", True),
        ("fe80::1%eth0", False),
        ("::1", False),
        ("", False),
        ("unknown", False),
        ("10.0.0.1:80", False),
    ],
)
def test_proxies_are_trusted_by_their_address(peer, trusted):
    for _ in range(2):
        assert PROXIES.trusts(peer) is trusted
    assert not NOBODY.trusts(peer)


def test_trust_stays_right_when_more_addresses_come_than_are_remembered():
    peers = [f"{first}.{n >> 8}.{n & 255}.1" for n in range(5000) for first in (10, 11)]
    assert [PROXIES.trusts(peer) for peer in peers] == [True, False] * 5000
    assert PROXIES.trusts(peers[0])


@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1", "::1"])
def test_nothing_is_believed_of_whoever_is_no_trusted_proxy(peer):
    assert way(*SAID, peer=peer) == Way(peer, b"http", b"here:8700")
    assert way(*SAID, peer="10.0.0.1", proxies=NOBODY) == Way("10.0.0.1", b"http", b"here:8700")


def test_a_trusted_proxy_says_client_scheme_and_host():
    assert way(*SAID) == Way("203.0.113.9", b"https", b"gate.lab.test", SAID[:4])


def test_a_trusted_proxy_that_says_nothing_is_the_client():
    assert way((b"Accept", b"*/*")) == Way("10.0.0.1", b"http", b"here:8700")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((b"203.0.113.9",), "203.0.113.9"),
        ((b"6.6.6.6, 203.0.113.9",), "203.0.113.9"),
        ((b"6.6.6.6", b"203.0.113.9,10.1.1.1"), "203.0.113.9"),
        ((b"6.6.6.6,203.0.113.9 , 10.1.1.1\t,10.2.2.2",), "203.0.113.9"),
        ((b"2001:db8::1, fd00::2",), "2001:db8::1"),
        ((b"10.3.3.3, 10.1.1.1",), "10.3.3.3"),
        # whatever stands before what cannot be read may be anybody's
        ((b"6.6.6.6, unknown",), "10.0.0.1"),
        ((b"6.6.6.6, 1.2.3.4:5678, 10.1.1.1",), "10.0.0.1"),
        ((b"",), "10.0.0.1"),
        ((b"6.6.6.6,",), "10.0.0.1"),
        ((b"\xff",), "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxys(values, expected):
    assert client(*values) == expected


@given(
    st.lists(st.sampled_from([b"6.6.6.6", b"unknown", b"10.9.9.9", b""]), max_size=4),
    st.lists(st.sampled_from([b"10.1.1.1", b"fd00::1"]), max_size=3),
)
def test_no_address_that_a_caller_makes_up_hides_where_they_come_from(made_up, proxies):
    assert client(b",".join([*made_up, b"203.0.113.9", *proxies])) == "203.0.113.9"


@pytest.mark.parametrize("proto", [b"", b"ftp", b"https, http", b"javascript", b'https"'])
def test_a_scheme_that_is_none_of_ours_is_not_believed(proto):
    assert way((b"X-Forwarded-Proto", proto)).scheme == b"http"


@pytest.mark.parametrize(
    ("host", "believed"),
    [
        (b"gate.lab.test:8443", True),
        (b"[::1]:80", True),
        (b"", False),
        (b"a b", False),
        (b"a/b", False),
        (b'a"b', False),
        (b"a\\b", False),
        (b"a@b", False),
        (b"a\r\nb", False),
        (b"\xff", False),
        (b"a" * 256, False),
    ],
)
def test_a_host_that_cannot_be_one_is_not_believed(host, believed):
    assert way((b"X-Forwarded-Host", host)).host == (host if believed else b"here:8700")


# --- what the upstream is told -------------------------------------------------------------------------------


def lines(origin: Way, peer: str, mount: bytes = b"") -> list[bytes]:
    written = forwarded_lines(origin, peer, mount)
    assert written.endswith(b"\r\n")
    return written[:-2].split(b"\r\n")


def test_an_upstream_is_told_of_the_caller_and_of_the_mount():
    assert lines(Way("203.0.113.9", b"http", b"gate:8700"), "203.0.113.9", b"/files") == [
        b'Forwarded: for=203.0.113.9;host="gate:8700";proto=http',
        b"X-Forwarded-For: 203.0.113.9",
        b"X-Forwarded-Host: gate:8700",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Prefix: /files",
    ]


def test_at_the_root_there_is_no_prefix():
    assert not any(line.startswith(b"X-Forwarded-Prefix") for line in lines(Way("::1", b"http", b"h"), "::1"))


def test_an_address_with_colons_is_quoted_as_the_grammar_asks():
    told = lines(Way("2001:db8::1", b"https", b"[::1]:80"), "2001:db8::1")
    assert told[:2] == [
        b'Forwarded: for="[2001:db8::1]";host="[::1]:80";proto=https',
        b"X-Forwarded-For: 2001:db8::1",
    ]


def test_what_trusted_proxies_said_comes_first_and_the_proxy_itself_last():
    before = (
        (b"X-Forwarded-For", b"203.0.113.9"),
        (b"Forwarded", b"for=203.0.113.9"),
        (b"x-forwarded-for", b"10.9.9.9"),
        (b"forwarded", b"for=10.9.9.9;by=x"),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Host", b"gate.lab.test"),
    )
    assert lines(way(*before), "10.0.0.1") == [
        b'Forwarded: for=203.0.113.9, for=10.9.9.9;by=x, for=10.0.0.1;host="gate.lab.test";proto=https',
        b"X-Forwarded-For: 203.0.113.9, 10.9.9.9, 10.0.0.1",
        b"X-Forwarded-Host: gate.lab.test",
        b"X-Forwarded-Proto: https",
    ]


def test_what_others_said_is_not_passed_on():
    told = b"\n".join(lines(way(*SAID, peer="203.0.113.7"), "203.0.113.7"))
    assert b"203.0.113.9" not in told
    assert b"https" not in told


# --- Via -----------------------------------------------------------------------------------------------------

OWN = b"labgate-0123456789ab"


@pytest.mark.parametrize(
    "value",
    [b"1.1 " + OWN, b"1.0 a, 1.1 %b (labgate), 1.1 b" % OWN, b"HTTP/1.1 %b:80" % OWN, b"1.1 a," + OWN],
)
def test_a_request_that_has_been_through_this_gate_is_refused(value):
    with pytest.raises(LoopDetected):
        check_loop(((b"Via", b"1.1 other"), (b"vIA", value)), OWN)


def test_a_request_that_has_been_through_other_gates_passes():
    check_loop(((b"Via", b"1.1 labgate-ffffffffffff, 1.1 x"), (b"X-Via", OWN)), OWN)


@pytest.mark.parametrize(("minor", "version"), [(0, b"1.0"), (1, b"1.1")])
def test_the_gate_joins_those_whom_a_request_has_been_through(minor, version):
    own = b"%b %b\r\n" % (version, OWN)
    assert via_line((), OWN, minor) == b"Via: " + own
    before = ((b"Via", b"1.0 a, 1.1 b"), (b"A", b"x"), (b"via", b"2 c"))
    assert via_line(before, OWN, minor) == b"Via: 1.0 a, 1.1 b, 2 c, " + own
    with pytest.raises(LoopDetected):
        check_loop(((b"Via", via_line(before, OWN, minor)[5:-2]),), OWN)


def test_who_asks_can_be_told_without_the_address_that_was_asked() -> None:
    before = ((b"Forwarded", b"for=9.9.9.9;host=gate.lab"), (b"X-Forwarded-For", b"9.9.9.9"))
    way = Way("9.9.9.9", b"https", b"gate.lab", before)
    written = forwarded_lines(way, "10.0.0.1", b"/files", names_gate=False)
    assert written == b"Forwarded: for=10.0.0.1\r\nX-Forwarded-For: 9.9.9.9, 10.0.0.1\r\n"
