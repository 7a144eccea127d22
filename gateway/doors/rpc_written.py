"""How is the reply to one JSON-RPC call written, in JSON, without anything around it that could differ?"""

from __future__ import annotations

from gateway.core.cache_status import age, cache_status, outcome
from gateway.core.reply import Reply
from gateway.core.server_timing import TRIP, is_of_memory, server_timing

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nCache-Status: %b\r\n%b%b%bX-Request-Id: %b\r\n"
_RESULT = b'%b%b%bContent-Length: %d\r\n\r\n{"jsonrpc":"2.0","result":%b,"id":%b}'
_ERROR = b'%b%b%bContent-Length: %d\r\n\r\n{"jsonrpc":"2.0","error":%b,"id":%b}'
_TRIP = b"Server-Timing: %b\r\n" % TRIP
RESULT_FRAME = len(b'{"jsonrpc":"2.0","result":,"id":}')
ERROR_FRAME = len(b'{"jsonrpc":"2.0","error":,"id":}')
"""Bytes of an answer beside its result or error and its id."""


def written(
    reply: Reply, token: bytes, number: bytes, told: bytes, date: bytes, now: float, spent: float
) -> bytes:
    """The whole answer, byte for byte as the rpc door and the connection make it together.

    `token` is the call's id, `number` the request's; `told` and `date` are whole lines; `now` is in seconds since 1970;
    `spent` is how many seconds ago the request came.
    """
    seconds = age(reply, now)
    head = _HEAD % (
        cache_status(reply, now).encode(),
        b"" if seconds is None else b"Age: %d\r\n" % seconds,
        b"".join([b"Warning: %b\r\n" % notice for notice in reply.notices]) if reply.notices else b"",
        _timing(reply, spent),
        number,
    )
    body = reply.body.data
    if reply.kind == "result":
        return _RESULT % (head, told, date, RESULT_FRAME + len(body) + len(token), body, token)
    return _ERROR % (head, told, date, ERROR_FRAME + len(body) + len(token), body, token)


def length(kind: str, body: int, token: int) -> int:
    """How long an answer's body is, from the lengths of its result or error and of its id."""
    return (RESULT_FRAME if kind == "result" else ERROR_FRAME) + body + token


def _timing(reply: Reply, spent: float) -> bytes:
    if reply.upstream_ms is not None:
        return _TRIP % (outcome(reply).encode(), reply.upstream_ms, spent * 1000)
    if is_of_memory(reply.verdict):
        return b""
    return b"Server-Timing: %b\r\n" % server_timing(outcome(reply), spent * 1000)
