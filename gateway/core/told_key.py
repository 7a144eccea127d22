"""What does a key say, in words? The inverse of `keys.key`, for people."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

_LONGEST_NUMBER: Final = 10
_SHOWN: Final = 512
_ABSENT: Final = (b"-", b"")


class ToldKey(Struct, frozen=True):
    """The parts of a key.

    `target` is what is called upstream. `whom` is the issuer and subject of the principal that it is for, None = everyone.
    `what` are the other frames as they stand there, each with its kind (see `keys`): parameters, or a request.
    """

    service: str
    target: str
    whom: tuple[str, str] | None
    what: tuple[tuple[bytes, bytes], ...]


def told(key: bytes) -> ToldKey | None:
    """The parts of a key; None for bytes that are none."""
    try:
        (first, service), (second, target), (third, person), *rest = frames(key)
        if (first, second, third) != (b"s", b"m", b"p") or not rest:
            return None
        whom = None if person == b"*" else _person(person)
        return ToldKey(service.decode(), target.decode("utf-8", "surrogatepass"), whom, tuple(rest))
    except ValueError:  # also what cannot be unpacked or decoded
        return None


def frames(key: bytes) -> list[tuple[bytes, bytes]]:
    """The framed parts of a key, each with its kind; absent parameters are `-`. Raises `ValueError`."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(key):
        if key[at : at + 1] == b"-":
            found.append(_ABSENT)
            at += 1
            continue
        colon = key.find(b":", at, at + _LONGEST_NUMBER + 2)
        length = key[at + 1 : colon] if colon > at else b""
        end = colon + 1 + int(length) if length.isdigit() else len(key) + 1
        if end > len(key):
            raise ValueError("no key: a part of it is cut off")
        found.append((key[at : at + 1], key[colon + 1 : end]))
        at = end
    return found


def _person(frame: bytes) -> tuple[str, str]:
    (_, issuer), (_, subject), *_ = frames(frame)
    return issuer.decode(), subject.decode()


def in_words(key: ToldKey) -> dict[str, Any]:
    """The parts as JSON shows them; of parameters that are too long, their digest."""
    said: dict[str, Any] = {"service": key.service, "target": _text(key.target.encode("utf-8", "replace"))}
    said["for"] = (
        "everyone" if key.whom is None else {"issuer": _plain(key.whom[0]), "subject": _plain(key.whom[1])}
    )
    others: list[str] = []
    for kind, part in key.what:
        match kind:
            case b"-":
                said["params"] = None
            case b"j":
                said["params"] = _text(part)
            case b"d":
                said["params"] = _digest(part)
            case b"h":
                said["verb"] = _text(part)
            case b"t":
                said["path"] = _text(part)
            case b"b":
                said["body"] = _digest(part)
            case b"f":
                if part:
                    said.setdefault("fields", []).append(_text(part))
            case _:
                others.append(f"{_text(kind)}: {_text(part)}")
    return said | {"others": others} if others else said


def _digest(part: bytes) -> dict[str, Any]:
    """A digest of 32 bytes, and behind it the length of what it stands for."""
    return {"digest": part[:32].hex(), "bytes": int(part[32:]) if part[32:].isdigit() else None}


def _text(part: bytes) -> str:
    whole = part.decode("utf-8", "replace")
    return whole if len(whole) <= _SHOWN else f"{whole[:_SHOWN]}…"


def _plain(text: str) -> str:
    return _text(text.encode("utf-8", "replace"))
