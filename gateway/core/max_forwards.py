"""How many more servers may an OPTIONS pass (RFC 9110 section 7.6.2)?

The other verb that the field speaks of, TRACE, goes no further than the gate in any case.
"""

from __future__ import annotations

from typing import Final

from gateway.core.http_fields import first
from gateway.core.reply import Fields

FIELD: Final = b"max-forwards"
_DIGITS: Final = 18


def left(verb: str, fields: Fields) -> int | None:
    """How many more servers may be asked; None where nothing limits that, or what is said of it is no number."""
    said = first(fields, FIELD) if verb == "OPTIONS" else None
    return int(said) if said is not None and said.isdigit() and len(said) <= _DIGITS else None


def one_less(verb: str, fields: Fields) -> Fields:
    """The fields for the next server: the same ones where nothing limits how far the request goes."""
    steps = left(verb, fields)
    if steps is None:
        return fields
    told = b"%d" % max(0, steps - 1)
    return tuple((name, told if name.lower() == FIELD else value) for name, value in fields)
