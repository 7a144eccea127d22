"""Which methods does a JSON-RPC body that came through a mount call, and what may its caller see of a description?

The upstream reads the body by rules of its own, so what could be read in two ways is refused; what merely deviates
from JSON-RPC 2.0 passes, because the upstream decides about that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from gateway.core import scanner
from gateway.core.faults import InvalidRequest, ParseFault, TooLarge
from gateway.core.naming import is_introspection
from gateway.core.quick_envelope import usual_call
from gateway.core.scanner import MalformedJson

ONE_METHOD: Final = frozenset(("system.methodHelp", "system.methodSignature"))
_LISTS: Final = frozenset(
    ("system.describe", "rpc.describe", "rpc.discover", "rpc_discover", "rpc_methods", "system.listMethods")
)
_READ_ONCE: Final = ("method", "params", "id", "jsonrpc")


class RpcCall(Struct, frozen=True, gc=False):
    """One entry: the method's own name upstream, its params, and where its id's token stands in the body."""

    method: str
    params: bytes | None
    id: bytes | None
    at: int = -1


class RpcBody(Struct, frozen=True, gc=False):
    """What a body calls; `batch` = it is an array."""

    calls: tuple[RpcCall, ...]
    batch: bool


def read(body: bytes, *, max_batch: int, max_depth: int) -> RpcBody:
    """The calls in a body. Raises `ParseFault`, `InvalidRequest` or `TooLarge` for what must not pass."""
    usual = usual_call(body, max_depth)
    if usual is not None and body.count(usual[2]) == 1:
        method, arguments, token = usual
        return RpcBody((RpcCall(method, arguments or None, token, body.index(token)),), batch=False)
    try:
        scanner.check_text(body)
        opener = scanner.opener(body)
        if opener == b"{":
            return RpcBody((_call(body, 0, len(body), max_depth),), batch=False)
        if opener != b"[":
            scanner.check(body, max_depth)
            raise InvalidRequest("A JSON-RPC body is an object or an array of objects.")
        spans = list(islice(scanner.items(body, max_depth), max_batch + 1))
    except MalformedJson as error:
        raise ParseFault(f"The body could not be read as JSON: {error}.") from error
    if len(spans) > max_batch:
        raise TooLarge(f"The batch is too long: send at most {max_batch} requests at once.", limit=max_batch)
    return RpcBody(tuple(_call(body, start, end, max_depth - 1) for start, end in spans), batch=True)


def _call(body: bytes, start: int, end: int, max_depth: int) -> RpcCall:
    raw = body[start:end]
    if scanner.opener(raw) != b"{":
        raise InvalidRequest("An entry of the batch is no object.")
    found: dict[str, tuple[int, bytes]] = {}
    for member in scanner.members(raw, max_depth):
        name = scanner.decoded(member.name)
        # Some servers do not mind the case of names, that of a long s included.
        known = name.casefold()
        if known in _READ_ONCE:
            if known in found or known != name:
                raise InvalidRequest(f"The member {known!r} is given twice, or in capitals.")
            found[known] = (member.start, raw[member.start : member.end])
    token = found.get("method")
    if token is None or token[1][:1] != b'"':
        raise InvalidRequest("A request must name its method as a text.")
    params, identity = found.get("params"), found.get("id")
    return RpcCall(
        scanner.decoded(token[1]),
        params[1] if params else None,
        identity[1] if identity else None,
        start + identity[0] if identity else -1,
    )


def is_list(method: str) -> bool:
    """Whether the answer lists methods, so that a caller may see only a part of it."""
    return method in _LISTS


def named_method(call: RpcCall) -> str | None:
    """The method that `system.methodHelp` and `system.methodSignature` ask about; None if that cannot be read."""
    try:
        # A name given twice makes two values: servers differ in which of them they take.
        params: Any = json.loads(call.params or b"null", object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    values = [value for _, value in params] if isinstance(params, tuple) else params
    return values[0] if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str) else None


# --- lists ---------------------------------------------------------------------------------------------------


def filtered(body: bytes, allowed: Callable[[str], bool]) -> bytes | None:
    """An answer whose lists of methods hold only what is allowed; the same bytes where that is all of them.

    None = it cannot be read, and must not pass: nobody knows what it tells.
    """
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    answers = answer if isinstance(answer, list) else [answer]
    before = json.dumps(answer)
    for one in answers:
        if isinstance(one, dict) and "result" in one:
            one["result"] = _pruned(one["result"], allowed)
    after = json.dumps(answer)
    return body if after == before else after.encode()


def _pruned(result: Any, allowed: Callable[[str], bool]) -> Any:
    if isinstance(result, list):  # system.listMethods
        return [one for one in result if not (name := _name(one)) or _may_see(name, allowed)]
    if not isinstance(result, dict):
        return result
    for member in ("procs", "methods"):
        listed = result.get(member)
        if isinstance(listed, list):
            result[member] = [one for one in listed if _may_see(_name(one), allowed)]
        elif isinstance(listed, dict):
            result[member] = {name: one for name, one in listed.items() if _may_see(name, allowed)}
    return result


def _name(described: Any) -> str:
    name = described.get("name") if isinstance(described, dict) else described
    return name if isinstance(name, str) else ""


def _may_see(name: str, allowed: Callable[[str], bool]) -> bool:
    return is_introspection(name) or allowed(name)


# --- answers that serve again --------------------------------------------------------------------------------


def without_id(body: bytes, call: RpcCall) -> bytes:
    """A single call's body with its id taken out: equal for calls that the upstream answers alike but for the id."""
    if call.id is None:
        return body
    return body[: call.at] + b"\0" + body[call.at + len(call.id) :]


def split_answer(body: bytes, token: bytes) -> tuple[bytes, bytes] | None:
    """What stands before and behind the id in an answer to the call of this id; None where it is not just echoed.

    An answer that is no plain result (an error, anything odd) is None too.
    """
    try:
        scanner.check_text(body)
        found = list(scanner.members(body))
    except MalformedJson:
        return None
    spans = {scanner.decoded(member.name): member for member in found}
    echoed, error = spans.get("id"), spans.get("error")
    if len(spans) < len(found) or echoed is None or "result" not in spans:
        return None
    if error is not None and body[error.start : error.end] != b"null":
        return None
    if body[echoed.start : echoed.end] != token:
        return None
    return body[: echoed.start], body[echoed.end :]
