"""Laws of heads as they are sent: the bytes given, and never a line more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.refusal import Refusal
from gateway.wire.shared import DateLine
from gateway.wire.written import written_head, written_refusal

DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
FRAMING = b"Content-Length: 5\r\n"


def said(fields: tuple[tuple[bytes, bytes], ...], reason: bytes | None = None, status: int = 200) -> bytes:
    return written_head(status, reason, fields, date=DATE, framing=FRAMING, connection=b"")


@given(st.lists(st.tuples(st.binary(), st.binary())), st.none() | st.binary())
def test_any_fields_are_sent_byte_for_byte_or_refused(
    fields: list[tuple[bytes, bytes]], reason: bytes | None
) -> None:
    spoiled = any(set(part) & set(b"\r\n\0") for part in (reason or b"", *(p for f in fields for p in f)))
    own = {name.lower().partition(b":")[0] for name, _ in fields} & {
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"date",
    }
    if spoiled:
        with pytest.raises(ValueError, match="holds CR, LF or NUL"):
            said(tuple(fields), reason)
    elif not own:
        first = b"HTTP/1.1 200 " + (b"OK" if reason is None else reason)
        lines = [first, *(name + b": " + value for name, value in fields)]
        assert said(tuple(fields), reason) == b"\r\n".join(lines) + b"\r\n" + DATE + FRAMING + b"\r\n"


@pytest.mark.parametrize("name", [b"Transfer-Encoding", b"connection", b"CONTENT-LENGTH"])
def test_no_field_says_where_the_message_ends(name: bytes) -> None:
    with pytest.raises(ValueError, match="written by the connection") as caught:
        said(((name, b"secret"),))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("status", "phrase"), [(200, b"OK"), (404, b"Not Found"), (599, b"")])
def test_the_usual_phrase_is_that_of_the_status(status: int, phrase: bytes) -> None:
    assert said((), status=status).startswith(b"HTTP/1.1 %d %b\r\n" % (status, phrase))


@pytest.mark.parametrize("refusal", Refusal)
def test_a_refusal_is_a_whole_answer_that_closes(refusal: Refusal) -> None:
    head, _, body = written_refusal(refusal, DATE).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.1 %d " % refusal.status)
    assert b"Content-Length: %d" % len(body) in lines
    assert b"Connection: close" in lines
    assert (b"Retry-After: 1" in lines) == (refusal.status == 503)


def test_the_date_is_the_clocks_and_written_once_a_second() -> None:
    times = iter([784111777.0, 784111777.9, 784111778.0])
    line = DateLine(lambda: next(times))
    first, same, later = line(), line(), line()
    assert first == DATE
    assert same is first
    assert later == b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
