"""What is written down of each write, and of each refusal? Never a credential, never what a parameter was set to."""

from __future__ import annotations

from typing import Final, Literal, Protocol

from msgspec import Struct

from gateway.core.principal import Principal

REFUSED: Final = frozenset(("Unauthenticated", "Forbidden", "RateLimited"))
"""The faults that are refusals: who it is, whether they may, whether now."""

Kind = Literal["write", "refusal"]


class Record(Struct, frozen=True, gc=False):
    """One write at its end, or one refusal.

    `method` is the qualified name, `request` the verb and path of what came through a mount or was refused before anybody
    knew its method. `outcome` is `ok`, `error` (the service's own), `caller gone` or the fault's name; `status` is that of
    HTTP, `code` that of a JSON-RPC error; `heard` = somebody still waited for the answer. `params` are names.
    """

    kind: Kind
    id: str
    principal: Principal | None
    client: str
    outcome: str
    method: str | None = None
    request: str | None = None
    service: str | None = None
    status: int | None = None
    code: int | None = None
    seconds: float = 0.0
    size: int = 0
    heard: bool = True
    params: tuple[str, ...] = ()


class Auditor(Protocol):
    """Who writes it down."""

    @property
    def names_params(self) -> bool:
        """Whether the names of parameters are wanted."""

    def write(self, record: Record) -> None:
        """Have it written, without waiting."""

    def check(self) -> None:
        """Refuse a write that could not be written down, where that is not to be. Raises `Unavailable`."""
