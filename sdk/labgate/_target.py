"""Which path and query does a raw request name, and of which service?"""

from __future__ import annotations

import re
from urllib.parse import quote

from labgate._client import Part, Whole
from labgate._codec import simpler
from labgate._session import Terms
from labgate.errors import NotFound, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Query = Mapping[str, Any] | Iterable[tuple[str, Any]]

_NOT_IN_A_TARGET = re.compile(r"[^!-~]+")


def terms_of(target: object) -> tuple[Terms, str]:
    """The session behind a client or a namespace, and the namespace's name, empty for a client.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(target, (Whole, Part)):
        raise TypeError(
            f"a client or a namespace makes the request, like lab.files, not {type(target).__name__}"
        )
    terms = target._session  # noqa: SLF001
    if not isinstance(terms, Terms):
        raise TypeError("a batch takes calls, not raw requests: use the client it was made of")
    return terms, target._space.prefix  # noqa: SLF001


def place(session: Terms, name: str, url: str) -> str:
    """The path at the gate of a service's `url`; without a name it is the gate's own path.

    Raises:
        NotFound: the service has no mount.
        SetupError: `url` is no path.
    """
    if not isinstance(url, str):
        raise SetupError(f"the url of a request is a text, and no {type(url).__name__}")
    if "#" in url:
        raise SetupError(
            "a `#` begins a fragment, which no request carries", hint="For the character, write %23."
        )
    if url and url[0] not in "/?":
        raise SetupError(
            f"the url {url[:80]!r} is not a path below the service",
            hint="Begin it with `/`; requests go to the gate only, never to another address.",
        )
    if not name and url.startswith("/-/"):
        session.link.need_gate(f"the path {url[:80]}")
    mount = session.link.mount(name) if name else ""
    if mount is None:
        raise NotFound(
            f"the service {name!r} is not mounted at this gate: it has methods, but no paths",
            method=f"{name}.http",
            hint="Ask the lab's engineer for a `mount:`; labgate.request(lab, url=...) takes a whole path.",
        )
    path = f"{mount}{url}"
    # What HTTP cannot carry is escaped; everything else goes out as it was written.
    return _NOT_IN_A_TARGET.sub(lambda found: quote(found[0]), path if path.startswith("/") else f"/{path}")


def with_query(path: str, query: Query | None) -> str:
    """The path with a query behind it: lists repeat their name, None is left out, a space is %20."""
    given: Any = query or ()
    pairs: Iterable[tuple[str, Any]] = given.items() if hasattr(given, "items") else given
    if isinstance(given, (str, bytes)):
        raise TypeError(f"query is names and values, like {{'limit': 1}}, and no {type(given).__name__}")
    text = "&".join(
        f"{quote(str(name), safe='')}={quote(_said(value), safe='')}"
        for name, many in pairs
        for value in _each(many)
        if value is not None
    )
    return f"{path}{'&' if '?' in path else '?'}{text}" if text else path


def _each(value: Any) -> Iterable[Any]:
    if hasattr(value, "tolist"):
        value = value.tolist()  # numpy's arrays and scalars
    return value if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _said(value: Any) -> str | bytes:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, bytes)):
        return value
    if type(value) in (int, float):
        return repr(value)
    return _said(simpler(value))
