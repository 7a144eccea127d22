"""What does a key say, in words? The inverse of what makes keys, for people.

A key is a row of parts, each framed by its kind and length: see `keys`. Where the target of an HTTP request is the
last part it needs no length and has none. The key of one of several replies to a request holds that of the request,
and what was said in the fields by which they differ.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, structs

_LONGEST_NUMBER: Final = 10
_SHOWN: Final = 512
_ABSENT: Final = (b"-", b"")
_WHOM: Final = (b"p", b"r")
REQUEST: Final = "http"
"""What stands for the target where a request says itself what is asked for."""
_TEXTS: Final = {b"j": "params", b"h": "verb", b"t": "path"}
_DIGESTS: Final = {b"d": "params", b"b": "body"}


class ToldKey(Struct, frozen=True):
    """The parts of a key.

    `target` is what is called upstream, None where that is what the request in `what` says. `whom` is the issuer and
    subject of the principal that it is for, or the right of those whom it is for; None = everyone. `what` are the other
    parts as they stand there, each with its kind: parameters, or a request.
    """

    service: str
    target: str | None
    whom: tuple[str, str] | str | None
    what: tuple[tuple[bytes, bytes], ...]

    def part(self, kind: bytes) -> bytes | None:
        """The first of the other parts that is of this kind."""
        return next((part for found, part in self.what if found == kind), None)


def told(key: bytes) -> ToldKey | None:
    """The parts of a key; None for bytes that are none."""
    try:
        parts = frames(key)
        if len(parts) > 1 and parts[1][0] == b"v":
            whole = _told(frames(parts[1][1]))
            return None if whole is None else structs.replace(whole, what=(*whole.what, *parts[2:]))
        return _told(parts)
    except ValueError:  # also what cannot be unpacked or decoded
        return None


def _told(parts: list[tuple[bytes, bytes]]) -> ToldKey | None:
    """The key that these are the parts of. Raises `ValueError`."""
    (first, service), (second, method), (third, person), *what = parts
    if (first, second) != (b"s", b"m") or third not in _WHOM or not what:
        return None
    target: str | None = method.decode("utf-8", "surrogatepass")
    if target == REQUEST and what[0][0] == b"h":
        target = None
    return ToldKey(service.decode(), target, _whom(third, person), tuple(what))


def frames(key: bytes) -> list[tuple[bytes, bytes]]:
    """The framed parts of a key, each with its kind; what is absent is `-`. Raises `ValueError`."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(key):
        kind = key[at : at + 1]
        if kind == b"-":
            found.append(_ABSENT)
            at += 1
            continue
        if key[at : at + 2] == b"t:":
            found.append((kind, key[at + 2 :]))
            break
        colon = key.find(b":", at, at + _LONGEST_NUMBER + 2)
        length = key[at + 1 : colon] if colon > at else b""
        end = colon + 1 + int(length) if length.isdigit() else len(key) + 1
        if end > len(key):
            raise ValueError("no key: a part of it is cut off")
        found.append((kind, key[colon + 1 : end]))
        at = end
    return found


def _whom(kind: bytes, part: bytes) -> tuple[str, str] | str | None:
    """Whom a part means: a principal, those who have a right, or everyone."""
    if kind == b"r":
        return part.decode("utf-8", "surrogatepass")
    if part == b"*":
        return None
    (_, issuer), (_, subject), *_ = frames(part)
    return issuer.decode(), subject.decode()


def in_words(key: ToldKey) -> dict[str, Any]:
    """The parts as JSON shows them; of parameters that are too long, their digest."""
    said: dict[str, Any] = {"service": _plain(key.service)}
    if key.target is not None:
        said["target"] = _plain(key.target)
    said["for"] = _told_of(key.whom)
    names: list[str] = []
    for kind, part in key.what:
        _add(said, names, kind, part)
    return said


def _add(said: dict[str, Any], names: list[str], kind: bytes, part: bytes) -> None:
    """Add one part; `names` are those of the fields that choose among several replies, in order."""
    match kind:
        case b"j" | b"h" | b"t":
            said[_TEXTS[kind]] = _text(part)
        case b"d" | b"b":
            said[_DIGESTS[kind]] = _digest(part)
        case b"-" if not names:
            said["params"] = None
        case b"c":
            # Only a digest of it is in the key, and not even that is anybody's.
            said["credential"] = "the caller's own for the service"
        case b"n":
            names.append(_text(part))
        case b"p" if names:
            said["for"] = _of_frame(part)
        case b"-" | b"f" if names:
            said.setdefault("vary", {})[names[-1]] = None if kind == b"-" else _text(part)
        case b"f":
            if part:
                said.setdefault("fields", []).append(_text(part))
        case _:
            said.setdefault("others", []).append(f"{_text(kind)}: {_text(part)}")


def _of_frame(part: bytes) -> dict[str, str] | str:
    try:
        return _told_of(_whom(b"p", part))
    except ValueError:
        return "?"


def _told_of(whom: tuple[str, str] | str | None) -> dict[str, str] | str:
    if whom is None:
        return "everyone"
    if isinstance(whom, str):
        return {"right": _plain(whom)}
    return {"issuer": _plain(whom[0]), "subject": _plain(whom[1])}


def _digest(part: bytes) -> dict[str, Any]:
    """A digest of 32 bytes, and behind it the length of what it stands for."""
    return {"digest": part[:32].hex(), "bytes": int(part[32:]) if part[32:].isdigit() else None}


def _text(part: bytes) -> str:
    whole = part.decode("utf-8", "replace")
    return whole if len(whole) <= _SHOWN else f"{whole[:_SHOWN]}…"


def _plain(text: str) -> str:
    return _text(text.encode("utf-8", "replace"))
