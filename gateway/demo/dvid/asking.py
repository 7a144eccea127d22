"""What does a call on a data instance have to go by?"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.demo.dvid.dag import Node, Repo
from gateway.demo.dvid.errors import DvidError, PlainError
from gateway.demo.dvid.http import Answer, DvidServer, Request
from gateway.demo.dvid.instances import Instance
from gateway.demo.dvid.versions import Lineage

I = TypeVar("I", bound=Instance)  # noqa: E741 - an instance


@dataclass(frozen=True, slots=True)
class Ask(Generic[I]):
    """A request for an instance at a node; `args` are the path's segments behind the endpoint's name."""

    server: DvidServer
    request: Request
    repo: Repo
    node: Node
    instance: I
    args: list[str]

    @property
    def lineage(self) -> Lineage:
        """Whose data counts; the first is where writes go."""
        return self.instance.lineage(self.repo, self.node)

    def take(self, count: int, usage: str) -> list[str]:
        """That many arguments. Raises DvidError, which tells the usage, when there are fewer."""
        if len(self.args) < count or not all(self.args[:count]):
            raise DvidError(f"{usage!r} must follow the data name {self.instance.name!r}")
        return self.args[:count]

    def number(self, usage: str) -> int:
        """The one argument, as a number. Raises DvidError."""
        (text,) = self.take(1, usage)
        if not text.isdecimal():
            raise DvidError(f"{text!r} is no number: {usage!r} expected")
        return int(text)

    @contextmanager
    def throttled(self) -> Iterator[None]:
        """One at a time of those requests that ask for it; others get a 503, a PlainError."""
        if not self.request.flag("throttle"):
            yield
            return
        if not self.server.throttle.acquire(blocking=False):
            raise PlainError(503, "Server already running maximum of 1 throttled operations")
        try:
            yield
        finally:
            self.server.throttle.release()


Calls = Mapping[tuple[str, str], Callable[[Ask[Any]], Answer]]
"""What answers, by verb and endpoint."""
