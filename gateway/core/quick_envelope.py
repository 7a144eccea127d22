"""Is this body one usual JSON-RPC call? Read in one look.

What is said here of a body is what `envelope.read` and `rpc_mount.read` say of it; whatever is unusual in any way is left to that.
"""

from __future__ import annotations

from typing import Final

from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder

from gateway.core.scanner import depth_within


class _Usual(Struct, gc=False):
    jsonrpc: str
    method: str
    params: Raw = Raw()
    id: Raw = Raw()


_decode = Decoder(_Usual).decode
_UNUSUAL = (MsgspecError, ValueError, RecursionError)
_OPENERS: Final = (b"{", b"[")
_TOKENS: Final = frozenset(b"-0123456789")
_QUOTES: Final = 10  # of "jsonrpc":"2.0", "method":"…" and "id"


def usual_call(body: bytes, max_depth: int) -> tuple[str, bytes, bytes] | None:
    """Method, params (b"" without any) and id of the call that is the whole body; None where anything is unusual.

    Unusual is every batch, notification, character beyond ASCII, and parameters that are nested deeper than `max_depth` allows.
    """
    if not body.isascii():
        return None
    try:
        call = _decode(body)
    except _UNUSUAL:
        return None
    params, token = bytes(call.params), bytes(call.id)
    quotes = _QUOTES
    if token[:1] == b'"':
        quotes += 2
    elif not token or token[0] not in _TOKENS:
        return None
    if params:
        quotes += 2
        if not params.startswith(_OPENERS) or not depth_within(params, max_depth - 1):
            return None
    # With just as many quotes as these members need there are no others, and none is there twice.
    if (
        call.jsonrpc != "2.0"
        or body.count(b'"') - params.count(b'"') != quotes
        or body.count(b"\\") != params.count(b"\\")
    ):
        return None
    return call.method, params, token
