"""The parser's edges as bytes: what edges.yaml tells, for one door."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

BODY = b'{"jsonrpc":"2.0","id":1,"method":"system.listMethods"}'
"""What every door takes."""

PASS = "pass"
_often = re.compile(rb"\{(\d+)\*([^}]*)\}")
_length = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)")
_part = re.compile(rb"\{body:(\d+):(\d+)\}")


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and what is said to it: `pass`, or the status that refuses it."""

    name: str
    data: bytes
    verdict: str | int
    stays: bool

    @property
    def body(self) -> bytes:
        """The body of a request that is let in, without its frames."""
        head, _, rest = self.data.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if b"\r\ntransfer-encoding:" not in head.lower():
            found = _length.search(head.lower())
            return rest[: int(found[1])] if found else b""
        body = b""
        while size := int(rest.partition(b"\r\n")[0].partition(b";")[0], 16):
            rest = rest.partition(b"\r\n")[2]
            body, rest = body + rest[:size], rest[size + 2 :]
        return body

    @property
    def target(self) -> bytes:
        """The path and the query of the request line, as they stand."""
        target = self.data.lstrip(b"\r\n").split(b" ", 2)[1]
        return target if target.startswith(b"/") else b"/" + target.partition(b"://")[2].partition(b"/")[2]

    @property
    def passes(self) -> bool:
        """Whether it is let in."""
        return self.verdict == PASS

    @property
    def verb(self) -> bytes:
        """Of the request line."""
        return self.data.lstrip(b"\r\n").partition(b" ")[0]

    def shown_by(self, token: str) -> bytes:
        """The request with a credential, and what its body is, behind its header lines, where there is an end of them."""
        lines = b"\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n\r\n" % token.encode()
        begins = len(self.data) - len(self.data.lstrip(b"\r\n"))
        return self.data[:begins] + self.data[begins:].replace(b"\r\n\r\n", lines, 1)


def cases(door: str, target: bytes) -> Iterator[Case]:
    """Every case that makes sense at a door, for a target of that door's; `{n}` in it is the number of the case."""
    number, told = 0, yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
    for theme, entries in told.items():
        for one in entries:
            if door in one.get("at", (door,)):
                number += 1
                data = _expanded(_written(one), target.replace(b"{n}", b"%d" % number))
                yield Case(f"{theme}: {one['name']}", data, one["verdict"], one.get("stays", False))


def _written(one: dict[str, object]) -> bytes:
    if "raw" in one:
        return str(one["raw"]).encode("latin-1")
    lines = [one.get("line", "POST {target} HTTP/1.1"), "Host: h", *one.get("fields", ())]  # type: ignore[misc]
    return ("\r\n".join(map(str, lines)) + "\r\n\r\n" + str(one.get("body", ""))).encode("latin-1")


def _expanded(data: bytes, target: bytes) -> bytes:
    data = _often.sub(lambda found: int(found[1]) * found[2], data)
    data = _part.sub(lambda found: BODY[int(found[1]) : int(found[2])], data)
    data = data.replace(b"{target}", target).replace(b"{body}", BODY)
    if b"{size}" in data:
        length = len(data.partition(b"{size}\r\n")[2]) - len(b"\r\n0\r\n\r\n")
        return data.replace(b"{size}", b"%x" % length)
    return data.replace(b"{length}", b"%d" % len(data.partition(b"\r\n\r\n")[2]))
