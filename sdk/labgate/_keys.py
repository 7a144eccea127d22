"""By which key does the gate know a call that changes something, so that it is carried out once?"""

from __future__ import annotations

import os
import re
import time

from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = re.compile(r"[ -~]{1,255}")


def checked_key(key: object) -> str:
    """The key, if a header field can carry it (draft-ietf-httpapi-idempotency-key-header: a string of RFC 8941).

    Raises:
        SetupError: it cannot.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise SetupError("idempotency_key is a text of 1 to 255 printable ASCII characters, such as a UUID")
    return key


def key_for(given: str | None, headers: Mapping[str, str], seconds: float) -> tuple[bytes, float]:
    """The header line of a call's key, and until when the gate knows the call by it (0: never), on the monotonic clock.

    Args:
        given: the user's own key; without one, a new one is made where the gate knows calls by their keys.
        headers: the user's own; where the key stands in them, there is no further line.
        seconds: for how long the gate does.
    """
    known = time.monotonic() + seconds if seconds else 0.0
    if given is not None:
        key = given.replace("\\", "\\\\").replace('"', '\\"')
        return b'Idempotency-Key: "%b"\r\n' % key.encode("ascii"), known
    if not seconds or any(name.lower() == "idempotency-key" for name in headers):
        return b"", known
    return b'Idempotency-Key: "%b"\r\n' % os.urandom(16).hex().encode("ascii"), known
