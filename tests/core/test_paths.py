"""Paths: split on raw slashes, each step decoded once, nothing let through that two servers could read differently."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.faults import BadRequest
from gateway.core.paths import Located, located, path_glob, rest_of, steps, text_of

PLAIN = b"abcXYZ019._~-!$&'()*+,=:@"
UNFIT = [*range(0x20), 0x7F, ord("\\")]

COUNTS = st.integers(0, 3)


def spelled(draw: st.DrawFn, text: bytes) -> bytes:
    """The text with some of its bytes as escapes, in either case of their digits."""
    ways = ((b"%c", b"%%%02x", b"%%%02X") if byte in PLAIN else (b"%%%02x", b"%%%02X") for byte in text)
    return b"".join(draw(st.sampled_from(way)) % byte for way, byte in zip(ways, text, strict=True))


@st.composite
def written_steps(draw: st.DrawFn, least: int = 0) -> tuple[list[bytes], list[bytes]]:
    """Some steps, and how they may be written."""
    fit = st.binary(min_size=1, max_size=6).filter(
        lambda step: not set(step) & {*UNFIT, ord("/")} and step.partition(b";")[0] not in (b".", b"..")
    )
    meant = draw(st.lists(fit, min_size=least, max_size=5))
    return meant, [spelled(draw, step) for step in meant]


@st.composite
def dots(draw: st.DrawFn) -> bytes:
    """A dot step, however it is spelled."""
    step = spelled(draw, draw(st.sampled_from([b".", b".."])))
    mark = draw(st.sampled_from([b"", b";", b"%3b", b"%3B"]))
    return step + (mark + draw(st.sampled_from([b"", b"a=b", b".."])) if mark else b"")


# --- what may not pass ---------------------------------------------------------------------------------------


@given(dot=dots(), around=written_steps(), at=COUNTS, encoded_slash=st.booleans(), last=st.booleans())
def test_a_dot_step_is_refused_however_it_is_spelled_and_wherever_it_stands(
    dot, around, at, encoded_slash, last
):
    _, written = around
    written.insert(len(written) if last else at, dot)
    with pytest.raises(BadRequest):
        steps(b"/" + b"/".join(written), encoded_slash=encoded_slash)


@given(dot=dots(), before=st.sampled_from([b"", b"a", b"%61"]), after=st.sampled_from([b"", b"b"]))
def test_a_dot_step_between_encoded_slashes_is_refused_where_these_may_pass(dot, before, after):
    with pytest.raises(BadRequest):
        steps(b"/x/%b%%2F%b%%2f%b" % (before, dot, after), encoded_slash=True)


@pytest.mark.parametrize("byte", UNFIT)
@pytest.mark.parametrize("form", [b"/a%cb", b"/%c", b"/%c/c"])
def test_a_control_or_a_backslash_is_refused_raw_and_encoded(byte, form):
    for escape in (b"%%%02x" % byte, b"%%%02X" % byte):
        with pytest.raises(BadRequest):
            steps(form.replace(b"%c", escape))
    with pytest.raises(BadRequest):
        steps(form % byte)


@pytest.mark.parametrize("path", [b"/%", b"/a%/b", b"/%4", b"/%4/1", b"/%zz", b"/%u0041", b"/%%41", b"/%+4"])
def test_a_broken_escape_is_refused(path):
    with pytest.raises(BadRequest):
        steps(path)


def test_a_bare_hash_is_refused_and_an_encoded_one_is_a_character():
    with pytest.raises(BadRequest):
        steps(b"/a#b")
    assert steps(b"/a%23b") == (b"a#b",)


@pytest.mark.parametrize("path", [b"/a%2Fb", b"/a/%2f", b"/%2F"])
def test_an_encoded_slash_is_refused_and_part_of_its_step_where_a_service_lets_it_through(path):
    with pytest.raises(BadRequest):
        steps(path)
    assert len(steps(path, encoded_slash=True)) == path.count(b"/")
    assert steps(b"/a%2Fb/c", encoded_slash=True) == (b"a/b", b"c")


@given(st.binary(max_size=12))
def test_any_bytes_are_read_or_refused(path):
    try:
        found = steps(b"/" + path)
    except BadRequest:
        return
    assert found
    assert b"" not in found[:-1]
    assert not any(step.partition(b";")[0] in (b".", b"..") or set(step) & set(UNFIT) for step in found)


# --- what is read --------------------------------------------------------------------------------------------


@given(written_steps(least=1), st.booleans())
@example(([b"%2e%2e"], [b"%252e%252e"]), False)
@example(([b"...", b"a..", b".a"], [b"...", b"a..", b".a"]), False)
def test_each_step_is_decoded_once(both, slash):
    meant, written = both
    path = b"/" + b"/".join(written) + (b"/" if slash else b"")
    assert steps(path) == (*meant, b"") if slash else (*meant,)


@given(written_steps(least=1), st.lists(st.integers(1, 3), min_size=6, max_size=6), st.booleans())
def test_empty_steps_are_merged_but_for_the_one_at_the_end(both, slashes, ends):
    meant, written = both
    path = b"".join(b"/" * count + step for count, step in zip(slashes, written, strict=False))
    path += b"/" * slashes[-1] if ends else b""
    assert steps(path) == (*meant, b"") if ends else (*meant,)


@pytest.mark.parametrize("path", [b"/", b"//", b"///"])
def test_the_root_is_one_empty_step(path):
    assert steps(path) == (b"",)


@given(written_steps(), st.lists(st.integers(1, 3), min_size=6, max_size=6), st.booleans(), st.integers(0, 5))
def test_what_follows_some_steps_is_the_callers_bytes(both, slashes, ends, count):
    _, written = both
    pieces = [b"/" * number + step for number, step in zip(slashes, written, strict=False)]
    end = b"/" * slashes[-1] if ends or not pieces else b""
    count = min(count, len(pieces))
    rest = b"".join(pieces[count:]) + end
    assert rest_of(b"".join(pieces) + end, count) == rest
    assert not rest or steps(rest) == steps(b"".join(pieces) + end)[count:]


def test_steps_are_shown_to_people_whatever_bytes_they_hold():
    assert text_of((b"a", "é".encode(), b"\xff", b"")) == "/a/é/\ufffd/"


# --- targets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a//b?", b"/a//b", b"?"),
        (b"/a?b/../c?d", b"/a", b"?b/../c?d"),
        (b"/?%zz#", b"/", b"?%zz#"),
        (b"http://h", b"/", b""),
        (b"http://h:80/", b"/", b""),
        (b"HTTPS://h/a%20b?c", b"/a%20b", b"?c"),
        (b"http://h?a/b", b"/", b"?a/b"),
        (b"http://h/a?http://other/x", b"/a", b"?http://other/x"),
        (b"http://h//a/", b"//a/", b""),
        (b"http://h?", b"/", b"?"),
    ],
)
def test_a_target_has_a_path_and_a_query_as_they_were_sent_in_origin_and_absolute_form(target, path, query):
    assert located(target) == Located(path, steps(path), query)


@pytest.mark.parametrize("target", [b"*", b"/a/../b", b"http://h/..", b"http://h/%2e%2E?x", b"/a%2Fb?x"])
def test_a_target_whose_path_could_be_read_in_two_ways_is_refused(target):
    with pytest.raises(BadRequest):
        located(target)


def test_only_a_service_that_says_so_gets_encoded_slashes():
    assert located(b"/a%2Fb?c", encoded_slash=True) == Located(b"/a%2Fb", (b"a/b",), b"?c")


# --- globs ---------------------------------------------------------------------------------------------------


def meant(glob: list[str], path: list[bytes]) -> bool:
    """The meaning of a path glob, slowly."""
    if not glob:
        return not path
    if glob[0] == "**":
        return any(meant(glob[1:], path[at:]) for at in range(len(path) + 1))
    return bool(path) and meant_step(glob[0].encode(), path[0]) and meant(glob[1:], path[1:])


def meant_step(glob: bytes, step: bytes) -> bool:
    """The meaning of a glob within a step, slowly."""
    if not glob:
        return not step
    if glob[:1] == b"*":
        return any(meant_step(glob[1:], step[at:]) for at in range(len(step) + 1))
    return step[:1] == glob[:1] and meant_step(glob[1:], step[1:])


GLOB_STEP = st.one_of(st.just("**"), st.text("ab*", min_size=1, max_size=4))


@given(
    st.lists(GLOB_STEP, max_size=5),
    st.sampled_from(["", "*", "**", "a"]),
    st.lists(st.text("ab", min_size=1, max_size=4).map(str.encode), max_size=6),
    st.sampled_from([b"", b"a"]),
)
def test_globs_mean_what_they_say(inner, last_of_glob, before, last):
    glob = [*inner, last_of_glob]
    path = [*before, last]
    assert path_glob("/" + "/".join(glob)).matches("GET", tuple(path)) is meant(glob, path)


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("/**", [b"/", b"/a", b"/a/b/"], []),
        ("/files/**", [b"/files", b"/files/", b"/files/a/b", b"//files//a"], [b"/", b"/file", b"/x/files"]),
        ("/files/*", [b"/files/a", b"/files/", b"//files//a"], [b"/files", b"/files/a/b", b"/files/a/"]),
        ("/**/info", [b"/info", b"/a/b/info"], [b"/info/", b"/a/info/b"]),
        ("/a.b", [b"/a.b", b"/a%2Eb", b"/%61.b"], [b"/aXb", b"/A.b"]),
        ("/my files/*.png", [b"/my%20files/x.png"], [b"/my%20files/x.jpg", b"/my/x.png"]),
        ("/é", [b"/%C3%A9", "/é".encode()], [b"/e"]),
        ("//a//b", [b"/a/b", b"//a/b"], [b"/a"]),
        ("/", [b"/", b"//"], [b"/a"]),
    ],
)
def test_a_glob_is_compared_with_the_decoded_steps(glob, matching, others):
    assert [path for path in matching if not path_glob(glob).matches("PUT", steps(path))] == []
    assert [path for path in others if path_glob(glob).matches("PUT", steps(path))] == []


@pytest.mark.parametrize(
    ("glob", "verbs", "others"),
    [
        ("/a", ["GET", "HEAD", "POST", "PROPFIND"], []),
        ("GET /a", ["GET", "HEAD"], ["POST", "OPTIONS", "get"]),
        ("HEAD /a", ["HEAD"], ["GET"]),
        ("POST /a", ["POST"], ["GET", "HEAD", "PUT"]),
    ],
)
def test_a_glob_means_its_verb_and_get_means_head_and_none_means_all(glob, verbs, others):
    assert [verb for verb in verbs if not path_glob(glob).matches(verb, (b"a",))] == []
    assert [verb for verb in others if path_glob(glob).matches(verb, (b"a",))] == []


def test_many_stars_take_no_more_time_than_steps_and_characters():
    deep = path_glob("/" + "**/*a*/" * 60 + "c")
    assert not deep.matches("GET", (b"aba",) * 1000)
    assert deep.matches("GET", (*(b"aba",) * 1000, b"c"))
    wide = path_glob("/" + "*a" * 60 + "*c")
    assert not wide.matches("GET", (b"a" * 8000,))
    assert wide.matches("GET", (b"a" * 8000 + b"c",))
