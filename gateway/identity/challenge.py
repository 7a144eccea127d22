"""What does a refused caller read in WWW-Authenticate?"""

from __future__ import annotations

import re

from gateway.core.faults import Unauthenticated

_LONGEST = 300
# RFC 6750 section 3: neither `"` nor `\`, and nothing outside printable ASCII.
_unfit = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def www_authenticate(fault: Unauthenticated | None) -> str:
    """The challenge (RFC 6750 section 3), without error members for a caller who sent no credential.

    Such a caller is no fault at all, or one whose data says `missing`.
    """
    challenge = 'Bearer realm="labgate"'
    if fault is None or fault.data.get("missing"):
        return challenge
    description = _unfit.sub("'", fault.message)[:_LONGEST]
    return f'{challenge}, error="invalid_token", error_description="{description}"'
