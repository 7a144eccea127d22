"""What does a service say beside an answer?"""

from __future__ import annotations

from typing import Final

from gateway.core.upstream import Answer

_MOST: Final = 16
_LONGEST: Final = 1024


def notices(answer: Answer) -> tuple[bytes, ...]:
    """The values of its fields `Warning`, as they came: at most 16, and none of more than 1 KiB."""
    found = [value for name, value in answer.fields if len(name) == 7 and name.lower() == b"warning"]
    return tuple([value for value in found[:_MOST] if len(value) <= _LONGEST])
