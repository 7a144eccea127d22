"""What does every HTTP caller of these tests do, and what does it tell of it?

A caller is run as `python with_NAME.py BASE SIDE [TOKEN]`: what it asks goes below BASE, with the token; by SIDE,
the upstream's own address, it asks what the upstream saw. It prints one JSON document of outcomes.
"""

import hashlib
import json
import random
import sys
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urljoin

MANY = 200
LARGE = 20 * 1024 * 1024
ODD_TARGET = "/echo/a%20b/%C3%A9/c%2Cd;e=1/x:y@z?q=a%2Fb&q=&=x&plus=a+b"

Body = bytes | Iterable[bytes] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a library gave: fields in their order, the URL that it ended at, and statuses that came before."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes
    url: str
    earlier: tuple[int, ...] = ()


class Caller(Protocol):
    """A library, made to do the same as the others. `follows` says whether it follows redirects of a GET."""

    follows: bool

    def ask(self, verb: str, path: str, fields: dict[str, str] | None = None, body: Body = None) -> Answer:
        """One exchange below the base; an iterable body is sent chunked."""

    def leave(self, path: str) -> bytes:
        """Begin a GET, read the first piece of its body, and go away."""

    def many(self, paths: list[str]) -> tuple[list[bytes], int | None]:
        """The bodies of GETs one after the other, and how many connections they took, if that can be known."""

    def cookie_paths(self) -> list[str] | None:
        """The paths of the cookies that are kept, if cookies are kept."""


def base() -> str:
    """Where to ask."""
    return sys.argv[1]


def credential() -> dict[str, str]:
    """The fields that carry the token, if there is one."""
    return {"Authorization": f"Bearer {sys.argv[3]}"} if len(sys.argv) > 3 else {}


def side(verb: str, path: str) -> bytes:
    """Ask or tell the upstream itself."""
    request = urllib.request.Request(sys.argv[2] + path, method=verb)
    with urllib.request.urlopen(request, timeout=60) as response:
        return bytes(response.read())


def told(answer: Answer) -> dict[str, Any]:
    """An answer, as outcomes say it: JSON as it is, other bodies by size and digest, Location as a whole URL."""
    fields = [
        [name, urljoin(answer.url, v) if name.lower() == "location" else v] for name, v in answer.fields
    ]
    outcome: dict[str, Any] = {
        "status": answer.status,
        "reason": answer.reason,
        "url": answer.url,
        "fields": fields,
    }
    outcome["earlier"] = list(answer.earlier)
    if any(name.lower() == "content-type" and value == "application/json" for name, value in answer.fields):
        try:
            return outcome | {"json": json.loads(answer.body)}
        except ValueError:
            pass  # still gzip'd: not every library undoes it
    return outcome | {"size": len(answer.body), "sha256": hashlib.sha256(answer.body).hexdigest()}


def pieces(data: bytes, size: int = 65536) -> Iterator[bytes]:
    """The data, a piece at a time."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def tell(caller: Caller) -> None:
    """Do everything and print what came of it."""
    outcomes = (
        verbs(caller) | large_bodies(caller) | odd_answers(caller) | redirects(caller) | cookies(caller)
    )
    bodies, connections = caller.many([f"/echo?n={number}" for number in range(MANY)])
    targets = [json.loads(body)["target"] for body in bodies]
    outcomes["many"] = {"targets": targets, "connections": connections}
    name = uuid.uuid4().hex
    outcomes["leave"] = caller.leave(f"/held/{name}").decode()
    side("GET", f"/gone/{name}")
    print(json.dumps(outcomes))


def verbs(caller: Caller) -> dict[str, Any]:
    """Each verb, with and without a body."""
    kind = {"Content-Type": "application/json", "X-Mixed-Case": "caf\xe9"}
    document = b'{"a": 1e400, "b": NaN, "c": 123456789012345678901234567890}'
    asked = {
        "get": caller.ask("GET", "/echo?a=1"),
        "odd target": caller.ask("GET", ODD_TARGET),
        "base": caller.ask("GET", ""),
        "options": caller.ask("OPTIONS", "/echo"),
        "head": caller.ask("HEAD", "/bytes/1000"),
        "delete with body": caller.ask("DELETE", "/echo", {"Content-Type": "text/plain"}, b"why not"),
    }
    asked |= {verb: caller.ask(verb, "/echo", kind, document) for verb in ("POST", "PUT", "PATCH")}
    return {name: told(answer) for name, answer in asked.items()}


def large_bodies(caller: Caller) -> dict[str, Any]:
    """20 MiB up and down, known and unknown in length; then what was put is had back, deleted, and gone."""
    data = random.Random(1).randbytes(LARGE)
    binary = {"Content-Type": "application/octet-stream"}
    outcomes = {
        "upload": told(caller.ask("PUT", "/store/large", binary, data)),
        "had back": told(caller.ask("GET", "/store/large")),
        "delete": told(caller.ask("DELETE", "/store/large")),
        "deleted": told(caller.ask("GET", "/store/large")),
        "chunked upload": told(caller.ask("POST", "/echo", binary, pieces(data))),
        "download": told(caller.ask("GET", f"/bytes/{LARGE}")),
        "streamed": told(caller.ask("GET", "/streamed/2000")),
    }
    digest = hashlib.sha256(data).hexdigest()
    arrived = [outcomes[name]["json"]["sha256"] for name in ("upload", "chunked upload")]
    tag = dict(map(tuple, outcomes["download"]["fields"]))
    etag = next(value for name, value in tag.items() if name.lower() == "etag").strip('"')
    outcomes["intact"] = arrived == [digest] * 2 and outcomes["had back"]["sha256"] == digest
    outcomes["intact"] = outcomes["intact"] and outcomes["download"]["sha256"] == etag
    return outcomes


def odd_answers(caller: Caller) -> dict[str, Any]:
    """Parts, compression, statuses that are no success, and no body at all."""
    etag = next(v for name, v in caller.ask("HEAD", "/bytes/1000").fields if name.lower() == "etag")
    asked = {
        "range": caller.ask("GET", "/bytes/1000", {"Range": "bytes=100-299"}),
        "range beyond": caller.ask("GET", "/bytes/1000", {"Range": "bytes=1000-1001"}),
        "not modified": caller.ask("GET", "/bytes/1000", {"If-None-Match": etag}),
        "gzip": caller.ask("GET", "/gzip"),
        "missing": caller.ask("GET", "/nowhere"),
        "empty": caller.ask("GET", "/bytes/0"),
    }
    asked |= {str(status): caller.ask("GET", f"/status/{status}") for status in (400, 409, 418, 500, 503)}
    return {name: told(answer) for name, answer in asked.items()}


def redirects(caller: Caller) -> dict[str, Any]:
    """Named by path and by whole URL, and one that a POST has to survive."""
    outcomes = {
        f"redirect {status} {form}": told(caller.ask("GET", f"/redirect/{status}/{form}"))
        for status in (301, 302, 303, 307, 308)
        for form in ("path", "full")
    }
    if not caller.follows:
        return outcomes
    outcomes["followed"] = all(
        one["json"]["target"] == "/echo/landed?from=redirect" for one in outcomes.values()
    )
    return outcomes


def cookies(caller: Caller) -> dict[str, Any]:
    """Set, kept and sent back."""
    outcomes: dict[str, Any] = {"login": told(caller.ask("GET", "/login"))}
    outcomes["logged in"] = told(caller.ask("GET", "/echo"))
    outcomes["logged in, in a part"] = told(caller.ask("GET", "/echo/part/one"))
    outcomes["cookie paths"] = caller.cookie_paths()
    return outcomes
