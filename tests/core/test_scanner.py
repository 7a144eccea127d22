"""The strict scanner against Python's own `json`, which reads the same grammar."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core import scanner
from gateway.core.scanner import MalformedJson, NestedTooDeeply

SPACES = st.text(" \t\n\r", max_size=2)
NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?\Z")
ESCAPES = st.sampled_from(
    ['\\"', "\\\\", "\\/", "\\b", "\\n", "\\u0041", "\\ud800", "\\uDFFF", "\\ud83d\\ude00"]
)
PLAIN = st.text(
    st.characters(min_codepoint=32, exclude_characters='"\\', exclude_categories=["Cs"]), max_size=4
)
STRINGS = st.lists(ESCAPES | PLAIN | st.sampled_from(["[", "]{", "}", "[[[", " ", ",", ":"]), max_size=4).map(
    lambda parts: '"' + "".join(parts) + '"'
)
SCALARS = NUMBERS | STRINGS | st.sampled_from(["true", "false", "null", "NaN", "Infinity", "-Infinity"])


def _containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spaced = st.builds(lambda a, value, b: a + value + b, SPACES, values, SPACES)
    member = st.builds(lambda a, name, b, value: f"{a}{name}{b}:{value}", SPACES, STRINGS, SPACES, spaced)
    arrays = st.lists(spaced, max_size=5).map(lambda items: "[" + ",".join(items) + "]")
    objects = st.lists(member, max_size=5).map(lambda items: "{" + ",".join(items) + "}")
    deep = st.builds(lambda n, value: "[" * n + value + "]" * n, st.integers(1, 7), values)
    return arrays | objects | deep | st.just("[ ]") | st.just("{ }")


TEXTS = st.recursive(SCALARS, _containers, max_leaves=25)
OBJECTS = TEXTS.filter(lambda text: text.startswith("{"))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A JSON text with some bytes cut out, doubled or put in."""
    raw = draw(TEXTS).encode()
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 3)))
        pool = [
            b"",
            b'"',
            b"\\",
            b",",
            b"]",
            b"}",
            b"[",
            b"{",
            b":",
            b"0",
            b"-",
            b".",
            b"e",
            b"NaN",
            b"\x00",
            b"\x1f",
        ]
        put = draw(st.sampled_from([*pool, b"\xff", b"\xc3", b"\xed\xa0\x80", b" ", raw[start:end] * 2]))
        raw = raw[:start] + put + raw[end:]
    return raw


class _Pairs(list[Any]):
    """An object as Python's json read it: its members in order."""


def _python_reads(raw: bytes) -> bool:
    try:
        json.loads(raw.decode(), parse_int=str)
    except ValueError:
        return False
    return True


def _depth(value: object) -> int:
    if isinstance(value, _Pairs):
        value = [inner for _, inner in value]
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _accepts(raw: bytes, max_depth: int = scanner.ANY_DEPTH) -> bool:
    try:
        scanner.check(raw, max_depth)
    except MalformedJson:
        return False
    return True


@settings(max_examples=400)
@given(TEXTS)
def test_every_json_text_is_read(text: str) -> None:
    scanner.check(text.encode())


@settings(max_examples=1500)
@given(damaged() | st.binary(max_size=12))
@example(b"[1,]")
@example(b'{"a":1,}')
@example(b"[,1]")
@example(b"[01]")
@example(b"[1.]")
@example(b"[-]")
@example(b"[1 2]")
@example(b'["\\x"]')
@example(b'["\\u00zz"]')
@example(b'"\n"')
@example(b"[[[[[[1,]]]]]]")
@example(b'{"a":{"a":{"a":{"a":{"a":{"a":1,}}}}}}')
@example(b"[[[[[[1]]]]]}")
@example(b"{}{}")
@example(b"nul")
@example(b"--Infinity")
@example(b"")
def test_exactly_what_python_reads_is_read(raw: bytes) -> None:
    assert _accepts(raw) == _python_reads(raw)


@settings(max_examples=300)
@given(TEXTS, st.integers(0, 9))
def test_depth_is_counted_in_containers(text: str, limit: int) -> None:
    raw = text.encode()
    depth = _depth(json.loads(text, object_pairs_hook=_Pairs, parse_int=str))
    assert _accepts(raw, limit) == (depth <= limit)
    assert scanner.depth_within(raw, limit) == (depth <= limit)


def test_a_text_of_100000_brackets_is_refused_and_one_of_512_is_not() -> None:
    with pytest.raises(NestedTooDeeply):
        scanner.check(b"[" * 100_000, 512)
    with pytest.raises(NestedTooDeeply):
        scanner.check(b'{"a":' * 513 + b"1" + b"}" * 513, 512)
    scanner.check(b'{"a":' * 512 + b"1" + b"}" * 512, 512)
    scanner.check(b"[" * 100_000 + b"]" * 100_000)


def test_a_byte_order_mark_and_other_encodings_are_refused() -> None:
    for raw in (b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-16-le"), "{}".encode("utf-32")):
        with pytest.raises(MalformedJson):
            scanner.check(raw)


def test_an_error_says_where_and_quotes_nothing() -> None:
    with pytest.raises(MalformedJson, match=r"^not JSON at byte 9$"):
        scanner.check(b'{"a": 1, secret}')
    with pytest.raises(MalformedJson, match=r"^ends too early$"):
        scanner.check(b'{"a": ')


@settings(max_examples=400)
@given(OBJECTS)
def test_members_are_the_exact_spans_of_an_object(text: str) -> None:
    raw = b" " + text.encode() + b"\n"
    found = [
        (scanner.decoded(name), json.loads(raw[start:end].decode(), parse_int=str, parse_float=str))
        for name, start, end in scanner.members(raw)
    ]
    pairs = json.loads(text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
    expected = [(name, _plain(value)) for name, value in pairs]
    assert repr(found) == repr(expected)
    assert all(raw[start:end].strip() == raw[start:end] for _, start, end in scanner.members(raw))


def _plain(value: object) -> object:
    """What json makes without a hook of what it made with `_Pairs`."""
    if isinstance(value, _Pairs):
        return {name: _plain(inner) for name, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=200)
@given(st.lists(TEXTS, max_size=6))
def test_items_are_the_exact_spans_of_an_array(texts: list[str]) -> None:
    raw = ("[ " + " , ".join(texts) + " ]").encode()
    assert [raw[start:end].decode() for start, end in scanner.items(raw)] == [text.strip() for text in texts]


@pytest.mark.parametrize(
    "raw", [b'{"a":1}x', b'{"a":1,}', b'{"a" 1}', b"{,}", b'{"a":1', b"[]", b"", b"{1:2}"]
)
def test_members_of_what_is_no_object_raise(raw: bytes) -> None:
    with pytest.raises(MalformedJson):
        list(scanner.members(raw))


@pytest.mark.parametrize("raw", [b"[1]x", b"[1,]", b"[1 1]", b"[,]", b"[1", b"{}", b""])
def test_items_of_what_is_no_array_raise(raw: bytes) -> None:
    with pytest.raises(MalformedJson):
        list(scanner.items(raw))


@settings(max_examples=400)
@given(TEXTS)
def test_canonical_spaces_takes_only_whitespace_outside_strings(text: str) -> None:
    strings = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
    outside = strings.split(text)
    inside = strings.findall(text)
    expected = "".join(
        re.sub(r"[ \t\n\r]", "", part) + string for part, string in zip(outside, [*inside, ""], strict=True)
    )
    assert scanner.canonical_spaces(text.encode()) == expected.encode()


def test_sorted_members_orders_by_decoded_name_and_keeps_every_value() -> None:
    raw = b' { "b" : 1.0 , "\\u0061" : [ 1e2 , "x y" ] , "B" : { "z": 1, "a": 2 } } '
    assert scanner.sorted_members(raw) == b'{"B":{"z":1,"a":2},"\\u0061":[1e2,"x y"],"b":1.0}'
    assert scanner.sorted_members(b"{ }") == b"{}"


def test_sorted_members_gives_nothing_for_duplicates_and_for_what_is_no_object() -> None:
    assert scanner.sorted_members(b'{"a":1,"\\u0061":2}') is None
    assert scanner.sorted_members(b"[1]") is None


@settings(max_examples=200)
@given(st.dictionaries(st.text(max_size=3), st.integers()), st.randoms())
def test_sorted_members_is_the_same_for_every_order(members: dict[str, int], chance: Any) -> None:
    pairs = list(members.items())
    chance.shuffle(pairs)
    assert scanner.sorted_members(json.dumps(dict(pairs)).encode()) == scanner.sorted_members(
        json.dumps(members, indent=1).encode()
    )


def test_member_finds_the_raw_span_and_nothing_ambiguous() -> None:
    raw = b'{"a" : [1, 2] , "\\u0062":"x","c":1,"c":1}'
    assert scanner.member(raw, "a") == b"[1, 2]"
    assert scanner.member(raw, "b") == b'"x"'
    assert scanner.member(raw, "c") is None
    assert scanner.member(raw, "d") is None
    assert scanner.member(b"[1]", "a") is None
