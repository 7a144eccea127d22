"""When is a request of a replayed run the one that was recorded?

What is asked counts, and not how it is written: calls by method and parameters, in JSON or msgpack, and whatever their
id and header fields are; other requests by verb, target, body, and the conditions under which they are asked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

from labgate._codec import decode_msgpack
from labgate._names import printable
from labgate.errors import Error
from labgate.testing._masking import MASK, is_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate.testing._masking import Masks
    from labgate.testing._serving import Asked

_CONDITIONS = ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "cache-control")
_LONGEST_TEXT = 2000
_LONGEST_SHOWN = 4000
LIST = "/openrpc.json"


class Question:
    """A request, as it is known again.

    Attributes:
        label: what is asked in a few words: a method's whole name, or verb and target.
        said: the parameters for eyes; may be cut.
        key: equal for equal questions.
        calls: the calls that it is made of: what asks for each of them alone, and the id that it has here.
    """

    __slots__ = ("calls", "key", "label", "said")

    def __init__(self, label: str, said: Any, whole: Any) -> None:
        self.calls: list[tuple[Question, Any]] = []
        self.label = label
        shown = _written(said)
        self.said = said if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN]
        self.key = hashlib.sha256(_written(whole).encode("ascii")).hexdigest()[:24]


def question_of(asked: Asked, masks: Masks) -> Question:
    """The question that a request asks; no secret is part of it."""
    target = urlsplit(asked.target)
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    if asked.verb == "POST" and (target.path.endswith("/rpc") or "/rpc/" in target.path):
        stack = query.get("datastack") or unquote(target.path.rpartition("/rpc")[2].strip("/")) or None
        found = _call(asked, stack, masks)
        if found is not None:
            return found
    if asked.verb in ("GET", "HEAD") and "/rpc/" in target.path:
        return _plain_call(asked, target.path.rpartition("/rpc/")[2], query, masks)
    shown = masks.target(asked.target)
    own = "/-/" in target.path  # what is said there may be nothing but a secret
    body = "" if own or not asked.body else hashlib.sha256(asked.body).hexdigest()
    conditions = {
        name: asked.fields[name]
        for name in _CONDITIONS
        if name in asked.fields and not target.path.endswith(LIST)
    }
    said = {"conditions": conditions} if conditions else {}
    if body:
        said["body"] = f"{len(asked.body)} bytes, sha256 {body[:16]}"  # type: ignore[assignment]
    return Question(f"{asked.verb} {shown}", said or None, [asked.verb, shown, body, conditions])


def _plain_call(asked: Asked, name: str, query: dict[str, str], masks: Masks) -> Question:
    """The question of a safe method's plain URL."""
    params = canonical(query, masks)
    whole = [asked.verb, name, params, asked.fields.get("cache-control")]
    return Question(printable(unquote(name), 200), params, whole)


def _call(asked: Asked, stack: str | None, masks: Masks) -> Question | None:
    """The question of a JSON-RPC body; None where that is none."""
    try:
        body = (
            decode_msgpack(asked.body)
            if "msgpack" in asked.fields.get("content-type", "")
            else json.loads(asked.body)
        )
    except (Error, ValueError, RecursionError):
        return None
    freshness = asked.fields.get("cache-control")
    calls = body if isinstance(body, list) else [body]
    if not calls or not all(isinstance(one, dict) and isinstance(one.get("method"), str) for one in calls):
        return None
    asks = [[one["method"], canonical(one.get("params"), masks)] for one in calls]
    alone = [
        Question(printable(method, 200), params, ["rpc", stack, freshness, [[method, params]], False])
        for method, params in asks
    ]
    if isinstance(body, list):
        names = [printable(one["method"], 200) for one in calls]
        label = f"batch of {len(names)}: {', '.join(names[:5])}" + (", ..." if len(names) > 5 else "")
        found = Question(label, [params for _, params in asks], ["rpc", stack, freshness, asks, True])
    else:
        found = alone[0]
    found.calls = [(one, call.get("id")) for one, call in zip(alone, calls, strict=True)]
    return found


def canonical(value: Any, masks: Masks, depth: int = 0) -> Any:
    """A value as it is compared and shown: members in order, arrays and long texts by their digest, secrets masked."""
    if depth > 300:
        return "..."
    if isinstance(value, dict):
        if len(value) == 1 and (found := _marked(value)) is not None:
            return found
        members = ((str(name), one) for name, one in value.items())
        return {
            name: MASK if is_secret(name) and isinstance(one, str) else canonical(one, masks, depth + 1)
            for name, one in sorted(members, key=lambda member: member[0])
        }
    if isinstance(value, (list, tuple)):
        return [canonical(one, masks, depth + 1) for one in value]
    if isinstance(value, (bytes, bytearray)):
        return {"$binary": _digest(value)}
    if isinstance(value, str):
        text = masks.text(value)
        if len(text) <= _LONGEST_TEXT:
            return text
        return {"$text": _digest(text.encode("utf-8", "surrogatepass"))}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return {"$ndarray": [value.dtype.str, [*value.shape], _digest(value.tobytes())]}
    return value


def _marked(value: dict[Any, Any]) -> Any:
    """JSON's forms of bytes and arrays, as the values that they mean; None for others."""
    try:
        array = value.get("$ndarray")
        if isinstance(array, dict):
            data = base64.b64decode(array["base64"])
            return {"$ndarray": [array["dtype"], array["shape"], _digest(data)]}
        binary = value.get("$binary")
        if isinstance(binary, dict):
            return {"$binary": _digest(base64.b64decode(binary["base64"]))}
    except (KeyError, TypeError, binascii.Error):
        return None
    return None


def _digest(data: bytes | bytearray) -> str:
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:24]}"


def _written(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=repr)
