"""Is a call the repetition of one before, by a client that did not wait for its answer?

Clients like CryoSPARC's send a call again, byte for byte, when its answer does not come in time: with the same id, which is
a UUID made for this one call. Ids that count, or that are short, say nothing: two programs may use the same.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from gateway.core.principal import Principal

_uuid = re.compile(
    rb'"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"'
).fullmatch


def repeat_key(
    principal: Principal, service: str, verb: str, target: bytes, body: bytes, call_id: bytes | None
) -> bytes | None:
    """What two requests agree in of which the later repeats the earlier; None for one that no other can repeat.

    `call_id` is the JSON-RPC id as it was written. Every part is framed by its length.
    """
    if call_id is None or not _uuid(call_id):
        return None
    digest = blake2b(digest_size=32)
    for part in (
        principal.issuer.encode(),
        principal.subject.encode(),
        service.encode(),
        verb.encode(),
        target,
        body,
    ):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()
