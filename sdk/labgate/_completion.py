"""How does a line for the shell that begins with `labgate` go on?

Commands and options are those of the parser, names of methods and parameters those of the catalog that was kept: the
gate is not asked. Only names of plain characters are given to a shell, which would read others as commands.
"""

from __future__ import annotations

import argparse
import re
import shlex

from labgate._method import Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from labgate._catalog import Catalog

_PLAIN = re.compile(r"[A-Za-z0-9_.+-]+[.=]?|[A-Za-z0-9_.+-]+=[A-Za-z0-9_.+-]+|-{1,2}[a-zA-Z-]+")
_MANY = 40
_WHICH = ("--url", "--datastack", "--profile")


class Line:
    """What was typed so far.

    Attributes:
        parser: that of the command, None before there is one.
        current: the word that is being written, maybe empty.
        before: the option whose value it is, None for none.
        given: the command's words that are no options and belong to none.
        options: the options before it that have a value, by their names.
    """

    def __init__(self, text: str, parser: argparse.ArgumentParser) -> None:
        """Read it.

        Raises:
            ValueError: a quote in it is open.
        """
        words = shlex.split(text)[1:]
        self.current = "" if not words or text[-1:].isspace() else words.pop()
        self.parser: argparse.ArgumentParser | None = None
        self.commands = _commands(parser)
        self.before: argparse.Action | None = None
        self.given: list[str] = []
        self.options: dict[str, str] = {}
        for word in words:
            self._take(word)

    def _take(self, word: str) -> None:
        if self.before is not None:
            self.options[self.before.option_strings[-1]] = word
            self.before = None
        elif self.parser is None:
            self.parser = self.commands.get(word)
            if self.parser is None and not word.startswith("-"):
                self.given.append(word)
        elif word.startswith("-") and len(word) > 1:
            option, _, value = word.partition("=")
            action = _options(self.parser).get(option)
            if action is not None and action.nargs != 0:
                if value:
                    self.options[option] = value
                else:
                    self.before = action
        else:
            self.given.append(word)


def candidates(
    text: str,
    parser: argparse.ArgumentParser,
    kept: Callable[[str | None, str | None, str | None], Catalog | None],
    profiles: Callable[[], Iterable[str]],
) -> list[str]:
    """The words with which a line may go on, in order.

    Args:
        text: the line up to the cursor.
        parser: of the whole command line.
        kept: gives the catalog of an address, a datastack and a profile, None where none was kept.
        profiles: gives the names of profiles.
    """
    try:
        line = Line(text, parser)
    except ValueError:
        return []
    current = line.current
    if line.parser is None:
        found: Iterable[str] = [*line.commands, "--help", "--version"] if not line.given else ()
    elif current.startswith("-") and line.before is None:
        found = _options(line.parser)
    elif line.before is not None and "--profile" in line.before.option_strings:
        found = profiles()
    else:
        catalog = kept(*(line.options.get(name) for name in _WHICH))
        found = _values(line, catalog)
    return sorted({one for one in found if one.startswith(current) and _PLAIN.fullmatch(one)})


def _values(line: Line, catalog: Catalog | None) -> Iterable[str]:
    """What can stand where a value is being written."""
    if line.before is not None:
        stacks = catalog.about.get("datastacks") if catalog is not None else None
        if "--datastack" in line.before.option_strings or line.before.dest == "stacks":
            return [one for one in stacks if isinstance(one, str)] if isinstance(stacks, list) else ()
        return map(str, line.before.choices or ())
    positions = [one for one in (line.parser or argparse.ArgumentParser())._actions if not one.option_strings]  # noqa: SLF001
    at = min(len(line.given), len(positions) - 1)
    if at < 0 or (at < len(line.given) and positions[at].nargs not in ("*", "+")):
        return ()
    place = positions[at]
    if place.choices:
        return map(str, place.choices)
    if catalog is None:
        return ()
    if place.dest in ("method", "pattern"):
        return _methods(catalog, line.current)
    if place.dest == "service":
        return _services(catalog)
    return _arguments(catalog, line) if place.dest == "arguments" else ()


def _methods(catalog: Catalog, current: str) -> Iterable[str]:
    """Whole names, or where there would be many, the next part of them."""
    found = [name for name in catalog.names() if name.startswith(current)]
    if len(found) <= _MANY:
        return found
    start = current.count(".")
    parts = (name.split(".") for name in found)
    return {".".join(part[: start + 1]) + ("." if len(part) > start + 1 else "") for part in parts}


def _services(catalog: Catalog) -> Iterable[str]:
    about = catalog.about.get("namespaces")
    return {
        *(about if isinstance(about, dict) else ()),
        *(name.partition(".")[0] for name in catalog.names()),
    }


def _arguments(catalog: Catalog, line: Line) -> Iterable[str]:
    """The parameters that were not given yet; the values of one that has a few."""
    text = catalog.text(line.given[0])
    if text is None:
        return ()
    method = Method(line.given[0], text)
    name, equals, _ = line.current.partition("=")
    if equals:
        schema = next((one.schema for one in method.parameters if one.wire == name), {})
        return [f"{name}={value}" for value in _choices(schema)]
    given = {word.partition("=")[0].rstrip(":") for word in line.given[1:]}
    return [f"{wire}=" for wire in method.wires if wire not in given]


def _choices(schema: dict[str, Any]) -> list[str]:
    choices = schema.get("enum")
    if isinstance(choices, list):
        return [one for one in choices if isinstance(one, str)]
    return ["false", "true"] if schema.get("type") == "boolean" else []


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask what it knows
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def _options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {name: one for one in parser._actions for name in one.option_strings}  # noqa: SLF001
