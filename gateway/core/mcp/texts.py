"""What of a description may a language model read? Text, of a bounded length, in which nothing is hidden."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

LONGEST: Final = 1024
"""Characters of one description; agents pay for each of them in every conversation."""

_SAID_TO_PEOPLE: Final = frozenset(("description", "title"))
_VALUES: Final = frozenset(("const", "default", "enum", "example", "examples"))
_ODD = re.compile(r"[^\n\x20-\x7e]")


def readable(text: object, limit: int = LONGEST) -> str:
    """The text without what people would not see: controls, marks of direction, tags and other characters without a look.

    Such characters carry instructions past whoever reads the list. Empty for anything else than a text.
    """
    if not isinstance(text, str):
        return ""
    clean = _ODD.sub(_seen, text[: 4 * limit]).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _seen(found: re.Match[str]) -> str:
    character = found[0]
    category = unicodedata.category(character)
    if category[0] == "C":  # controls, formats, surrogates, private and unassigned ones
        return " " if character in "\t\r" else ""
    return " " if category in ("Zl", "Zp", "Zs") else character


def readable_schema(schema: Any, defs: set[str], prefix: str) -> Any:
    """A schema whose words are readable, and whose references lead to `$defs`; their names are added to `defs`."""
    if isinstance(schema, list):
        return [readable_schema(one, defs, prefix) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _SAID_TO_PEOPLE and isinstance(value, str):
            if clean := readable(value):
                made[name] = clean
        elif name == "$ref" and isinstance(value, str):
            target = value.removeprefix(prefix)
            defs.add(target)
            made[name] = f"#/$defs/{target}"
        elif name in _VALUES:
            made[name] = value
        else:
            made[name] = readable_schema(value, defs, prefix)
    return made
