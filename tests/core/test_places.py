"""Places: what an upstream says of its own addresses leads back through the gate, and all else stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.places import Places, cookie_names, normal_origin, set_name

PUBLIC = b"https://gate.test"
OWN = frozenset((b"http://up:8080", b"https://up.test", b"http://[::1]:5000", b"http://plain"))
MOUNTED = Places(OWN, b"", b"/files")
AT_ROOT = Places(OWN, b"", b"")
BASED = Places(OWN, b"/v2", b"/files")
BASED_AT_ROOT = Places(OWN, b"/v2", b"")

# --- references ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "sent", "seen"),
    [
        # absolute, at an origin of the upstream's
        (MOUNTED, b"http://up:8080/a/b", b"https://gate.test/files/a/b"),
        (MOUNTED, b"http://up:8080", b"https://gate.test/files"),
        (MOUNTED, b"http://up:8080/", b"https://gate.test/files/"),
        (MOUNTED, b"http://up:8080?q#f", b"https://gate.test/files?q#f"),
        (MOUNTED, b"http://up:8080#f/g", b"https://gate.test/files#f/g"),
        (MOUNTED, b"HTTP://UP:8080/A%2fb?C=/d#e", b"https://gate.test/files/A%2fb?C=/d#e"),
        (MOUNTED, b"http://[::1]:5000/x", b"https://gate.test/files/x"),
        (MOUNTED, b"http://plain:80/x", b"https://gate.test/files/x"),
        (MOUNTED, b"http://plain/x", b"https://gate.test/files/x"),
        (MOUNTED, b"https://up.test:443/x", b"https://gate.test/files/x"),
        (AT_ROOT, b"http://up:8080/a", b"https://gate.test/a"),
        (AT_ROOT, b"http://up:8080", b"https://gate.test/"),
        (AT_ROOT, b"http://up:8080?q", b"https://gate.test/?q"),
        (BASED, b"http://up:8080/v2/a", b"https://gate.test/files/a"),
        (BASED, b"http://up:8080/v2?q", b"https://gate.test/files?q"),
        (BASED, b"http://up:8080/v2", b"https://gate.test/files"),
        (BASED_AT_ROOT, b"http://up:8080/v2", b"https://gate.test/"),
        # by its host alone
        (MOUNTED, b"//up:8080/x", b"https://gate.test/files/x"),
        (MOUNTED, b"//UP:8080?q", b"https://gate.test/files?q"),
        (MOUNTED, b"//plain", b"https://gate.test/files"),
        (MOUNTED, b"//plain:80/x", b"https://gate.test/files/x"),
        (MOUNTED, b"//up.test:443/x", b"https://gate.test/files/x"),
        (BASED, b"//plain/v2/x", b"https://gate.test/files/x"),
        # by its path
        (MOUNTED, b"/a?b=/c#d", b"/files/a?b=/c#d"),
        (MOUNTED, b"/", b"/files/"),
        (AT_ROOT, b"/a//b", b"/a//b"),
        (BASED, b"/v2/a", b"/files/a"),
        (BASED, b"/v2", b"/files"),
        (BASED, b"/v2#f", b"/files#f"),
        (BASED_AT_ROOT, b"/v2/a", b"/a"),
        (BASED_AT_ROOT, b"/v2", b"/"),
        (BASED_AT_ROOT, b"/v2?q", b"/?q"),
        # beside the service's own address, but at its host: callers are not sent away
        (BASED, b"/v22/a", b"/files/v22/a"),
        (BASED, b"http://up:8080/other", b"https://gate.test/files/other"),
        (BASED_AT_ROOT, b"/other", b"/other"),
    ],
)
def test_a_reference_to_the_upstream_leads_back_through_the_gate(places, sent, seen):
    assert places.reference(sent, PUBLIC) == seen


@pytest.mark.parametrize("places", [MOUNTED, AT_ROOT, BASED, BASED_AT_ROOT])
@pytest.mark.parametrize(
    "sent",
    [
        *(b"http://other/x", b"http://up/x", b"http://up:80801/x", b"https://up:8080/x", b"ftp://up:8080/x"),
        *(b"http://up:8080.evil.test/x", b"http://up:8080@evil.test/", b"http://user@up:8080/x"),
        *(b"https://up.test:80/", b"http://plain:443/"),
        *(b"//other/x", b"//up/x", b"//up:8080.evil.test", b"//plain:8080/", b"///x", b"//"),
        *(b"", b"?q", b"#f", b"x", b"x/y", b"../x", b"./", b"x:y", b"mailto:http://plain/"),
        *(b"v2/x", b"?http://plain/", b"http:/plain/x", b"\xff"),
    ],
)
def test_other_hosts_and_relative_references_stay_as_they_are(places, sent):
    assert places.reference(sent, PUBLIC) == sent


@pytest.mark.parametrize("rest", [b"//evil.test", b"//evil.test/x", b"/\\evil.test"])
def test_what_is_left_without_the_base_never_names_another_host(rest):
    assert BASED_AT_ROOT.reference(b"/v2" + rest, PUBLIC) == PUBLIC + rest
    assert BASED.reference(b"/v2" + rest, PUBLIC) == b"/files" + rest


@given(
    st.sampled_from([MOUNTED, AT_ROOT]),
    st.sampled_from([b"http://up:8080", b"//plain", b"HTTPS://Up.Test:443"]),
    st.text("ab/.%2F;=", max_size=8),
    st.sampled_from([b"", b"?a=http://up:8080/", b"#/b"]),
)
def test_what_follows_the_host_is_kept_byte_for_byte(places, host, path, rest):
    tail = b"/" + path.encode() + rest
    assert places.reference(host + tail, PUBLIC) == PUBLIC + places.mount + tail


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        (b"HTTP://Up:80", b"http://up"),
        (b"https://up:443", b"https://up"),
        (b"https://up:80", b"https://up:80"),
        (b"http://up:8080", b"http://up:8080"),
        (b"http://[::80]", b"http://[::80]"),
    ],
)
def test_an_origin_is_compared_in_lower_case_and_without_its_schemes_port(written, compared):
    assert normal_origin(written) == compared


# --- Refresh -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"5; url=/x", b"5; url=/files/x"),
        (b"0;URL=http://plain/x", b"0;URL=https://gate.test/files/x"),
        (b"1.5 , url = '/x'", b"1.5 , url = '/files/x'"),
        (b'5;url="/x" ; odd', b'5;url="/files/x" ; odd'),
        (b"5;url='/x", b"5;url='/files/x"),
        (b"5; /x", b"5; /files/x"),
        (b"5; url=x", b"5; url=x"),
        (b"5; url=http://other/", b"5; url=http://other/"),
        (b"5;url=", b"5;url="),
        (b"5", b"5"),
        (b"url=/x", b"url=/x"),
        (b"soon; url=/x", b"soon; url=/x"),
        (b"", b""),
    ],
)
def test_a_refresh_leads_back_through_the_gate_as_a_location_does(sent, seen):
    assert MOUNTED.refresh(sent, PUBLIC) == seen


def test_a_long_refresh_is_read_once():
    value = b"5; url=/x" + b" " * 30_000 + b"'" + b" " * 30_000 + b"y"
    assert MOUNTED.refresh(value, PUBLIC) == b"5; url=/files/x" + value[9:]


# --- cookies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"a=1; Path=/", b"a=1; Path=/files"),
        (b"a=1; path=/x/", b"a=1; path=/files/x/"),
        (b"a=1;PATH = /x", b"a=1;PATH=/files/x"),
        (b"a=1; Path=/x; Secure; HttpOnly", b"a=1; Path=/files/x; Secure; HttpOnly"),
        (b"a=1; Secure; Path=/x; SameSite=Lax", b"a=1; Secure; Path=/files/x; SameSite=Lax"),
        (b"a=1; Domain=up.test; Path=/", b"a=1; Path=/files"),
        (b"a=1; Path=/; domain=.up.test", b"a=1; Path=/files"),
        (b"a=1;DOMAIN ;Secure", b"a=1;Secure"),
        (b"a=1; Path=x", b"a=1"),
        (b'a=1; Path="/x"', b"a=1"),
        (b"a=1; Path", b"a=1"),
        (b"a=1; Path=/x; Path=/y", b"a=1; Path=/files/x; Path=/files/y"),
        (b"a=1", b"a=1"),
        (b"", b""),
    ],
)
def test_a_cookie_is_moved_below_the_mount_in_place_and_loses_its_domain(sent, seen):
    assert MOUNTED.cookie(sent, b"/asked") == seen


@pytest.mark.parametrize(
    "odd",
    [
        *(
            b"Pathx=/a",
            b"X-Path=/a",
            b"Domains=d",
            b"=x",
            b"",
            b"  ",
            b"Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        ),
        *(b"Max-Age=-1", b"Partitioned", b"\xff=\xfe", b"a path=/x", b"Comment=Path=/x"),
    ],
)
def test_what_else_a_cookie_says_is_kept_byte_for_byte(odd):
    sent = b'a="x=y, z";%b; Path=/;%b' % (odd, odd)
    assert MOUNTED.cookie(sent, b"/asked") == b'a="x=y, z";%b; Path=/files;%b' % (odd, odd)


@given(st.lists(st.sampled_from([b"Secure", b" Path=/x", b"Domain=d", b" b=c", b"path=y", b""]), max_size=5))
def test_a_moved_cookie_is_never_for_more_than_the_mount(attributes):
    seen = MOUNTED.cookie(b";".join([b"a=1", *attributes]), b"").split(b";")
    paths = [part.strip()[5:] for part in seen if part.strip().lower().startswith(b"path=")]
    assert paths
    assert all(path.startswith(b"/files") for path in paths)
    assert not any(part.strip().lower().startswith(b"domain") for part in seen)
    assert [part for part in seen if b"ath=" not in part] == [
        part for part in [b"a=1", *attributes] if b"ath=" not in part and b"omain" not in part
    ]


def test_a_cookie_without_a_path_gets_the_mounts_only_where_a_browser_would_find_a_wider_one():
    # A browser cuts the last step off: of /files that leaves the root of the gate, of /files/ the mount.
    assert MOUNTED.cookie(b"a=1; Secure", b"") == b"a=1; Secure; Path=/files"
    assert MOUNTED.cookie(b"a=1; Secure", b"/") == b"a=1; Secure"
    assert MOUNTED.cookie(b"a=1; Path=/x", b"") == b"a=1; Path=/files/x"


def test_a_cookies_path_loses_the_base_of_the_services_address():
    assert BASED.cookie(b"a=1; Path=/v2/x", b"/") == b"a=1; Path=/files/x"
    assert BASED.cookie(b"a=1; Path=/v2", b"/") == b"a=1; Path=/files"


def test_at_the_root_a_cookie_stays_as_it_is():
    sent = b"a=1; Domain=up.test; Path=/x"
    assert AT_ROOT.cookie(sent, b"") == sent


def test_the_cookies_of_a_request_are_told_apart_by_their_names():
    assert cookie_names(b' a=1 ;b="2"; c ;; =d;a=3') == [
        *((b"a", b"a=1"), (b"b", b'b="2"'), (b"c", b"c"), (b"", b"=d"), (b"a", b"a=3")),
    ]
    assert cookie_names(b"") == []


@pytest.mark.parametrize(
    ("sent", "name"), [(b"a=1; b=2", b"a"), (b" a = 1", b"a"), (b"a", b"a"), (b"; b=2", b""), (b"=x", b"")]
)
def test_the_name_of_a_cookie_that_is_set_is_found(sent, name):
    assert set_name(sent) == name


# --- addresses in bodies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "said", "leads"),
    [
        (MOUNTED, b"http://up:8080/a?b={0}", b"https://gate.test/files/a?b={0}"),
        (MOUNTED, b"HTTPS://Up.Test:443", b"https://gate.test/files"),
        (BASED, b"http://up:8080/v2/a", b"https://gate.test/files/a"),
        (MOUNTED, b"http://other:1/a", b"https://gate.test/files/a"),
        (MOUNTED, b"http://up:80801/a", None),
        (MOUNTED, b"http://up:8080.evil.test/a", None),
        (MOUNTED, b"http://me@up:8080/a", None),
        (MOUNTED, b"/a", None),
        (MOUNTED, b"//up:8080/a", None),
        (MOUNTED, b"see http://up:8080/a", None),
        (MOUNTED, b"http:", None),
        (MOUNTED, b"", None),
    ],
)
def test_only_absolute_urls_at_the_services_own_origins_are_addresses_that_lead_back(
    places, said, leads
) -> None:
    assert places.address(said, PUBLIC, frozenset((b"http://other:1",))) == leads
