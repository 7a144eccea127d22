"""What of a stored reply a request gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.serving import served
from gateway.core.verdict import HttpHead

NOW = 1_700_000_000.0
HEAD = HttpHead(
    200, b"Fine", ((b"Date", b"x"), (b"ETag", b'"a"'), (b"Content-Type", b"text/x"), (b"Vary", b"X"))
)


def got(*fields, verb="GET", head=HEAD, length=10):
    return served(head, length, verb, fields, NOW)


def test_without_a_word_it_is_the_whole():
    made = got()
    assert (made.status, made.reason, made.fields, made.start, made.stop) == (
        200,
        b"Fine",
        HEAD.fields,
        0,
        10,
    )


def test_unchanged_is_said_in_the_fields_that_tell_it():
    made = got((b"If-None-Match", b'"a"'), (b"Range", b"bytes=0-1"))
    assert (made.status, made.start, made.stop) == (304, 0, 0)
    assert [name for name, _ in made.fields] == [b"Date", b"ETag", b"Vary"]


@pytest.mark.parametrize("verb", ["HEAD", "QUERY"])
def test_only_get_has_parts(verb):
    assert got((b"Range", b"bytes=0-1"), verb=verb).status == 200


def test_a_416_says_how_long_the_whole_is_and_nothing_of_it():
    made = got((b"Range", b"bytes=10-"))
    assert (made.status, made.start, made.stop) == (416, 0, 0)
    assert made.fields == ((b"Date", b"x"), (b"Vary", b"X"), (b"Content-Range", b"bytes */10"))


@pytest.mark.parametrize("name", [b"Cache-Control", b"CDN-Cache-Control", b"Expires"])
def test_no_other_cache_may_take_a_416_for_the_answer_to_whoever_wants_the_whole(name):
    head = HttpHead(200, b"Fine", (*HEAD.fields, (name, b"public, max-age=60")))
    made = got((b"Range", b"bytes=10-"), head=head)
    assert (made.status, [field for field in made.fields if field[0] == name]) == (416, [])


lines = st.lists(
    st.tuples(
        st.sampled_from([b"range", b"if-range", b"if-none-match", b"if-modified-since"]),
        st.sampled_from(
            [
                b"bytes=0-3",
                b"bytes=20-",
                b"bytes=-0",
                b'"a"',
                b'"b"',
                b"*",
                b"x",
                b"Thu, 01 Jan 2099 00:00:00 GMT",
            ]
        ),
    ),
    max_size=4,
).map(tuple)


@given(lines, st.sampled_from(["GET", "HEAD", "QUERY"]), st.sampled_from([200, 204, 404]), st.integers(0, 12))
def test_whatever_is_asked_the_bytes_are_some_of_those_stored_and_the_head_says_which(
    asked, verb, status, length
):
    made = served(HttpHead(status, b"", HEAD.fields), length, verb, asked, NOW)
    assert 0 <= made.start <= made.stop <= length
    said = dict(made.fields).get(b"Content-Range")
    if made.status == 206:
        assert said == b"bytes %d-%d/%d" % (made.start, made.stop - 1, length)
    elif made.status == 416:
        assert said == b"bytes */%d" % length
    else:
        assert said is None
        assert made.status in (304, status)
        assert (made.start, made.stop) == ((0, 0) if made.status == 304 else (0, length))
