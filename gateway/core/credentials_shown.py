"""What of a request shows to a service who asks, and what looks as if it did?"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from gateway.core.places import cookie_names, set_name
from gateway.core.reply import Fields


def without_cookies(fields: Fields, names: frozenset[bytes]) -> Fields:
    """A reply's fields without those that set cookies of these names."""
    if not names:
        return fields
    return tuple(
        field for field in fields if field[0].lower() != b"set-cookie" or set_name(field[1]) not in names
    )


def without_sent_cookies(fields: Fields, names: frozenset[bytes]) -> Fields:
    """A request's fields without cookies of these names; other fields, and cookies, stay as they are."""
    kept: list[tuple[bytes, bytes]] = []
    for field in fields:
        if field[0].lower() != b"cookie":
            kept.append(field)
            continue
        pairs = cookie_names(field[1])
        others = [pair for name, pair in pairs if name not in names]
        if len(others) == len(pairs):
            kept.append(field)
        elif others:
            kept.append((field[0], b"; ".join(others)))
    return tuple(kept)


def without_secrets(query: bytes, names: frozenset[bytes]) -> tuple[bytes, tuple[bytes, ...]]:
    """A query (with its `?`, or empty) without the parameters of these names, and these as they were written.

    Other parameters stay as they are.
    """
    if not names or not query:
        return query, ()
    pairs = query[1:].split(b"&")
    secrets = [pair for pair in pairs if _name(pair) in names]
    if not secrets:
        return query, ()
    others = b"&".join(pair for pair in pairs if _name(pair) not in names)
    return b"?" + others if others else b"", tuple(secrets)


def _name(pair: bytes) -> bytes:
    return unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" "))
