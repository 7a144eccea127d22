"""What does a scripted gate answer to a request?"""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from labgate._codec import Encoder, decode_json, decode_msgpack
from labgate._names import closest
from labgate.errors import BadReply, Error, GateUnreachable, NotFound, RemoteError, UnknownDatastack
from labgate.testing._faults import error_object, outright, status_of, waiting
from labgate.testing._paths import answered
from labgate.testing._serving import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from labgate.testing._offer import Offer
    from labgate.testing._serving import Asked
    from labgate.testing._troubles import Troubles

    class Record(Protocol):
        """Where it is written down; lists that a test may put others in the place of."""

        calls: list[Call]
        requests: list[tuple[str, str]]
        raised: list[Exception]


_JSON = {"Content-Type": "application/json"}
_MSGPACK = {"Content-Type": "application/msgpack"}
_NPY = {"Content-Type": "application/x-npy"}


class Call(NamedTuple):
    """A call that came: the method's whole name, and the parameters as they came, by name or by position."""

    method: str
    params: Any


class Answering:
    """Answers requests by what a gate offers and what is the matter with it, and has what came written down."""

    def __init__(self, offer: Offer, troubles: Troubles, record: Record) -> None:
        self._record = record
        self._offer = offer
        self._troubles = troubles
        self._encoder = Encoder()

    def respond(self, asked: Asked) -> Reply | None:
        """The answer to a request; None ends the connection without one."""
        self._record.requests.append((asked.verb, asked.target))
        target = urlsplit(asked.target)
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        path = target.path
        stack = query.get("datastack")
        if path.startswith("/rpc/") and asked.verb == "POST":
            stack = unquote(path.removeprefix("/rpc/"))
            path = "/rpc"
        if stack not in self._offer:
            error = UnknownDatastack(
                f"no datastack is called {stack!r}", data={"datastacks": self._offer.stacks()}
            )
            error.http_status = 404 if asked.verb == "GET" else 200
            return outright(error, None)
        reply: Reply | None
        if path == "/openrpc.json":
            reply = self._list(asked, stack)
        elif path == "/rpc" and asked.verb == "POST":
            reply = self._called(asked, stack)
        elif path.startswith("/rpc/"):
            reply = self._plainly(unquote(path.removeprefix("/rpc/")), query, stack)
        elif path == "/-/whoami":
            said = {"subject": "scripted", "issuer": "labgate.testing", "groups": [], "scopes": []}
            reply = Reply(200, json.dumps(said).encode("ascii"), _JSON)
        else:
            reply = answered(self._offer.paths, asked, self._encoder)
        if reply is not None:
            reply.fields.setdefault("Labgate-Catalog", self._offer.version(stack))
        return reply

    def _list(self, asked: Asked, stack: str | None) -> Reply:
        tag = f'"{self._offer.version(stack)}"'
        if asked.fields.get("if-none-match") == tag:
            return Reply(304, b"", {"ETag": tag})
        return Reply(200, self._offer.document(stack), {**_JSON, "ETag": tag})

    def _called(self, asked: Asked, stack: str | None) -> Reply | None:
        packed = "msgpack" in asked.fields.get("content-type", "")
        try:
            call = (decode_msgpack if packed else decode_json)(asked.body)
        except BadReply:
            error = {"code": -32700, "message": "the body cannot be read", "data": {"fault": "ParseFault"}}
            return Reply(200, json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode(), _JSON)
        accepts = asked.fields.get("accept", "")
        packs = packed or accepts.startswith("application/msgpack") or ", application/msgpack" in accepts
        if isinstance(call, list):
            answers = [self._entry(one, stack) for one in call]
            if any(answer is None for answer in answers):
                return None
            return self._encoded(answers, packs=packs)
        name = str(call.get("method")) if isinstance(call, dict) else ""
        try:
            result = self._outcome(name, call.get("params"), stack)
        except Exception as error:  # noqa: BLE001 - what a service raises is its answer
            return outright(error, call.get("id") if isinstance(call, dict) else None)
        return self._encoded({"jsonrpc": "2.0", "id": call.get("id"), "result": result}, packs=packs)

    def _entry(self, call: Any, stack: str | None) -> dict[str, Any] | None:
        """One answer of a batch; None where it ends the connection."""
        answer = {"jsonrpc": "2.0", "id": call.get("id")}
        try:
            return {**answer, "result": self._outcome(str(call.get("method")), call.get("params"), stack)}
        except GateUnreachable:
            return None
        except Exception as error:  # noqa: BLE001 - as above
            return {**answer, "error": error_object(error)}

    def _encoded(self, answer: Any, *, packs: bool) -> Reply:
        try:
            body, packed = self._encoder.encode(answer) if packs else (b"", False)
        except UnicodeEncodeError:  # msgpack cannot say half a surrogate pair
            body, packed = b"", False
        return Reply(200, body or self._encoder.encode_json(answer), _MSGPACK if packed else _JSON)

    def _plainly(self, name: str, query: dict[str, str], stack: str | None) -> Reply | None:
        """A safe method by its plain URL."""
        form = query.pop("format", "json")
        query.pop("datastack", None)
        try:
            result = self._outcome(name, {word: _value(text) for word, text in query.items()}, stack)
        except GateUnreachable:
            return None
        except Exception as error:  # noqa: BLE001 - as above
            status = status_of(error) if status_of(error) != 200 else 400
            body = json.dumps(error_object(error)).encode("ascii")
            return Reply(status, body, {**_JSON, **waiting(error)})
        if form == "npy":
            import io

            import numpy as np

            file = io.BytesIO()
            np.save(file, np.ascontiguousarray(result), allow_pickle=False)
            return Reply(200, file.getvalue(), _NPY)
        return Reply(200, self._encoder.encode_json(result), _JSON)

    def _outcome(self, name: str, params: Any, stack: str | None) -> Any:
        known = self._offer.known(stack)
        self._record.calls.append(Call(name, params))
        if name not in known:
            raise NotFound(f"no method {name!r}", data={"did_you_mean": closest(name, known)})
        error = self._troubles.met(name)
        if error is not None and not isinstance(error, GateUnreachable):
            raise error
        try:
            result = known[name].call(params)
        except Error:
            raise
        except Exception as wrong:
            self._record.raised.append(wrong)
            raise
        if error is not None:
            raise error
        try:
            if not hasattr(result, "dtype"):  # arrays can, and are long
                self._encoder.encode_json(result)
        except (TypeError, ValueError, RecursionError) as wrong:
            self._record.raised.append(wrong)
            raise RemoteError(f"{name} answered what cannot be sent: {wrong}") from wrong
        return result


def _value(text: str) -> Any:
    """An argument of a plain URL: JSON where it is JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text
