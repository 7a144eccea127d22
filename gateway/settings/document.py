"""What does a settings file say, and on which line does it say it?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.settings.problems import Problem, Where, clip, spell

MAX_BYTES = 1 << 20
"""A larger file is refused unread: nobody writes one by hand."""
MAX_VALUES = 100_000
"""Values after aliases are followed; more is an alias bomb."""
MAX_DEPTH = 64

_SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp")}
_MERGE = "tag:yaml.org,2002:merge"
_QUOTED = re.compile(r"'([^']*)'")


class Written(str):
    """Text of a settings file: what it stands for, how it was written, and the folder its paths start from.

    `secret` says that the text came in by `${env:…}` or `${file:…}`; its repr then hides it. Texts stay so in the
    settings; what becomes a host, an address or a folder is no secret.
    """

    __slots__ = ("folder", "raw", "secret")
    raw: str
    folder: Path
    secret: bool

    def __new__(cls, text: str, folder: Path, *, raw: str | None = None, secret: bool = False) -> "Written":
        self = super().__new__(cls, text)
        self.raw = text if raw is None else raw
        self.folder = folder
        self.secret = secret
        return self

    def __repr__(self) -> str:
        return "'**********'" if self.secret else super().__repr__()


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int


@dataclass(slots=True)
class Document:
    """A settings file as plain data, every text a `Written`, and the spot of each key and list item."""

    file: str
    data: Any
    spots: dict[Where, Spot] = field(default_factory=dict)

    def spot(self, where: Where) -> Spot | None:
        """The spot of the value, or of the nearest one around it."""
        for length in range(len(where), -1, -1):
            if found := self.spots.get(where[:length]):
                return found
        return None

    def problem(self, where: Where, text: str, fix: str, *, warning: bool = False) -> Problem:
        """A finding about the value at `where`."""
        spot = self.spot(where)
        return Problem(
            path=spell(where),
            line=spot.line if spot else None,
            column=spot.column if spot else None,
            text=text,
            fix=fix,
            level="warning" if warning else "error",
            file=spot.file if spot else self.file,
        )


def read(path: Path) -> tuple[Document, list[Problem]]:
    """Reads one YAML file (YAML 1.1 as PyYAML's safe loader has it); its data is None when it could not be read."""
    document = Document(str(path), None)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return document, [
            document.problem((), "no such file", "name another with --config or LABGATE_CONFIG")
        ]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return document, [
            document.problem((), f"cannot be read: {reason}", "give a file that labgated may read")
        ]
    if len(raw) > MAX_BYTES:
        fix = "move parts into files named under `include`, or give the right file"
        return document, [document.problem((), f"more than {MAX_BYTES >> 20} MiB are no settings", fix)]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return document, [
            _at(document, line, None, "not UTF-8 text", "save the file as UTF-8, or give the right file")
        ]
    return document, list(_Reader(document, path.parent).run(text))


def _at(document: Document, line: int, column: int | None, text: str, fix: str) -> Problem:
    return Problem("", line, column, text, fix, file=document.file)


class _Reader:
    """Turns YAML's node tree into data; problems are yielded, the rest is read on."""

    def __init__(self, document: Document, folder: Path) -> None:
        self.document = document
        self.folder = folder
        self.values = 0
        self.above: list[yaml.Node] = []
        self.safe = yaml.constructor.SafeConstructor()
        self.problems: list[Problem] = []

    def run(self, text: str) -> Iterator[Problem]:
        try:
            loader = yaml.SafeLoader(text)
            try:
                node = loader.get_single_node()
            finally:
                loader.dispose()
            data = {} if node is None else self.value(node, ())
            self.document.data = {} if data is None and not self.problems else data  # `null` says as little
        except RecursionError:
            self.document.data = None
            yield _at(self.document, 1, None, "nested too deeply", "settings need no more than a few levels")
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            fix = "remove the control character, or give the right file"
            yield _at(self.document, line, None, "holds a character that text cannot hold", fix)
        except yaml.MarkedYAMLError as error:
            yield self.broken(error)
        except _TooMuchError as error:
            self.document.data = None
            yield error.problem
        yield from self.problems

    def broken(self, error: yaml.MarkedYAMLError) -> Problem:
        """PyYAML's complaint without the words it quotes: they may be part of a secret."""
        mark = error.problem_mark or error.context_mark
        # What stands in <> is PyYAML's own word, one character is no secret.
        text = _QUOTED.sub(
            lambda quote: quote[0] if len(quote[1]) < 2 or quote[1].startswith("<") else "…",
            error.problem or error.context or "not readable",
        )
        fix = "look at this line and the one above; quote texts that begin with * & [ { @ % or hold ': ' or ' #'"
        if "single document" in (error.context or ""):
            text, fix = "more than one YAML document", "remove the line `---`; keep one document in a file"
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, None)
        return _at(self.document, line, column, f"not readable as YAML: {text}", fix)

    def value(self, node: yaml.Node, where: Where) -> Any:
        self.values += 1
        if any(node is outer for outer in self.above):
            raise _TooMuchError(self.at(node, where, "an alias that holds itself", "write the value out"))
        if self.values > MAX_VALUES:
            text = f"more than {MAX_VALUES} values, aliases followed"
            raise _TooMuchError(self.at(node, where, text, "repeat less by alias"))
        if len(where) > MAX_DEPTH:
            fix = "settings need no more than a few levels"
            raise _TooMuchError(self.at(node, where[:3], "nested too deeply", fix))
        mark = node.start_mark
        self.document.spots.setdefault(where, Spot(self.document.file, mark.line + 1, mark.column + 1))
        self.above.append(node)
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
                return self.mapping(node, where)
            if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
                return [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
            return self.scalar(node, where)
        finally:
            self.above.pop()

    def scalar(self, node: yaml.Node, where: Where) -> Any:
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
            self.problems.append(
                self.at(node, where, "a YAML tag that settings do not know", "remove the `!…` tag")
            )
            return None
        try:
            found = self.safe.construct_object(node)
        except (ValueError, yaml.MarkedYAMLError):  # `2026-13-45`, `0b_`, an integer of 5000 digits
            self.problems.append(
                self.at(node, where, "no value that can be read", "put quotes around it if text is meant")
            )
            return None
        return Written(found, self.folder) if isinstance(found, str) else found

    def mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        own = [(key, value) for key, value in node.value if key.tag != _MERGE]
        for key_node, value_node in node.value:  # before the mapping's own keys, whose spots must stand
            if key_node.tag == _MERGE:
                merged = self.merge(value_node, where) | merged
        for key_node, value_node in own:
            key = self.key(key_node, where)
            if key is None:
                continue
            inner = (*where, key)
            if key in found:
                first = self.document.spots[inner].line
                text = f"written twice, first on line {first}"
                self.problems.append(self.at(key_node, inner, text, "keep one of the two"))
                continue
            mark = key_node.start_mark
            self.document.spots[inner] = Spot(self.document.file, mark.line + 1, mark.column + 1)
            found[key] = self.value(value_node, inner)
        return merged | found

    def merge(self, node: yaml.Node, where: Where) -> dict[str, Any]:
        """The mappings behind `<<`: of several, the first one counts."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for part in nodes:
            value = self.value(part, where)
            if isinstance(value, dict):
                found = value | found
            else:
                fix = "give `<<` an alias of a mapping, or a list of them"
                self.problems.append(self.at(part, where, "only mappings can be merged", fix))
        return found

    def key(self, node: yaml.Node, where: Where) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str":
            return str(node.value)
        shown = f"the key {clip(node.value)}" if isinstance(node, yaml.ScalarNode) else "a key"
        self.problems.append(self.at(node, where, f"{shown} is no text to YAML", "put quotes around the key"))
        return None

    def at(self, node: yaml.Node, where: Where, text: str, fix: str) -> Problem:
        mark = node.start_mark
        return Problem(spell(where), mark.line + 1, mark.column + 1, text, fix, file=self.document.file)


class _TooMuchError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem
