"""At which gate, with which of its services and by which methods are the volumes that a program means?"""

from __future__ import annotations

from labgate._at_once import settled
from labgate._method import Method
from labgate._target import terms_of
from labgate.errors import NotFound, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._async_client import AsyncClient
    from labgate._client import Client
    from labgate._session import Terms


def session_at(host: str | Client | AsyncClient, token: str | None, options: dict[str, Any]) -> Terms:
    """The session of a client, awaited or not, or of one that is made for an address."""
    if isinstance(host, str):
        from labgate._connect import connect

        host = connect(host, token=token, **options)
    return terms_of(host)[0]


async def method_of(session: Any, service: str | None) -> Method:
    """The method that opens volumes, of the service that is named or of the only one.

    Raises:
        SetupError: there is none, or several and none was named.
    """
    found = _methods(session, service)
    if not found and await _looked_again(session.link):
        found = _methods(session, service)
    if len(found) == 1:
        return found[0]
    known = found or _methods(session, None)
    spaces = ", ".join(sorted({one.name.rpartition(".")[0] for one in known}))
    if found:
        raise SetupError(
            f"the gate has several services with volumes: {spaces}", hint="Name one: service=..."
        )
    wanted = f"service {service!r} with volumes" if service else "service with volumes"
    raise SetupError(f"the gate has no {wanted}" + (f"; it has {spaces}" if spaces else ""), hint="")


async def _looked_again(link: Any) -> bool:
    found: bool = await settled(
        link.look_again_async() if hasattr(link, "look_again_async") else link.look_again()
    )
    return found


def _methods(session: Terms, service: str | None) -> list[Method]:
    catalog = session.link.catalog
    wanted = service and catalog.true_name(service)
    made = (
        Method(group.wire(leaf), group.text(leaf))
        for prefix, group in catalog.groups.items()
        if wanted in (None, prefix) and b'"result":"volume"' in group.all_text()
        for leaf in group.leaves
    )
    return [one for one in made if one.volume]


def wire_of(session: Terms, method: Method, what: str) -> str:
    """The wire name of the method that does something with the volumes, or the sources, of a method.

    It may be written without the namespace that both are in.

    Raises:
        NotFound: there is none.
    """
    named = (method.volume or method.source or {}).get(what)
    catalog = session.link.catalog
    if isinstance(named, str):
        space = method.name.rpartition(".")[0]
        inside = f"{space}.{named}" if space else named
        for wire in (named, inside) if "." in named else (inside, named):
            if catalog.text(wire) is not None:
                return wire
    raise NotFound(
        f"{method.name} names no method to {what} that the gate has",
        method=method.name,
        hint="Ask the lab's engineer whether you may.",
    )
