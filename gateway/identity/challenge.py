"""What does a refused caller read in WWW-Authenticate?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.core.faults import Unauthenticated

_LONGEST = 300
# RFC 6750 section 3: neither `"` nor `\`, and nothing outside printable ASCII.
_unfit = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def www_authenticate(
    fault: Unauthenticated | None, metadata: str | None = None, scopes: Sequence[str] = ()
) -> str:
    """The challenge (RFC 6750 section 3), without error members for a caller who sent no credential.

    Such a caller is no fault at all, or one whose data says `missing`. `metadata` is the address of what tells where tokens
    come from (RFC 9728 section 5.1), `scopes` what to ask for there.
    """
    members = ['realm="labgate"']
    if fault is not None and not fault.data.get("missing"):
        description = _unfit.sub("'", fault.message)[:_LONGEST]
        members += ['error="invalid_token"', f'error_description="{description}"']
    if scopes:
        members.append(f'scope="{" ".join(scopes)}"')
    if metadata is not None and not _unfit.search(metadata):
        members.append(f'resource_metadata="{metadata}"')
    return "Bearer " + ", ".join(members)
