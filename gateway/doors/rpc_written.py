"""How is the reply to one JSON-RPC call written, in JSON, without anything around it that could differ?"""

from __future__ import annotations

from gateway.core.cache_status import age, cache_status
from gateway.core.reply import Reply

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nCache-Status: %b\r\n%b%bX-Request-Id: %b\r\n"
_RESULT = b'%b%b%bContent-Length: %d\r\n\r\n{"jsonrpc":"2.0","result":%b,"id":%b}'
_ERROR = b'%b%b%bContent-Length: %d\r\n\r\n{"jsonrpc":"2.0","error":%b,"id":%b}'
RESULT_FRAME = len(b'{"jsonrpc":"2.0","result":,"id":}')
ERROR_FRAME = len(b'{"jsonrpc":"2.0","error":,"id":}')
"""Bytes of an answer beside its result or error and its id."""


def written(reply: Reply, token: bytes, number: bytes, told: bytes, date: bytes, now: float) -> bytes:
    """The whole answer, byte for byte as the rpc door and the connection make it together.

    `token` is the call's id, `number` the request's; `told` and `date` are whole lines; `now` is in seconds since 1970.
    """
    seconds = age(reply, now)
    spent = reply.upstream_ms
    head = _HEAD % (
        cache_status(reply, now).encode(),
        b"" if seconds is None else b"Age: %d\r\n" % seconds,
        b"" if spent is None else b"Server-Timing: upstream;dur=%.1f\r\n" % spent,
        number,
    )
    if reply.notices:
        head += b"".join([b"Warning: %b\r\n" % notice for notice in reply.notices])
    body = reply.body.data
    if reply.kind == "result":
        return _RESULT % (head, told, date, RESULT_FRAME + len(body) + len(token), body, token)
    return _ERROR % (head, told, date, ERROR_FRAME + len(body) + len(token), body, token)
