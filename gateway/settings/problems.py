"""What is wrong with a settings file, where, and what to do about it?"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic_core import PydanticCustomError

Where = tuple[str | int, ...]
"""The way from the root of a settings file to a value: keys, and positions in lists."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a settings file.

    `path` is the setting (`services.jobs.url[0]`), empty for the file as a whole; `line` and `column` count from 1
    and are None where no place in the file is meant. The texts never hold the value of a secret.
    """

    path: str
    line: int | None
    column: int | None
    text: str
    fix: str
    level: Literal["error", "warning"] = "error"
    file: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        parts = [place, self.path, ("warning: " if self.level == "warning" else "") + self.text]
        return ": ".join(part for part in parts if part) + f" (fix: {self.fix})"

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain data, for `labgated check --json`."""
        return asdict(self)


class SettingsError(Exception):
    """The settings cannot be used; `problems` holds every finding, warnings too, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def refused(error: PydanticCustomError, path: str, said_by: str) -> SettingsError:
    """What a `refusal` says of a setting that stands in no file, but is `said_by` an option."""
    fix = (error.context or {})["fix"]
    return SettingsError([Problem(path, None, None, error.message(), fix, file=said_by)])


def spell(where: Where) -> str:
    """A place in a settings file as people write it: `services.jobs.methods["get_*"].cache`."""
    text = ""
    for step in where:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f'["{clip(step)}"]'
    return text


def clip(text: str, limit: int = 60) -> str:
    """At most `limit` characters of foreign text, with what a terminal would obey made visible."""
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[: limit + 1])
    return shown if len(text) <= limit else shown[:limit] + "…"


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    found = difflib.get_close_matches(word[:100].lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
