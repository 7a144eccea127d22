"""What does a refused caller read in WWW-Authenticate?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.core.faults import Forbidden, Unauthenticated

_LONGEST = 300
# RFC 6750 section 3: neither `"` nor `\`, and nothing outside printable ASCII.
_unfit = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
# RFC 6749 section 3.3: the same without the space.
_scope = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+").fullmatch


def www_authenticate(
    fault: Unauthenticated | None, metadata: str | None = None, scopes: Sequence[str] = ()
) -> str:
    """The challenge (RFC 6750 section 3), without error members for a caller who sent no credential.

    Such a caller is no fault at all, or one whose data says `missing`. `metadata` is the address of what tells where tokens
    come from (RFC 9728 section 5.1), `scopes` what to ask for there.
    """
    error = () if fault is None or fault.data.get("missing") else _error("invalid_token", fault.message)
    return _bearer(error, scopes, metadata)


def for_scopes(fault: Forbidden, metadata: str | None = None, *, anonymous: bool = False) -> str | None:
    """The challenge to who may not do something, and could with the scopes that the fault names; None where it names none.

    Whoever is `anonymous` showed no credential that could be too weak, and is told no error (RFC 6750 section 3.1).
    """
    scopes = [scope for scope in fault.data.get("scopes", ()) if _scope(scope)]
    if not scopes:
        return None
    return _bearer(() if anonymous else _error("insufficient_scope", fault.message), scopes, metadata)


def _error(code: str, message: str) -> Sequence[str]:
    description = _unfit.sub("'", message)[:_LONGEST]
    return f'error="{code}"', f'error_description="{description}"'


def _bearer(error: Sequence[str], scopes: Sequence[str], metadata: str | None) -> str:
    members = ['realm="labgate"', *error]
    if scopes:
        members.append(f'scope="{" ".join(scopes)}"')
    if metadata is not None and not _unfit.search(metadata):
        members.append(f'resource_metadata="{metadata}"')
    return "Bearer " + ", ".join(members)
