"""May a page of another origin ask this, and read the answer? (the Fetch standard, section 3.2)"""

from __future__ import annotations

from msgspec import Struct

from gateway.core.reply import Fields


class Cors(Struct, frozen=True):
    """What a service allows to pages of other origins; texts are as they stand in header fields.

    `origins` holds origins in lower case, or `*`. `max_age` is in seconds.
    """

    origins: frozenset[str]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int = 600

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may."""
        return "*" in self.origins or origin.lower() in self.origins


def values(fields: Fields, name: bytes) -> list[str]:
    """The values of a field, `name` in lower case."""
    return [value.decode("latin-1").strip(" \t") for key, value in fields if key.lower() == name]


def origin_of(fields: Fields) -> str | None:
    """The request's origin, None where there is none, or more than one."""
    found = values(fields, b"origin")
    return found[0] if len(found) == 1 else None


def preflight(cors: Cors, verb: str, fields: Fields) -> Fields | None:
    """The fields that answer a preflight of an allowed origin; None for any other request."""
    if verb != "OPTIONS":
        return None
    origin, wanted = origin_of(fields), values(fields, b"access-control-request-method")
    if origin is None or len(wanted) != 1 or not cors.allows(origin):
        return None
    asked = values(fields, b"access-control-request-headers")
    headers = ", ".join(cors.headers)
    if "*" in cors.headers:
        # `*` itself means no Authorization, and nothing at all with credentials.
        headers = ", ".join(asked)
    told = [*_origin(cors, origin), (b"Access-Control-Allow-Methods", _joined(cors.methods))]
    if headers and _is_list_of_names(headers):
        told.append((b"Access-Control-Allow-Headers", headers.encode("latin-1")))
    told.append((b"Access-Control-Max-Age", b"%d" % cors.max_age))
    return tuple(told)


def reply_fields(cors: Cors | None, fields: Fields) -> Fields:
    """The fields that let a page read the answer to this request."""
    if cors is None:
        return ()
    origin = origin_of(fields)
    if origin is None or not cors.allows(origin):
        return ((b"Vary", b"Origin"),)
    told = _origin(cors, origin)
    if cors.expose:
        told.append((b"Access-Control-Expose-Headers", _joined(cors.expose)))
    return tuple(told)


def _origin(cors: Cors, origin: str) -> list[tuple[bytes, bytes]]:
    told = [(b"Access-Control-Allow-Origin", origin.encode("latin-1")), (b"Vary", b"Origin")]
    if cors.credentials:
        told.append((b"Access-Control-Allow-Credentials", b"true"))
    return told


def _joined(words: tuple[str, ...]) -> bytes:
    return ", ".join(words).encode("latin-1")


def _is_list_of_names(text: str) -> bool:
    return text.isascii() and all(char.isalnum() or char in "-_, !#$%&'*+.^`|~" for char in text)
