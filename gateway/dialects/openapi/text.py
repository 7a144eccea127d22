"""Which value is written in the text of a description, be it JSON or YAML?"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson
import yaml

MAX_YAML: Final = 8 << 20
"""Bytes of a description in YAML; larger ones take too long to read, JSON of that size does not."""

_MAX_DEPTH: Final = 200
_MAX_DIGITS: Final = 300
_WORDS: Final = {
    word: value
    for value, words in ((None, "~ null Null NULL"), (True, "true True TRUE"), (False, "false False FALSE"))
    for word in words.split()
}
_integer = re.compile(r"[-+]?[0-9]+")
_no_number = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
"""Which numbers YAML has beside JSON's (section 10.3.2): they are read, so as to be left out and not told as texts."""
_number = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


class UnreadableError(ValueError):
    """The text is no description; the message says why, and quotes nothing of it."""


def parsed(raw: bytes) -> Any:
    """The value of a JSON or YAML text.

    Raises UnreadableError where it is neither, nests too deeply, or is YAML of more than `MAX_YAML` bytes.
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        pass
    if len(raw) > MAX_YAML:
        raise UnreadableError(f"no JSON, and as YAML of more than {MAX_YAML} bytes not read")
    try:
        return _Builder().build(raw.decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnreadableError("neither JSON nor YAML") from error


class _Builder:
    """Makes values of the events of a YAML text, as the JSON schema of YAML 1.2 has them (section 10.2).

    The loaders that come with the library recurse without a bound, and let merge keys and aliases grow what they
    make exponentially; here aliases are the same object, and merge keys, tags and dates mean nothing.
    """

    def __init__(self) -> None:
        self._open: list[tuple[Any, str | None]] = []  # containers, and the key that waits for its value
        self._anchors: dict[str, Any] = {}
        self._root: Any = None

    def build(self, text: str) -> Any:
        """The value of the first document."""
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            match event:
                case yaml.ScalarEvent():
                    self._add(event.value if event.style else _scalar(event.value), event.anchor, event.value)
                case yaml.MappingStartEvent():
                    self._begin({}, event.anchor)
                case yaml.SequenceStartEvent():
                    self._begin([], event.anchor)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._open.pop()
                case yaml.AliasEvent():
                    # One that stands inside its own anchor is absent: nothing here refers to itself.
                    known = self._anchors.get(event.anchor or "")
                    within = any(container is known for container, _ in self._open)
                    self._add(None if within else known, None, "")
                case yaml.DocumentEndEvent():
                    break
        return self._root

    def _begin(self, container: Any, anchor: str | None) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise UnreadableError(f"nested deeper than {_MAX_DEPTH} levels")
        self._add(container, anchor, "")
        self._open.append((container, None))

    def _add(self, value: Any, anchor: str | None, written: str) -> None:
        if anchor is not None:
            self._anchors[anchor] = value
        if not self._open:
            self._root = value
            return
        container, key = self._open[-1]
        if isinstance(container, list):
            container.append(value)
        elif key is None:
            self._open[-1] = (container, written)
        else:
            container[key] = value
            self._open[-1] = (container, None)


def _scalar(written: str) -> Any:
    if not written:
        return None
    if written in _WORDS:
        return _WORDS[written]
    if len(written) > _MAX_DIGITS:
        return written
    if _integer.fullmatch(written):
        return int(written)
    if _no_number.fullmatch(written):
        return float(written.replace(".", ""))
    return float(written) if _number.fullmatch(written) else written
