"""What does a message say under one name?"""

from __future__ import annotations

from gateway.core.reply import Fields


def values(fields: Fields, name: bytes) -> list[bytes]:
    """Every value of the field, in order; the name is in lower case."""
    return [value for one, value in fields if one.lower() == name]


def first(fields: Fields, name: bytes) -> bytes | None:
    """The first value of the field, None if it is not there."""
    return next((value for one, value in fields if one.lower() == name), None)


def length_of(fields: Fields) -> int:
    """How many bytes a body has by its Content-Length, 0 where that is not said."""
    said = first(fields, b"content-length")
    return int(said) if said is not None and said.isdigit() and len(said) < 20 else 0


def without(fields: Fields, names: frozenset[bytes]) -> Fields:
    """The fields but for these, whose names are in lower case."""
    return tuple(field for field in fields if field[0].lower() not in names)
