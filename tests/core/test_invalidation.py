"""Which addresses an unsafe request ends beside its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.invalidation import led_to, uri_name
from gateway.core.places import Places

PLACES = Places(frozenset((b"http://10.0.0.5:8080", b"http://twin")), b"/base", b"/up")


def named(value, name=b"Location", target=b"/a/b?q=1"):
    return led_to("up", PLACES, target, ((name, value),))


@pytest.mark.parametrize(
    ("value", "path", "query"),
    [
        (b"/base/x", (b"x",), b""),
        (b"/base/x?y=1", (b"x",), b"?y=1"),
        (b"http://10.0.0.5:8080/base/x", (b"x",), b""),
        (b"HTTP://TWIN:80/base/x", (b"x",), b""),
        (b"//twin/base/x", (b"x",), b""),
        (b"c", (b"a", b"c"), b""),
        (b"../c", (b"c",), b""),
        (b"?z", (b"a", b"b"), b"?z"),
        (b"/base/%78", (b"x",), b""),
        (b"/base", (b"",), b""),
        (b"/base/x#y", (b"x",), b""),
    ],
)
@pytest.mark.parametrize("name", [b"Location", b"content-location"])
def test_what_is_the_services_own_is_named(value, path, query, name):
    assert named(value, name) == (uri_name("up", path, query),)


@pytest.mark.parametrize(
    "value",
    [
        b"http://other/base/x",
        b"https://twin/base/x",
        b"/elsewhere",
        b"/basement",
        b"http://[",
        b"mailto:a@b",
        b"http://twin:99/base/x",
        b"/base/a%5Cb",
    ],
)
def test_what_is_elsewhere_is_nobodys(value):
    assert named(value) == ()


@given(st.binary(max_size=30))
def test_whatever_it_says_nothing_breaks(value):
    assert all(name.startswith("uri:up:") for name in named(value))


def test_paths_that_mean_the_same_end_together_and_others_do_not():
    assert uri_name("a", (b"x", b"y"), b"") != uri_name("a", (b"x",), b"?y")
    assert uri_name("a", (b"x",), b"") != uri_name("b", (b"x",), b"")
