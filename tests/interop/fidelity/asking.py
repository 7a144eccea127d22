"""What is a case, and how does it say what the upstream is to answer?"""

import base64
import json
from dataclasses import dataclass, replace

from fidelity.raw import Fields, Framing, Request

SCRIPTED = ("node", "uvicorn", "werkzeug")
"""The upstreams that answer as a request says, and tell what they saw."""

OCTETS = bytes(range(256))

REASONED = frozenset({"node", "werkzeug"})
"""Those that take any reason phrase."""


@dataclass(frozen=True, slots=True)
class Server:
    """An upstream: its name, and its host and port as a URL has them."""

    name: str
    authority: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """Requests that follow each other on one connection; fields in `changing` are the upstream's to make anew."""

    name: str
    requests: tuple[Request, ...]
    changing: frozenset[bytes] = frozenset({b"date"})


@dataclass(frozen=True, slots=True)
class Script:
    """What an upstream is to answer; see upstreams/fidelity_script.py. Only Node knows `interim` and `trailers`."""

    status: int = 200
    reason: bytes = b"OK"
    fields: Fields = ()
    body: bytes = b"ok"
    times: int = 1
    framing: Framing = "length"
    pieces: int = 1
    interim: tuple[int, ...] = ()
    trailers: Fields = ()

    def written(self) -> tuple[bytes, bytes]:
        """The field of a request that asks for it."""
        told: dict[str, object] = {
            "status": self.status,
            "reason": self.reason.decode("latin-1"),
            "fields": _texts(self.fields),
            "body": self.body.decode("latin-1"),
            "times": self.times,
            "framing": self.framing,
            "pieces": self.pieces,
        }
        if self.interim:
            told["interim"] = self.interim
        if self.trailers:
            told["trailers"] = _texts(self.trailers)
        return b"X-Script", base64.b64encode(json.dumps(told).encode())


def one(name: str, request: Request, script: Script | None = None) -> Case:
    """One request; `script` is put before its other fields."""
    return Case(name, (with_script(request, script),), _changing(script))


def with_script(request: Request, script: Script | None) -> Request:
    """The request with the script that it carries."""
    return request if script is None else replace(request, fields=(script.written(), *request.fields))


def _changing(script: Script | None) -> frozenset[bytes]:
    dated = script is not None and any(name.lower() == b"date" for name, _ in script.fields)
    return frozenset() if dated else frozenset({b"date"})


def _texts(fields: Fields) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields]


def short(data: bytes) -> str:
    """The bytes as a part of a case's name."""
    text = data.decode("latin-1")
    return text if len(text) <= 60 else f"{text[:40]}… ({len(text)})"
