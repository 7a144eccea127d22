"""Is this text JSON, and where do its parts begin and end?

The grammar is RFC 8259 with what Python's own `json` adds to it: the literals `NaN`, `Infinity` and
`-Infinity`; escapes of lone surrogates are part of RFC 8259 already. Nothing here recurses and nothing is
decoded but member names: compiled expressions take whole shallow values at a time, a loop takes the rest.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

ANY_DEPTH: Final = sys.maxsize
"""A `max_depth` that refuses nothing."""


class MalformedJson(ValueError):  # noqa: N818 - names the situation, as everywhere in core
    """The text is no JSON; the message says where, and never quotes the text."""


class NestedTooDeeply(MalformedJson):
    """More containers stand inside each other than were allowed."""


class Member(NamedTuple):
    """One member of an object: its name as spelled (with quotes), and where its value begins and ends."""

    name: bytes
    start: int
    end: int


# --- the grammar -----------------------------------------------------------------------------------------
# Every repetition is possessive: a text that does not fit is given up at once, never tried in other ways. The
# grammar has one way to read any text, so that this saves time and changes nothing.

_SPACE = rb"[ \t\n\r]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
_NUMBER = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_SCALAR = b"(?:" + _NUMBER + b"|" + _STRING + b"|true|false|null|NaN|-?+Infinity)"
_KEY = _STRING + _SPACE + b":" + _SPACE
_LEVELS: Final = 4


def _containers(value: bytes) -> bytes:
    """An array or object whose values all match `value`; a comma before the closer does not fit."""
    item = value + _SPACE + rb"(?:," + _SPACE + rb"(?!\])|(?=\]))"
    member = _KEY + value + _SPACE + rb"(?:," + _SPACE + rb"(?!\})|(?=\}))"
    return rb"\[%b(?:%b)*+\]|\{%b(?:%b)*+\}" % (_SPACE, item, _SPACE, member)


def _nested(levels: int) -> bytes:
    value = _SCALAR
    for _ in range(levels):
        value = b"(?:" + _SCALAR + b"|" + _containers(value) + b")"
    return value


def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """The expression, without possessive groups where Python's own have a fault (python/cpython#106052)."""
    if sys.version_info < (3, 11, 5):
        pattern = re.sub(rb"\)([*+?])\+", rb")\1", pattern)
    return re.compile(pattern)


class _Grammar:
    """A value of at most so many levels, and what can be skipped at once inside an array or object of such."""

    def __init__(self, levels: int) -> None:
        value = _nested(levels)
        self.value: re.Pattern[bytes] | _Uncompiled = _Uncompiled(self, "value", value)
        self.items: re.Pattern[bytes] | _Uncompiled = _Uncompiled(
            self, "items", b"(?:" + value + _SPACE + b"," + _SPACE + b")*+"
        )
        self.members: re.Pattern[bytes] | _Uncompiled = _Uncompiled(
            self, "members", b"(?:" + _KEY + value + _SPACE + b"," + _SPACE + b")*+"
        )


class _Uncompiled(NamedTuple):
    """An expression that the first match compiles: that takes 25 ms, which whoever reads no such JSON is spared."""

    grammar: _Grammar
    name: str
    pattern: bytes

    def match(self, raw: bytes, at: int) -> re.Match[bytes] | None:
        compiled = _compiled(self.pattern)
        setattr(self.grammar, self.name, compiled)
        return compiled.match(raw, at)


_SHALLOW = _Grammar(_LEVELS)
_FLAT = _Grammar(0)
_space = _compiled(_SPACE)
_key = _compiled(b"(" + _STRING + b")" + _SPACE + b":" + _SPACE)
_string_between_brackets = _compiled(rb'"[^"]*+"')
_solid = _compiled(b"(?:" + _STRING + rb'|[^ \t\n\r"]++)++')

_COMMA, _OPEN_ARRAY, _CLOSE_ARRAY, _OPEN_OBJECT, _CLOSE_OBJECT = b",[]{}"
_OPENINGS = (b"[", b"{")
_BLANKS = b" \t\n\r"
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_STEP = np.zeros(256, np.int8)
_STEP[[_OPEN_ARRAY, _OPEN_OBJECT]] = 1
_STEP[[_CLOSE_ARRAY, _CLOSE_OBJECT]] = -1


# --- is it JSON? -----------------------------------------------------------------------------------------


def check_text(raw: bytes) -> None:
    """Raises MalformedJson unless `raw` is UTF-8 without a byte order mark (RFC 8259, section 8.1)."""
    if raw.isascii():
        return
    if raw.startswith(b"\xef\xbb\xbf"):
        raise MalformedJson("starts with a byte order mark")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedJson(f"not UTF-8 at byte {error.start}") from None


def check(raw: bytes, max_depth: int = ANY_DEPTH) -> None:
    """Raises MalformedJson unless `raw` is one JSON value, at most `max_depth` containers deep."""
    check_text(raw)
    _end_of_text(raw, _skip(raw, _after_space(raw, 0), max_depth))


def opener(raw: bytes) -> bytes:
    """The first byte that is no whitespace; empty when there is none."""
    first = raw[:1]
    if first in _OPENINGS:
        return first
    at = _after_space(raw, 0)
    return raw[at : at + 1]


def depth_within(raw: bytes, limit: int) -> bool:
    """Whether the *valid* JSON `raw` has at most `limit` containers inside each other."""
    if len(raw) <= limit or len(raw.translate(None, _NO_BRACKETS)) <= limit:
        return True
    if b"\\" in raw:  # Pairs go first, from the left, as escapes are read; the quotes left are then bare.
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = raw.translate(None, _NO_STRUCTURE).replace(b'""', b"")
    if b'"' in structure:
        structure = _string_between_brackets.sub(b"", structure)
    steps = _STEP[np.frombuffer(structure, np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0)) <= limit


# --- where are its parts? --------------------------------------------------------------------------------


def members(raw: bytes, max_depth: int = ANY_DEPTH) -> Iterator[Member]:
    """The members of `raw`, a text that is one object, in order.

    The text is checked on the way (but for its encoding, see `check_text`): MalformedJson may come after
    members were yielded, also for what follows the object.
    """
    at = _after_opener(raw, _OPEN_OBJECT, max_depth)
    if raw[at : at + 1] != b"}":
        while True:
            key = _key.match(raw, at)
            if key is None:
                raise _malformed(raw, at)
            start = key.end()
            end = _skip(raw, start, max_depth - 1)
            yield Member(key.group(1), start, end)
            at, more = _after_value(raw, end, _CLOSE_OBJECT)
            if not more:
                break
    _end_of_text(raw, at + 1)


def items(raw: bytes, max_depth: int = ANY_DEPTH) -> Iterator[tuple[int, int]]:
    """Where the items of `raw`, a text that is one array, begin and end; checked as in `members`."""
    at = _after_opener(raw, _OPEN_ARRAY, max_depth)
    if raw[at : at + 1] != b"]":
        while True:
            end = _skip(raw, at, max_depth - 1)
            yield at, end
            at, more = _after_value(raw, end, _CLOSE_ARRAY)
            if not more:
                break
    _end_of_text(raw, at + 1)


def value_end(raw: bytes, start: int) -> int:
    """Where the value that begins at `start` ends; what follows it is not looked at."""
    return _skip(raw, start, ANY_DEPTH)


def decoded(token: bytes) -> str:
    """The text of a JSON string token (with its quotes); lone surrogates stay what they are."""
    if b"\\" in token:
        text: str = json.loads(token.decode())
        return text
    return token[1:-1].decode()


def member(raw: bytes, name: str) -> bytes | None:
    """The bytes of the member `name` of the object `raw`.

    None when `raw` is no object, when it has no such member, and when it has several: readers differ in
    which of them they take, so none can be relied on.
    """
    if opener(raw) != b"{":
        return None
    found = [raw[m.start : m.end] for m in members(raw) if decoded(m.name) == name]
    return found[0] if len(found) == 1 else None


# --- forms for keys --------------------------------------------------------------------------------------


def canonical_spaces(raw: bytes) -> bytes:
    """The valid JSON `raw` without the whitespace outside its strings, otherwise byte for byte."""
    if len(raw.translate(None, _BLANKS)) == len(raw):
        return raw
    if b"\\" in raw:
        return b"".join(_solid.findall(raw))
    parts = raw.split(b'"')  # Without escapes every second part is a string.
    parts[::2] = b'"'.join(parts[::2]).translate(None, _BLANKS).split(b'"')
    return b'"'.join(parts)


def sorted_members(raw: bytes) -> bytes | None:
    """The object `raw` without whitespace, its members in the order of their decoded names.

    Names and values keep their spelling. None when `raw` is no object or has a member name twice, however
    spelled: then its order means something.
    """
    if opener(raw) != b"{":
        return None
    texts: dict[str, bytes] = {}
    for name, start, end in members(raw):
        text = decoded(name)
        if text in texts:
            return None
        texts[text] = name + b":" + canonical_spaces(raw[start:end])
    return b"{" + b",".join(texts[text] for text in sorted(texts)) + b"}"


# --- steps -----------------------------------------------------------------------------------------------


def _skip(raw: bytes, at: int, room: int) -> int:
    """The end of the value that begins at `at` and may be `room` containers deep."""
    owed = bytearray()  # The closers of the containers that are open, the innermost last.
    while True:
        left = room - len(owed)
        shallow = (_SHALLOW if left >= _LEVELS else _FLAT).value.match(raw, at)
        if shallow is not None:
            at = shallow.end()
        else:
            closer = _closer(raw, at)
            if left <= 0:
                raise NestedTooDeeply(f"nested deeper than {room} levels")
            at = _after_space(raw, at + 1)
            if raw[at : at + 1] != bytes((closer,)):
                owed.append(closer)
                at = _next_value(raw, at, closer, left - 1)
                continue
            at += 1
        while owed:
            at, more = _after_value(raw, at, owed[-1])
            if more:
                at = _next_value(raw, at, owed[-1], room - len(owed))
                break
            owed.pop()
            at += 1
        else:
            return at


def _next_value(raw: bytes, at: int, closer: int, room: int) -> int:
    """Skips what is shallow and followed by a comma; where the next value begins."""
    grammar = _SHALLOW if room >= _LEVELS else _FLAT
    run = (grammar.items if closer == _CLOSE_ARRAY else grammar.members).match(raw, at)
    if run is not None:
        at = run.end()
    if closer == _CLOSE_ARRAY:
        return at
    key = _key.match(raw, at)
    if key is None:
        raise _malformed(raw, at)
    return key.end()


def _closer(raw: bytes, at: int) -> int:
    byte = raw[at : at + 1]
    if byte == b"[":
        return _CLOSE_ARRAY
    if byte == b"{":
        return _CLOSE_OBJECT
    raise _malformed(raw, at)


def _after_space(raw: bytes, at: int) -> int:
    space = _space.match(raw, at)
    return space.end() if space is not None else at


def _after_opener(raw: bytes, byte: int, room: int) -> int:
    at = _after_space(raw, 0)
    if raw[at : at + 1] != bytes((byte,)):
        raise _malformed(raw, at)
    if room <= 0:
        raise NestedTooDeeply(f"nested deeper than {room} levels")
    return _after_space(raw, at + 1)


def _after_value(raw: bytes, at: int, closer: int) -> tuple[int, bool]:
    """(where the next item begins, True) after a comma; (where the closer stands, False) before it."""
    at = _after_space(raw, at)
    byte = raw[at] if at < len(raw) else -1
    if byte == _COMMA:
        return _after_space(raw, at + 1), True
    if byte == closer:
        return at, False
    raise _malformed(raw, at)


def _end_of_text(raw: bytes, at: int) -> None:
    if _after_space(raw, at) != len(raw):
        raise _malformed(raw, at)


def _malformed(raw: bytes, at: int) -> MalformedJson:
    return MalformedJson("ends too early" if at >= len(raw) else f"not JSON at byte {at}")
