"""What does the first settings file of a lab look like, once its services were asked?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_RESERVED = frozenset({"rpc", "system", "mcp"})
_SHOWN = 4
"""Methods that are named in a comment."""
_LONGEST = 80
_READS = ("get", "list", "read", "find", "search", "describe")

_HEAD = """\
# Settings of a labgate, made by `labgated init`. config/lab.yaml shows every key, `labgated check` every mistake.
# A change of this file is taken while the gate runs.

listen: 127.0.0.1:8700 # callers; beyond this machine it needs `tls`, or a proxy with TLS in front
operator: {listen: 127.0.0.1:8701} # the console, status and numbers

# Who may do what: the first that fits counts, and what nothing allows is refused. A token for yourself:
#   labgated token create --subject YOU --group operators
policies:
  - {to: ["group:operators"], allow: ["*", "/**"], operate: true}
  - {to: ["group:lab"], allow: ["*", "/**"]} # every method, and every path below the mounts

# What the gate stands before. If one asks for a password or a licence, the gate sends it: headers: {License-ID: "${env:LICENSE_ID}"}
services:
"""


@dataclass(frozen=True)
class Found:
    """A service that was asked. `dialect` is empty and `why` says how, if it has not answered.

    `names` are those of its methods; `rpc_path` is where a JSON-RPC service takes calls.
    """

    name: str
    url: str
    dialect: str = ""
    convention: str = ""
    version: str = ""
    names: tuple[str, ...] = ()
    rpc_path: str | None = None
    why: str = ""


def named(url: str, dialect: str, taken: Sequence[str]) -> str:
    """A name for the service at this address that no other has."""
    host = (urlsplit(url).hostname or "").partition(".")[0].lower()
    word = re.sub(r"[^a-z0-9_]+", "_", host).strip("_")
    if word in _RESERVED or word == "localhost" or not re.match(r"[a-z]", word):
        word = {"": "service", "listed": "pages", "jsonrpc": "methods", "openapi": "rest"}.get(
            dialect, dialect
        )
    number, name = 2, word
    while name in taken:
        number, name = number + 1, f"{word}{number}"
    return name


def written(services: Sequence[Found]) -> str:
    """The file, which says why it is so in comments."""
    return _HEAD + "\n".join(line for one in services for line in _service(one)) + "\n"


def _service(one: Found) -> Iterator[str]:
    yield f"  {one.name}:"
    for comment in _comments(one):
        yield f"    # {comment}"
    if one.dialect:
        yield f"    dialect: {one.dialect}"
    yield f"    url: {json.dumps(one.url)}"
    if one.rpc_path:
        yield f"    rpc_path: {json.dumps(one.rpc_path)}"
    yield f"    mount: /{one.name} # its own clients reach it below this path, byte for byte"
    reads = sorted({f"{verb}_*" for verb in _READS for name in one.names if name.startswith(f"{verb}_")})
    if one.dialect == "jsonrpc" and reads:
        yield "    # It does not say which methods change nothing. If these do not, they may be answered from the cache:"
        yield "    # methods:"
        for glob in reads:
            yield f'    #   "{glob}": {{safe: true, cache: {{fresh: 5s, share: everyone}}}}'


def _comments(one: Found) -> Iterator[str]:
    if not one.dialect:
        yield f"It has not answered: {_plain(one.why)}"
        yield "The gate asks it again and again; what it speaks is found out then (dialect: auto)."
        return
    said = " ".join(word for word in (_plain(one.convention), _plain(one.version)) if word)
    if one.dialect == "listed":
        yield "It does not describe itself: what it has is reached below its mount; `methods` may name some of it."
        return
    shown = ", ".join(_plain(name) for name in one.names[:_SHOWN])
    more = ", …" if len(one.names) > _SHOWN else ""
    yield f"It says what it can do ({said or one.dialect}): {len(one.names)} methods{f': {shown}{more}' if shown else ''}"


def _plain(text: str) -> str:
    """What a service has said, fit for a comment: one line, without control characters, not long."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(line.split())[:_LONGEST]
