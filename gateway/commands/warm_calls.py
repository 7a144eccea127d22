"""How is one call made to fill the cache, and what came of it?"""

import argparse
import json
import re
import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import NamedTuple
from urllib.parse import quote

from gateway.commands.operating import connection_to, gate_address, operator_address, token_of
from gateway.commands.tables import plain
from gateway.commands.warm_file import Wanted

_PIECE = 1 << 18
_SMALL = 1 << 16
_DETAIL = re.compile(r'detail="([^"]*)"')
_WILL_BE_KEPT = ("not stored", "expired", "invalidated", "older than asked for")
"""Reasons of a miss through a mount, whose reply is stored when it is whole: its head is sent before that."""


class Outcome(NamedTuple):
    """`end` is `hit`, `stored`, `not kept` or `failed`, and `why`."""

    end: str
    why: str = ""


class StoppedError(Exception):
    """No further call has a chance; the text says why."""


class Caller:
    """Makes one call after the other, over connections of its own."""

    def __init__(
        self, rpc: tuple[str, str | None], gate: tuple[str, str | None] | None, token: str, timeout: float
    ) -> None:
        """`rpc` and `gate` are addresses with the Host that is wanted there."""
        self._rpc = rpc
        self._gate = gate
        self._token = token
        self._timeout = timeout
        self._open: dict[str, tuple[HTTPConnection, str]] = {}
        self._cut = False

    def call(self, line: Wanted) -> Outcome:
        """Make the call of a line. Raises `StoppedError`."""
        if line.get is not None and self._gate is not None:
            status, fields, body = self._asked(self._gate, "GET", line.get, None, line.fields or {})
            return _of_request(status, fields, body)
        query = f"?datastack={quote(line.datastack, safe='')}" if line.datastack else ""
        params = b"" if line.params is None else b',"params":%b' % line.params
        body = b'{"jsonrpc":"2.0","id":1,"method":%b%b}' % (line.method or b'""', params)
        kind = {"Content-Type": "application/json"}
        return _of_call(*self._asked(self._rpc, "POST", f"/rpc{query}", body, kind))

    def close(self) -> None:
        """Close the connections."""
        for url in tuple(self._open):
            self._forget(url)

    def cut(self) -> None:
        """From another thread: end the connections under a call, which then raises `StoppedError`."""
        self._cut = True
        for connection, _ in tuple(self._open.values()):
            with suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _asked(
        self, where: tuple[str, str | None], verb: str, path: str, body: bytes | None, fields: dict[str, str]
    ) -> tuple[int, str, bytes]:
        """The answer's status, its Cache-Status, and its body up to what is looked at."""
        url, host = where
        own = {"Authorization": f"Bearer {self._token}", "Accept": "application/json" if body else "*/*"}
        own["Labgate-Timeout"] = f"{self._timeout:g}"
        if host is not None:
            own["Host"] = host
        failure: Exception | None = None
        for _ in range(2):  # a connection that was kept may have been closed by now
            kept = url in self._open
            connection, base = self._open.get(url) or connection_to(url, self._timeout)
            self._open[url] = (connection, base)
            try:
                connection.request(verb, base + path, body, own | fields)
                return _read(connection.getresponse())
            except TimeoutError:
                self._forget(url)
                return 0, "", b"no answer in time"
            except (OSError, HTTPException) as error:
                self._forget(url)
                failure = error
                if not kept or self._cut:
                    break
        raise StoppedError(
            f"the gate at {url} does not answer any more ({type(failure).__name__}: {failure})"
        )

    def _forget(self, url: str) -> None:
        self._open.pop(url)[0].close()


def callers(args: argparse.Namespace, count: int, *, with_gate: bool) -> list[Caller] | None:
    """So many callers, by a command's options; None when the settings cannot be used. Raises `NoAnswerError`."""
    token = token_of(args)
    rpc = operator_address(args)
    gate = gate_address(args) if with_gate else None
    if rpc is None or (with_gate and gate is None):
        return None
    connection_to(rpc[0], args.timeout)
    if gate is not None:
        connection_to(gate[0], args.timeout)
    return [Caller(rpc, gate, token, args.timeout) for _ in range(count)]


def _read(answer: HTTPResponse) -> tuple[int, str, bytes]:
    """Read an answer to its end, of which only a beginning is kept."""
    body = answer.read(_SMALL)
    while answer.read(_PIECE):
        pass
    if answer.length:  # reading in pieces, http.client says nothing of an answer that broke off
        raise IncompleteRead(body, answer.length)
    return answer.status, answer.headers.get("Cache-Status", ""), body


def _of_call(status: int, said: str, body: bytes) -> Outcome:
    error = _error(body)
    if status == 200 and error is None:
        return _kept(said)
    return _failed(status, error, body)


def _of_request(status: int, said: str, body: bytes) -> Outcome:
    if 200 <= status < 400:
        return _kept(said, later=True)
    return _failed(status, _error(body), body)


def _failed(status: int, error: str | None, body: bytes) -> Outcome:
    if status == 401:
        raise StoppedError(f"the gate does not take the token: {error or 'it says 401'}")
    text = error or (body.decode("utf-8", "replace") if status == 0 else f"status {status}")
    return Outcome("failed", plain(text)[:200])


def _kept(said: str, *, later: bool = False) -> Outcome:
    """What Cache-Status (RFC 9211) says of the gate's own part, which stands first."""
    own = said.partition(",")[0] if '"' not in said else said
    words = [one.strip() for one in own.split(";")]
    if "hit" in words:
        return Outcome("hit")
    found = _DETAIL.search(own)
    detail = found[1] if found else ""
    missing = detail in _WILL_BE_KEPT
    if "stored" in words or (missing and (later or "collapsed" in words)):
        return Outcome("stored")
    if missing:
        return Outcome("not kept", "the reply is larger than its rule or the cache takes")
    return Outcome("not kept", plain(detail) or "the gate does not say why")


def _error(body: bytes) -> str | None:
    """The message of a JSON-RPC error, None for anything else; a gate writes the member `error` first."""
    if len(body) >= _SMALL:
        return "an error too long to be shown" if body.startswith(b'{"jsonrpc":"2.0","error"') else None
    try:
        value = json.loads(body)
        error = value.get("error") if isinstance(value, dict) else None
        return None if error is None else str(error["message"])
    except (ValueError, LookupError, TypeError):
        return None
