"""Which services are there, and which of them are down?"""

from __future__ import annotations

from labgate._at_once import carried, settled
from labgate._docs import summary_of
from labgate._inform import refresh
from labgate._names import printable
from labgate._session import terms_of
from labgate.errors import DeadlineExceeded, GateUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator
    from typing import Any, overload

    from labgate._async_client import AsyncClient
    from labgate._catalog import Catalog
    from labgate._client import Client

_WIDEST = 60


class ServiceStatus:
    """One service as this client's gate and datastack have it.

    Attributes:
        name: its namespace.
        up: the gate reached it when it last looked.
        version: what the service says of itself; may be empty.
        dialect: how the gate speaks with it.
        mount: where it answers plain HTTP, None where it does not.
        methods: how many of its methods you may call.
        summary: one line, may be empty.
    """

    __slots__ = ("dialect", "methods", "mount", "name", "summary", "up", "version")

    def __init__(self, name: str, said: dict[str, Any], methods: int) -> None:
        self.name = name
        self.up = said.get("down") is not True
        self.version = printable(said.get("version"), _WIDEST)
        self.dialect = printable(said.get("dialect"), _WIDEST)
        self.mount = said.get("mount") if isinstance(said.get("mount"), str) else None
        self.methods = methods
        self.summary = summary_of(said)

    def __repr__(self) -> str:
        return f"<{printable(self.name, _WIDEST)}: {'up' if self.up else 'DOWN'}>"


class Status:
    """The services in the order of their names; `status["jobs"]` is one of them. Shown as a table.

    Attributes:
        services: all of them.
        reached: False where the gate cannot be reached, and the list is the last one that was kept.
    """

    __slots__ = ("reached", "services")

    def __init__(self, services: Iterable[ServiceStatus], *, reached: bool = True) -> None:
        self.services = tuple(services)
        self.reached = reached

    def __iter__(self) -> Iterator[ServiceStatus]:
        return iter(self.services)

    def __len__(self) -> int:
        return len(self.services)

    def __getitem__(self, name: str) -> ServiceStatus:
        for one in self.services:
            if one.name == name:
                return one
        raise KeyError(name)

    @property
    def down(self) -> tuple[str, ...]:
        """The names of the services that the gate does not reach."""
        return tuple(one.name for one in self if not one.up)

    def __repr__(self) -> str:
        rows = [("service", "state", "methods", "version"), *map(_cells, self.services)]
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*self._news(), *lines])

    def _repr_html_(self) -> str:
        from labgate._shown_told import html_of_status

        return html_of_status(self)

    def _news(self) -> list[str]:
        return [] if self.reached else ["the gate does not answer: this is how it was last"]


if TYPE_CHECKING:

    @overload
    def status(client: Client) -> Status: ...

    @overload
    def status(client: AsyncClient) -> Coroutine[Any, Any, Status]: ...


def status(client: Client | AsyncClient) -> Status | Coroutine[Any, Any, Status]:
    """Which services this client has, and which of them the gate does not reach: asked now.

    Where the gate itself cannot be reached, it is the last list that this user has had.

    Raises:
        Error: the gate refuses to say it.
    """
    terms_of(client, "status")
    return carried(client, _status(client))


async def _status(client: Any) -> Status:
    try:
        await settled(refresh(client))
        reached = True
    except (GateUnreachable, DeadlineExceeded):
        reached = False
    return Status(services_of(client._session.link.catalog), reached=reached)  # noqa: SLF001


def services_of(catalog: Catalog) -> list[ServiceStatus]:
    """The services of a list of methods, in the order of their names."""
    about = catalog.about.get("namespaces")
    said = {
        name: one for name, one in (about.items() if isinstance(about, dict) else ()) if isinstance(one, dict)
    }
    counts = dict.fromkeys(said, 0)
    for prefix, group in catalog.groups.items():
        name = prefix if prefix in said else prefix.partition(".")[0]
        counts[name] = counts.get(name, 0) + len(group.leaves)
    return [ServiceStatus(name, said.get(name, {}), counts[name]) for name in sorted(counts) if name]


def _cells(one: ServiceStatus) -> tuple[str, ...]:
    return printable(one.name, _WIDEST), "up" if one.up else "DOWN", str(one.methods), one.version
