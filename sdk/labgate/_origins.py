"""Which call has brought a result? Of the last calls it is known, so that a result can be cited when somebody asks for it."""

from __future__ import annotations

import time
import weakref
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._address import Address
    from labgate._link import Link
    from labgate._wire import Response

    More = tuple[bool, dict[str, Any] | None]
    Fact = tuple[Any, Address, str | None, str | None, str, bytes | None, dict[bytes, bytes], float, More]

_KNOWN = 64  # calls of this program
_MOST = 64 * 1024  # bytes of arguments, and of a result that is kept for it
# These cannot be referred to weakly, so that small ones are kept, and large ones are not cited.
_KEPT = (dict, list, str, bytes, bytearray, tuple, int, float)


class Origin:
    """One call that has brought a result.

    Attributes:
        gate, datastack, method: what was called.
        sent: the JSON-RPC request, or the parameters alone (`bare`), in the encoding in which they were sent.
        part: how it was read of the volume or the source that the call gives, as its `read` takes it; None where it is
            the call's own result.
        made: when the answer was made, in seconds since 1970.
        catalog, request_id: the version of the gate's list, and the id under which its logs know the call.
    """

    __slots__ = (
        *("_held", "bare", "catalog", "datastack", "gate", "made", "method", "part", "request_id", "sent"),
    )

    def __init__(self, fact: Fact) -> None:
        self._held, address, self.datastack, self.catalog, self.method, self.sent, fields, self.made, more = (
            fact
        )
        self.gate = address
        self.bare, self.part = more
        self.request_id: bytes | None = fields.get(b"x-request-id")
        age = fields.get(b"age", b"")
        if age.isdigit() and len(age) < 12:
            self.made -= int(age)

    def has_brought(self, result: object) -> bool:
        """Whether it was this very object."""
        held = self._held
        return (held() if held.__class__ is weakref.ref else held) is result


# Facts of calls; what is in them is looked at when somebody asks, for every call pays for its own.
_known: deque[Fact] = deque(maxlen=_KNOWN)
_WHOLE: More = (False, None)
_BARE: More = (True, None)


def traced(
    result: Any, link: Link, method: str, sent: bytes | None, response: Response, *, bare: bool = False
) -> Any:
    """The result, of which it is known from now on where it comes from."""
    if result is None or (sent is not None and len(sent) > _MOST):
        return result
    if result.__class__ not in _KEPT:
        _remember(result, link, method, sent, response.fields, _BARE if bare else _WHOLE)
    elif len(response.body) <= _MOST:
        more = _BARE if bare else _WHOLE
        now = time.time()
        _known.append(
            (
                result,
                link.address,
                link.datastack,
                link.catalog.version,
                method,
                sent,
                response.fields,
                now,
                more,
            )
        )
    return result


def traced_part(result: Any, link: Link, method: str, sent: bytes, part: dict[str, Any]) -> None:
    """The same for what was read of a volume or a source."""
    if result.__class__ not in _KEPT:
        _remember(result, link, method, sent, {}, (True, part))
    elif isinstance(result, (str, bytes)) and len(result) <= _MOST:
        now = time.time()
        more = (True, part)
        _known.append(
            (result, link.address, link.datastack, link.catalog.version, method, sent, {}, now, more)
        )


def origins_of(result: object) -> list[Origin]:
    """The calls that have brought this very object, the last one first."""
    if result is None:
        return []  # it is also what is left of those that nobody has any more
    return [one for one in map(Origin, reversed(_known.copy())) if one.has_brought(result)]


def _remember(
    result: Any, link: Link, method: str, sent: bytes | None, fields: dict[bytes, bytes], more: More
) -> None:
    try:
        held = weakref.ref(result)
    except TypeError:  # numbers of numpy, True and False: there is no telling one from another
        return
    now = time.time()
    _known.append((held, link.address, link.datastack, link.catalog.version, method, sent, fields, now, more))
