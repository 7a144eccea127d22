"""How does a program read what is too much for an agent? By one line of Python, which the agent can hand on."""

from __future__ import annotations

import json
import keyword
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

LONGEST: Final = 2000
"""Characters of a line."""


def sdk_line(origin: str, datastack: str | None, method: str, params: bytes | None) -> str | None:
    """The call of a method by the SDK, its params as JSON; None where it would be too long."""
    try:
        given = json.loads(params or b"{}", parse_int=_Digits, parse_float=_Digits, parse_constant=_constant)
    except (ValueError, RecursionError):
        return None
    called = ", ".join(map(repr, given)) if isinstance(given, list) else _arguments(given)
    where = repr(origin) + (f", datastack={datastack!r}" if datastack else "")
    path = f".{method}" if all(map(_is_name, method.split("."))) else f"[{method!r}]"
    return _short(f"labgate.connect({where}){path}({called})")


def intake_line(origin: str, mount: str, name: str, chosen: Mapping[str, Any], ending: str) -> str | None:
    """How Intake's client reads an entry of the gate's catalog; `ending` is what is called of it."""
    scheme, _, host = origin.partition("://")
    options: dict[str, Any] = {"headers": {"Authorization": "Bearer TOKEN"}}
    if scheme == "https":
        options["ssl"] = True
    given = {key: one.isoformat() if isinstance(one, datetime) else one for key, one in chosen.items()}
    called = f"({_arguments(given)})" if given else ""
    catalog = f"intake.open_catalog({f'intake://{host}{mount}'!r}, http_args={options!r})"
    return _short(f"{catalog}[{name!r}]{called}.{ending}")


class _Digits(str):
    """A number that stays as it was written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _constant(name: str) -> _Digits:
    return _Digits(f"float({name.lower()!r})")


def _arguments(given: Mapping[str, Any]) -> str:
    odd = {name: one for name, one in given.items() if not _is_name(name)}
    words = [f"{name}={one!r}" for name, one in given.items() if name not in odd]
    return ", ".join([*words, f"**{odd!r}"] if odd else words)


def _is_name(word: str) -> bool:
    return word.isascii() and word.isidentifier() and not keyword.iskeyword(word)


def _short(line: str) -> str | None:
    return line if len(line) <= LONGEST else None
