"""Does a request's head say what was given, and nothing else?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.upstream_pool import Origin
from gateway.wire.upstream_request import field_lines, request_head


def test_a_head_is_the_line_the_host_the_fields_as_given_and_the_length() -> None:
    fields = ((b"b", b"1"), (b"A", b" \xff"), (b"b", b""))
    assert request_head("QUERY", "/a%2Fb?c", b"h:1", fields, more=b"X: y\r\n", length=3) == (
        b"QUERY /a%2Fb?c HTTP/1.1\r\nHost: h:1\r\nb: 1\r\nA:  \xff\r\nb: \r\nX: y\r\nContent-Length: 3\r\n\r\n"
    )
    assert request_head("GET", "/", b"h", ()) == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@given(name=st.binary(min_size=1, max_size=8), value=st.binary(max_size=8))
def test_a_field_is_one_line_or_refused(name: bytes, value: bytes) -> None:
    try:
        lines = field_lines([(name, value)])
    except ValueError:
        assert set(name + value) & set(b"\r\n\0")
    else:
        assert lines == name + b": " + value + b"\r\n"
        assert not set(name + value) & set(b"\r\n\0")


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/a\n", "", "/\x7f", "/\x00"])
def test_a_target_that_ends_the_line_too_early_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="request line"):
        request_head("GET", target, b"h", ())


@pytest.mark.parametrize("verb", ["", "G ET", "GET\r\n", "GET:"])
def test_a_verb_that_is_no_token_is_refused(verb: str) -> None:
    with pytest.raises(ValueError, match="request line"):
        request_head(verb, "/", b"h", ())


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("http://lab", Origin("http", "lab", 80), b"lab"),
        ("https://lab:443/", Origin("https", "lab", 443), b"lab"),
        ("http://lab:443/a/", Origin("http", "lab", 443, "/a"), b"lab:443"),
        ("http://[::1]:8000", Origin("http", "::1", 8000), b"[::1]:8000"),
        ("http://u:p%20w@lab", Origin("http", "lab", 80, "", "u:p w"), b"lab"),
        ("http://u@lab", Origin("http", "lab", 80, "", "u:"), b"lab"),
    ],
)
def test_a_url_is_taken_apart_and_its_host_put_together(url: str, origin: Origin, host: bytes) -> None:
    assert Origin.parse(url) == origin
    assert origin.host_field == host


@pytest.mark.parametrize("url", ["ftp://hush", "http://", "lab:80", "http://hush:99999", "http://[hush"])
def test_a_url_that_leads_nowhere_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="an upstream's URL") as problem:
        Origin.parse(url)
    assert "hush" not in str(problem.value)
