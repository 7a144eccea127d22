"""The head lane: what it remembers is bounded, and it takes no line that the parser would not take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.certificates import PeerCertificate
from gateway.wire.head import Head, examine, fields_of, usual_line
from gateway.wire.lane import LONGEST, MOST, Lane, Seen
from gateway.wire.lanes import LANES, Lanes
from gateway.wire.limits import Limits

LINES = b" HTTP/1.1\r\nHost: h\r\n\r\n"


def seen() -> Seen:
    return Seen(Head(0, 1), Head(0, 1, bodiless=True), ((b"Host", b"h"),))


# --- what is remembered --------------------------------------------------------------------------------------


def test_lines_that_came_before_are_known_by_their_exact_bytes():
    lane, one, other = Lane(), seen(), seen()
    lane.put(LINES, one)
    lane.put(LINES.lower(), other)
    assert lane.get(LINES) is one
    assert lane.get(LINES.lower()) is other
    assert lane.get(LINES.upper()) is None
    assert lane.get(LINES[:-1]) is None


@pytest.mark.parametrize(("size", "count"), [(LONGEST, 1), (LONGEST + 1, 0)])
def test_lines_that_are_too_long_are_not_remembered(size, count):
    lane = Lane()
    lane.put(b"x" * size, seen())
    assert len(lane) == count


@pytest.mark.parametrize("size", [10, LONGEST])
def test_what_is_remembered_is_bounded_and_the_last_is_among_it(size):
    lane, one = Lane(), seen()
    most = 0
    for number in range(2 * MOST // (1 << 10)):
        lines = b"%0*d" % (size, number)
        lane.put(lines, one)
        most = max(most, len(lane))
        assert lane.get(lines) is one
    assert most * size <= MOST
    assert most < 10_000
    assert len(lane) < 10_000


def test_a_lane_that_was_cleared_remembers_nothing_and_has_all_its_room_again():
    lane, one = Lane(), seen()
    room = MOST // (LONGEST + (16 << 10))
    for _ in range(3):
        for number in range(room):
            lane.put(b"%0*d" % (LONGEST, number), one)
        assert len(lane) == room
        lane.clear()
        assert len(lane) == 0
        assert lane.get(b"%0*d" % (LONGEST, 0)) is None


def test_a_lane_that_is_off_remembers_nothing_new():
    lane = Lane()
    lane.on = False
    lane.put(LINES, seen())
    assert lane.get(LINES) is None
    lane.on = True
    lane.put(LINES, seen())
    assert lane.get(LINES) is not None


def test_nothing_of_a_lane_is_shown():
    lane = Lane()
    lane.put(b" HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer secret\r\n\r\n", seen())
    assert "secret" not in f"{lane!r} {lane}"


# --- which request lines it takes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"GET /", (b"GET", b"/")),
        (b"PROPFIND /a?b=%zz#\xe9", (b"PROPFIND", b"/a?b=%zz#\xe9")),
        (b"connect /", None),
        (b"CONNECT /", None),
        (b"CONNECT h:80", None),
        (b"OPTIONS *", None),
        (b"GET http://h/", None),
        (b"GET  /", None),
        (b"GET / ", None),
        (b"GET /a b", None),
        (b"GET\t/", None),
        (b" GET /", None),
        (b"GET", None),
        (b"", None),
        (b"G(T /", None),
        (b"GET /\x7f", None),
        (b"GET /\0", None),
        (b"GET /\r\nA: b", None),
    ],
)
def test_only_a_verb_and_a_path_are_a_usual_line(line, parts):
    assert usual_line(line) == parts


@given(
    st.one_of(
        st.binary(max_size=12),
        st.tuples(
            st.sampled_from([b"GET", b"CONNECT", b"P\xe9", b"A-B", b"a-b", b""]),
            st.sampled_from([b" ", b"  ", b"\t", b"\r\n"]),
            st.sampled_from([b"/", b"*", b"http://h/", b"x"]),
            st.binary(max_size=6),
        ).map(b"".join),
    )
)
def test_what_the_lane_takes_the_parser_takes_and_reads_alike(line):
    head = line + LINES
    usual = usual_line(line)
    examined = examine(head, Limits())
    if usual is not None:
        assert b"%b %b" % usual == line
        assert isinstance(examined, Head)
        assert examined == Head(0, 1, bodiless=usual[0] == b"HEAD")
        assert fields_of(head) == ((b"Host", b"h"),)
    elif isinstance(examined, Head):
        assert not line.partition(b" ")[2].startswith(b"/")


def certificate(number: int) -> PeerCertificate:
    return PeerCertificate(str(number), (), 0.0)


def test_each_certificate_has_a_lane_of_its_own_as_long_as_one_of_its_connections() -> None:
    shared = Lane()
    lanes = Lanes(shared)
    assert lanes.of(None) is shared
    one, other = lanes.of(certificate(1)), lanes.of(certificate(2))
    assert len({id(lane) for lane in (shared, one, other)}) == 3
    assert lanes.of(certificate(1)) is one
    one.put(b"lines", seen())
    assert other.get(b"lines") is shared.get(b"lines") is None
    del one
    assert lanes.of(certificate(1)).get(b"lines") is None


def test_the_lanes_of_all_certificates_take_no_more_room_than_one() -> None:
    lanes = Lanes(Lane())
    held = [lanes.of(certificate(number)) for number in range(LANES + 3)]
    assert [lane.on for lane in held] == [True] * LANES + [False] * 3
    for lane in held:
        for number in range(200):
            lane.put(b"%d" % number, seen())
    assert sum(len(lane) for lane in held) * 16384 <= MOST
    lanes.switch(False)
    lanes.clear()
    assert sum(len(lane) for lane in held) == 0
    assert not any(lane.on for lane in held)
