"""What does config/lab.yaml say of each key: its comment, and its value as an example?"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import yaml
from pydantic import BaseModel

from gateway.settings import Settings
from gateway.settings.sections import inner, keys
from tests.reference.written import ROOT

FILE = ROOT / "config" / "lab.yaml"
_COMMENT = re.compile(r"(?:^|\s)#\s*(.*)$")
_QUOTED = re.compile(r'"[^"]*"')
_LONGEST = 60

Place = tuple[type[BaseModel], str]
"""A section, and a key of it: sections that stand in several places have one meaning."""


class Said(NamedTuple):
    """What the file says of a key; either may be empty."""

    meaning: str
    example: str


def read() -> dict[Place, Said]:
    """What the file says of the keys that it has, by their sections; of several places, the first that says something."""
    text = FILE.read_text(encoding="utf-8")
    found: dict[Place, Said] = {}
    for place, said in _Reader(text).mapping(yaml.compose(text), Settings):
        before = found.get(place, Said("", ""))
        found[place] = Said(before.meaning or said.meaning, before.example or said.example)
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._lines = text, text.splitlines()

    def mapping(self, node: yaml.Node, section: type[BaseModel]) -> Iterator[tuple[Place, Said]]:
        assert isinstance(node, yaml.MappingNode)
        for key, value in node.value:
            yield (section, key.value), Said(self._meaning(key), self._example(value))
            found, named = inner(keys(section)[key.value])
            if found:
                for part in _parts(value, named=named):
                    yield from self.mapping(part, found)

    def _meaning(self, key: yaml.Node) -> str:
        at = key.start_mark.line
        # In `{a: 1, b: 2} # text` the text is of whatever the line begins with.
        if self._lines[at][: key.start_mark.column].strip(" -{"):
            return ""
        said = self._comment(at)
        if said:
            below = at + 1
            while below < len(self._lines) and self._lines[below].lstrip().startswith("#"):
                said += " " + self._comment(below)
                below += 1
            return said
        lines: list[str] = []
        while at and self._lines[at - 1].lstrip().startswith("#"):
            at -= 1
            lines.insert(0, self._comment(at))
        # What belongs to a line above begins below its comment, without an empty line between.
        return " ".join(lines) if lines and not self._lines[at - 1].strip() else ""

    def _comment(self, at: int) -> str:
        line = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), self._lines[at])
        found = _COMMENT.search(line)
        return self._lines[at][found.start(1) :].strip() if found else ""

    def _example(self, value: yaml.Node) -> str:
        said = self._text[value.start_mark.index : value.end_mark.index].strip()
        is_flow = not isinstance(value, yaml.CollectionNode) or value.flow_style
        return said if is_flow and "\n" not in said and len(said) <= _LONGEST else ""


def _parts(value: yaml.Node, *, named: bool) -> Iterator[yaml.Node]:
    if isinstance(value, yaml.SequenceNode):
        yield from (one for one in value.value if isinstance(one, yaml.MappingNode))
    elif isinstance(value, yaml.MappingNode):
        parts = [one for _, one in value.value] if named else [value]
        yield from (one for one in parts if isinstance(one, yaml.MappingNode))
