"""Heads of answers: their lines and their fields say the same, and lines pass only where fields would pass alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.heads import AnswerHead
from gateway.core.passing import of_reply
from gateway.core.reply import Fields

SPECIAL = [
    *(
        b"Connection",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Upgrade",
        b"Date",
        b"X-Request-Id",
        b"Location",
    ),
    *(
        b"Set-Cookie",
        b"Proxy-Connection",
        b"Keep-Alive",
        b"Strict-Transport-Security",
        b"Access-Control-Max-Age",
    ),
]
NAMES = st.one_of(
    st.tuples(st.sampled_from(SPECIAL), st.sampled_from([bytes, bytes.lower, bytes.upper])).map(
        lambda pair: pair[1](pair[0])
    ),
    st.text("aX-.!", min_size=1, max_size=5).map(str.encode),
)
VALUES = st.one_of(
    st.sampled_from(
        [b"", b"keep-alive", b"close", b"Close", b"keep-alive, x", b"3", b"a: b", b"date:", b"\xff\tb"]
    ),
    st.text(": ax", max_size=5).map(lambda text: text.strip().encode()),
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=6).map(tuple)
GAPS = st.lists(st.sampled_from([b"", b" ", b"\t ", b"  "]), min_size=6, max_size=6)


def lines_of(fields: Fields, gaps: list[bytes]) -> bytes:
    return b"".join(
        b"%b:%b%b\r\n" % (name, gap, value) for (name, value), gap in zip(fields, gaps, strict=False)
    )


def of_lines(fields: Fields, gaps: list[bytes]) -> AnswerHead:
    return AnswerHead(200, b"OK", None, lines_of(fields, gaps))


def unmoved(name: bytes, value: bytes) -> bytes:
    raise AssertionError("a field that leads somewhere has to be looked at")


@given(FIELDS, GAPS)
def test_the_fields_of_lines_are_as_they_were_sent_but_for_the_spaces_before_their_values(fields, gaps):
    head = of_lines(fields, gaps)
    assert head.fields == fields
    assert head.lines == lines_of(fields, gaps)
    assert AnswerHead(200, b"OK", fields).fields == fields


@given(FIELDS, GAPS)
def test_lines_and_fields_have_the_same_traits(fields, gaps):
    assert of_lines(fields, gaps).traits == AnswerHead(200, b"OK", fields).traits


@given(FIELDS, GAPS)
def test_lines_pass_as_they_are_only_where_the_fields_pass_so(fields, gaps):
    head = of_lines(fields, gaps)
    passing = head.passing_lines()
    if passing is None:
        touched = {name.lower() for name, _ in fields} & {name.lower() for name in SPECIAL}
        assert touched - {b"content-length", b"date", b"x-request-id"}
        return
    assert list(AnswerHead(200, b"OK", None, passing).fields) == of_reply(fields, unmoved)
    assert passing in {
        lines_of(fields, gaps),
        b"".join(
            line
            for line in lines_of(fields, gaps).splitlines(keepends=True)
            if not line.lower().startswith(b"connection:")
        ),
    }


def test_fields_without_their_lines_have_no_lines_that_pass():
    assert AnswerHead(200, b"OK", ((b"A", b"b"),)).passing_lines() is None


@pytest.mark.parametrize(
    ("lines", "passing"),
    [
        (b"A: b\r\n", b"A: b\r\n"),
        (b"A: b\r\nConnection: keep-alive\r\nC:d\r\n", b"A: b\r\nC:d\r\n"),
        (b"CONNECTION:close\r\nA: b\r\n", b"A: b\r\n"),
        (b"A: connection:\r\n", b"A: connection:\r\n"),
        (b"A: b\r\nConnection: a\r\n", None),
        (b"Connection: close\r\nConnection: close\r\n", None),
        (b"Location: /\r\n", None),
        (b"keep-alive: timeout=5\r\n", None),
    ],
)
def test_lines_pass_without_connection_where_nothing_else_ends_here(lines, passing):
    assert AnswerHead(200, b"OK", None, lines).passing_lines() == passing


@pytest.mark.parametrize(
    ("lines", "framed"),
    [
        (b"Content-Length: 3\r\n", True),
        (b"content-LENGTH:3\r\nConnection: close\r\n", True),
        (b"A: b\r\n", False),
        (b"Content-Length: 3\r\nContent-Length: 3\r\n", False),
        (b"Content-Length: 3\r\nContent-Length: +3\r\n", False),
        (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", False),
        (b"Content-Length: 3\r\nUpgrade: h2c\r\n", False),
        (b"Content-Length: 3\r\nConnection: keep-alive\r\nConnection: close\r\n", False),
        (b"Content-Length: 3\r\nProxy-Connection: close\r\n", False),
        (b"X-Content-Length: 3\r\n", False),
    ],
)
def test_a_head_is_framed_by_one_length_and_nothing_that_leaves_a_doubt(lines, framed):
    assert AnswerHead(200, b"OK", None, lines).traits.is_framed is framed


@pytest.mark.parametrize(
    ("lines", "stays"),
    [
        (b"A: b\r\n", True),
        (b"Connection: keep-alive\r\n", True),
        (b"connection:Keep-Alive\r\n", True),
        (b"Connection: close\r\n", False),
        (b"Connection: keep-alive, close\r\n", False),
        (b"Connection: x\r\n", False),
        (b"Connection:\r\n", False),
        (b"A: connection: close\r\n", True),
    ],
)
def test_a_connection_stays_unless_there_is_any_doubt(lines, stays):
    assert AnswerHead(200, b"OK", None, lines).stays() is stays


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (b"Date: x\r\nCache-Control: max-age=60, no-store\r\n", "no-store"),
        (b"Date: x\r\nCache-Control: private\r\n", "private"),
        (b"Date: x\r\nCache-Control: no-store, must-understand\r\n", ""),
        (b"Date: x\r\nCache-Control: max-age=60\r\n", ""),
        (b"Date: x\r\nCache-Control: no-store\r\nCDN-Cache-Control: max-age=60\r\n", ""),
        (b"Date: x\r\nExpires: 0\r\n", ""),
        (b"Date: x\r\n", ""),
        (b"Date: x\r\nCache-Control: no-store\r\nSet-Cookie: a=1\r\n", ""),
    ],
)
def test_what_an_answer_forbids_is_told_where_that_is_all_there_is_to_it(lines, why):
    assert AnswerHead(200, b"OK", None, lines).forbids() == why
    assert AnswerHead(206, b"OK", None, lines).forbids() == ""
