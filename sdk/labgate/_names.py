"""Under which Python name can something from the network be reached, if under any?"""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import lru_cache
from keyword import iskeyword

_LONGEST = 200


def python_name(wire: str) -> str | None:
    """`wire` as a Python identifier: itself, with a `_` behind it where it is a keyword, or None."""
    return _identifier(wire) if len(wire) <= _LONGEST else None


@lru_cache(maxsize=4096)  # the same few parameters come back in most methods
def _identifier(wire: str) -> str | None:
    if not wire.isidentifier():
        return None
    if not wire.isascii():
        # Python reads identifiers in their NFKC form, so that another one could never be typed.
        import unicodedata

        if unicodedata.normalize("NFKC", wire) != wire:
            return None
    return f"{wire}_" if iskeyword(wire) else wire


def attribute_name(wire: str) -> str | None:
    """`wire` as an attribute of a client or namespace, or None: leading underscores are Python's and ours."""
    return None if wire.startswith("_") else python_name(wire)


def attributes_of(leaves: Iterable[str]) -> dict[str, str]:
    """The names that can be attributes, by their attribute.

    "import" and "import_" claim the same one: the name that needs no change has it.
    """
    found: dict[str, str] = {}
    for leaf in leaves:
        # Nearly all names pass this line; it decides how fast ten thousand methods are bound.
        if (
            leaf.isidentifier()
            and leaf.isascii()
            and leaf[0] != "_"
            and len(leaf) < 99
            and not iskeyword(leaf)
        ):
            found[leaf] = leaf
        elif attribute := attribute_name(leaf):
            found.setdefault(attribute, leaf)
    return found


def printable(text: object, longest: int, *, lines: bool = False) -> str:
    """Text from the network for a terminal: no control characters, at most `longest` characters."""
    if not isinstance(text, str):
        return ""
    if len(text) <= longest and (text.isprintable() or (lines and text.replace("\n", "").isprintable())):
        return text
    kept = "".join(c if c.isprintable() or (lines and c == "\n") else " " for c in text[: longest + 1])
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def callers_level() -> int:
    """The `stacklevel` with which a warning of the function that asks points at the first line outside of this package."""
    import sys

    frame, level = sys._getframe(1), 1  # noqa: SLF001
    while frame.f_back is not None and f"{frame.f_globals.get('__name__')}.".startswith("labgate."):
        frame, level = frame.f_back, level + 1
    return level


def unused(name: str, taken: Container[str]) -> str:
    """`name` with as many `_` behind it as make it one that is not taken."""
    while name in taken:
        name += "_"
    return name


def receiver_beside(names: Container[str]) -> str:
    """What the first parameter of a method with these parameters is called."""
    return "self" if "self" not in names else unused("_labgate", names)


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three names that a person who typed `name` may have meant."""
    from difflib import get_close_matches  # a few ms, only when a name was wrong

    candidates = [other for other in known if abs(len(other) - len(name)) <= 10]
    near = get_close_matches(name.lower(), [other.lower() for other in candidates], n=3, cutoff=0.75)
    by_lower = {other.lower(): other for other in reversed(candidates)}
    return [by_lower[lower] for lower in near]


def name_of(method: object) -> str:
    """The whole name of a method, which is told by it, or is the method itself: `lab.jobs.get_job`.

    Raises:
        TypeError: it is neither.
    """
    found = (
        method
        if isinstance(method, str)
        else getattr(getattr(method, "__func__", None), "__qualname__", None)
    )
    if not isinstance(found, str):
        raise TypeError(
            f"a method is told by its name or itself, like lab.jobs.get_job, not by {type(method).__name__}"
        )
    return found
