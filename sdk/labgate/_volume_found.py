"""At which gate, with which of its services and by which methods are the volumes that a program means?"""

from __future__ import annotations

from labgate._address import parse_address
from labgate._at_once import settled
from labgate._method import Method
from labgate._target import terms_of
from labgate.errors import DeadlineExceeded, Error, GateUnreachable, NotFound, SetupError, Unauthenticated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._async_client import AsyncClient
    from labgate._client import Client
    from labgate._session import Terms


def session_at(
    host: str | Client | AsyncClient, service: str | None, token: str | None, options: dict[str, Any]
) -> tuple[Terms, str | None]:
    """The session of a client, awaited or not, or of one that is made for an address; and the service that is meant.

    The path of an address is where the gate is, or where the gate has a service.

    Raises:
        SetupError: the gate has no service with volumes at this path.
        Error: there is no gate, or it refuses.
    """
    if not isinstance(host, str):
        return terms_of(host)[0], service
    from labgate._connect import connect

    address = parse_address(host)
    try:
        return terms_of(connect(host, token=token, **options))[0], service
    except (GateUnreachable, Unauthenticated, DeadlineExceeded):
        raise
    except Error:
        # What is there is no gate: then it is behind one, if there is a path.
        for path in _shorter(address.path):
            try:
                found = terms_of(connect(f"{address.origin}{path}", token=token, **options))[0]
            except Error:
                continue
            return found, service or _mounted(found, address.path[len(path) :])
        raise


def _shorter(path: str) -> list[str]:
    """The paths above one, the longest first: /a/b, /a, and nothing for /a/b/c."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


def _mounted(session: Terms, mount: str) -> str:
    """The service with volumes that the gate has at a path below its own.

    Raises:
        SetupError: there is none.
    """
    spaces = sorted({one.name.rpartition(".")[0] for one in _methods(session, None)})
    mounts = {space: session.link.mount(space) or "" for space in spaces}
    found = next((space for space, own in mounts.items() if own == mount), None)
    if found is not None:
        return found
    known = ", ".join(f"{space} at {own}" if own else space for space, own in mounts.items())
    raise SetupError(
        f"the gate has no service with volumes at {mount}" + (f"; it has {known}" if known else ""),
        hint="Name one by its path behind the gate's address, or by service=...",
    )


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
