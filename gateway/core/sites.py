"""What does a dialect say of an entry of the settings that stands for several services?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from gateway.core.paths import Steps
from gateway.core.service import Service


class Site(Protocol):
    """What one entry of the settings stands for whose dialect brings several services."""

    def is_guide(self, service: Service) -> bool:
        """Whether it is this one of its services that says which datastacks there are."""

    def brings(
        self,
        datastacks: Mapping[str, Mapping[str, Any] | None],
        before: Mapping[str, Service],
        taken: Collection[str],
    ) -> dict[str, Service]:
        """The local services of these datastacks, by qualified name; those of `before` that stay are the same objects.

        A datastack of which nothing was said this time (None) keeps what it had. `taken` are names of datastacks that
        others have.
        """

    def told_in(self, service: Service, verb: str, inner: Steps) -> str | None:
        """The datastack whose record the reply to a request for these steps is; None for other requests."""

    def label(self, datastack: str) -> str:
        """What a datastack is called at the gate."""

    def learned(self, body: bytes) -> Mapping[str, Any] | None:
        """What is to be known of a datastack by its record; None for what is none."""

    def moves(self, service: Service, inner: Steps) -> bool:
        """Whether what is said in answer to a request for these steps may lead past the gate."""

    def moved(self, service: Service, inner: Steps, body: bytes, public: bytes) -> bytes:
        """Such an answer, leading to the gate instead. `public` is where callers see the root of the service's server.

        Raises ValueError for what cannot be read.
        """

    def asks_who(self, service: Service, verb: str, inner: Steps) -> bool:
        """Whether a request asks whom a token speaks for, so that the gate can answer it."""
