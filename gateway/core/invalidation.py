"""Whose stored replies does an unsafe request end (RFC 9111 section 4.4)?"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from gateway.core.faults import BadRequest
from gateway.core.http_fields import values
from gateway.core.paths import Steps, steps, text_of
from gateway.core.places import Places, normal_origin
from gateway.core.reply import Fields


def uri_name(service: str, path: Steps, query: bytes) -> str:
    """The generation that ends with an unsafe request for this path below the service's address.

    Paths that mean the same have one: it is made of their decoded steps.
    """
    return f"uri:{service}:{text_of(path)}{query.decode('latin-1')}"


def led_to(service: str, places: Places, target: bytes, fields: Fields) -> tuple[str, ...]:
    """The generations of what Location and Content-Location name, where that is the service's own.

    `target` is what was asked for below the service's address. Other origins are nobody's to invalidate.
    """
    named = [*values(fields, b"location"), *values(fields, b"content-location")]
    found = {_name(service, places, target, value) for value in named}
    return tuple(sorted(name for name in found if name is not None))


def _name(service: str, places: Places, target: bytes, value: bytes) -> str | None:
    origin = next(iter(sorted(places.origins)), b"http://service.invalid").decode("latin-1")
    base = places.base.decode("latin-1")
    try:
        whole = urlsplit(urljoin(f"{origin}{base}{target.decode('latin-1')}", value.decode("latin-1")))
        at = normal_origin(f"{whole.scheme}://{whole.netloc.rpartition('@')[2]}".encode("latin-1"))
    except ValueError:
        return None
    path = whole.path or "/"
    if at != normal_origin(origin.encode("latin-1")) and at not in places.origins:
        return None
    if base and not (path == base or path.startswith(f"{base}/")):
        return None
    rest = path[len(base) :] or "/"
    query = f"?{whole.query}" if whole.query else ""
    try:
        return uri_name(service, steps(rest.encode("latin-1"), encoded_slash=True), query.encode("latin-1"))
    except (BadRequest, UnicodeEncodeError):
        return None
