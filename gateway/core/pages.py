"""May a page in somebody's browser ask the operator's door, and what may the pages do that it serves?

Nothing there goes by what a browser sends of itself: a cookie is no credential, and a page of another origin gets no
answer that it could use, or that changes anything. So the one thing that counts is a token that somebody has shown.
"""

from __future__ import annotations

from typing import Final

from gateway.core.cors import values
from gateway.core.places import normal_origin
from gateway.core.presented import CrossSite
from gateway.core.reply import Fields

GUARDS: Final[Fields] = (
    (
        b"Content-Security-Policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)
"""What every answer of the operator's door says to browsers: it is no page, belongs into none, and nobody else reads it."""

PAGE: Final[Fields] = (
    (
        b"Content-Security-Policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
            b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            b"require-trusted-types-for 'script'; trusted-types 'none'"
        ),
    ),
)
"""What the console's own files say instead: scripts, styles and calls of this origin alone, and text never becomes HTML."""

_READ: Final = ("GET", "HEAD")


def guarded(fields: Fields) -> Fields:
    """The fields of an answer with what every answer says to browsers, where they do not say it themselves."""
    said = {name.lower() for name, _ in fields}
    return fields + tuple(guard for guard in GUARDS if guard[0].lower() not in said)


def check_page(fields: Fields, verb: str, host: str) -> None:
    """Refuse what a page of another origin than `host`'s asks; only that a link leads here is no matter.

    Browsers say whose page asks (the Fetch standard, section 3.1, and Fetch Metadata); programs say nothing of it.
    """
    origins = values(fields, b"origin")
    if origins:
        own = [normal_origin(f"{scheme}://{host}".encode("latin-1")) for scheme in ("http", "https")]
        if len(origins) == 1 and normal_origin(origins[0].encode("latin-1")) in own:
            return
        raise _refused()
    site = values(fields, b"sec-fetch-site")
    if not site or site in (["same-origin"], ["none"]):
        return
    if verb in _READ and values(fields, b"sec-fetch-mode") == ["navigate"]:
        return
    raise _refused()


def _refused() -> CrossSite:
    return CrossSite(
        "The operator's door answers no page of another origin: open its own address, or use a program."
    )
