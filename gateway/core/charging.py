"""What are calls charged to, and who keeps it? What the relay and the doors need of limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from typing import Protocol

from gateway.core.limits import Named
from gateway.core.principal import Principal
from gateway.core.reply import Fields


class Meters(Protocol):
    """Where it stands how much everybody has had, in rows; moments are in nanoseconds since 1970.

    Whoever shares it with others brings `calls` and `sizes` forward behind those who charge.
    """

    @property
    def calls(self) -> MutableSequence[int] | memoryview[int]:
        """By row, the moment at which all calls will be there again."""

    @property
    def sizes(self) -> MutableSequence[int] | memoryview[int]:
        """The same of bytes."""

    def key(self, *whose: str) -> int:
        """What stands for somebody."""

    @property
    def keys(self) -> MutableSequence[int] | memoryview[int]:
        """By row, what stands for whose it is; that may change at any time."""

    def row(self, key: int) -> int:
        """The row of whoever this stands for."""

    def under_way(self, row: int) -> int:
        """How many calls are under way."""

    def enter(self, row: int) -> None:
        """One more is under way."""

    def leave(self, row: int) -> None:
        """One less."""


class Hold(Protocol):
    """A call that is under way, as far as limits go."""

    def release(self) -> None:
        """It is over; said once or more often."""


class Ahead(Protocol):
    """Calls and bytes that are charged already: who takes of them takes one call, and its bytes, where both are there."""

    calls: int
    size: int
    since: float
    """Seconds since 1970: from when they are good, and until when."""
    until: float
    told: bytes
    """The lines that tell how the caller stands."""


class Account(Protocol):
    """What is charged for one kind of call of one principal; `now` is in seconds since 1970."""

    @property
    def at_once(self) -> int | None:
        """How many calls may be under way at most; None = any number."""

    @property
    def ahead(self) -> Ahead | None:
        """Where what is charged in advance stands; None where each call has to be looked at."""

    def charge(self, now: float, cost: int = 1) -> None:
        """So many calls come; all of them, or none. Raises `RateLimited`."""

    def hold(self) -> Hold:
        """One more call is under way. Raises `RateLimited` where there are too many."""

    def spend(self, size: int, now: float) -> None:
        """So many bytes of an answer were sent."""

    def pay(self, size: int, now: float) -> bytes:
        """A call comes and is answered at once: `charge`, `spend` and `lines` in one. Raises `RateLimited`."""

    def check_bytes(self, now: float) -> None:
        """See whether an answer under way may go on. Raises `RateLimited` where far more bytes were had than there are."""

    def lines(self, now: float) -> bytes:
        """What is said of it in every answer, as whole lines; see `lines_of`."""

    def items(self, now: float) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """The items of the fields RateLimit-Policy and RateLimit."""


class Accounts(Protocol):
    """What every principal's calls are charged to."""

    def account(self, principal: Principal, client: str, places: tuple[int, ...]) -> Account | None:
        """What calls that the policies at these places allow are charged to, None where nothing limits them.

        Who comes without a credential is told apart by `client`, their address.
        """

    def told(self, places: tuple[int, ...]) -> Sequence[Named]:
        """The limits of such calls."""

    def left(
        self, principal: Principal, client: str, places: tuple[int, ...], now: float
    ) -> Mapping[str, Mapping[str, int]]:
        """What is left of each limit of such calls, and in how many seconds all of it is there again."""


def written(policy: Iterable[bytes], left: Iterable[bytes]) -> bytes:
    """The lines of the fields that have these items (draft-ietf-httpapi-ratelimit-headers)."""
    told = b"RateLimit-Policy: %b\r\n" % b", ".join(policy)
    items = b", ".join(left)
    return b"%bRateLimit: %b\r\n" % (told, items) if items else told


def lines_of(accounts: Sequence[Account], now: float) -> bytes:
    """What is said in an answer of all that was charged for it, each limit once."""
    if len(accounts) == 1:
        return accounts[0].lines(now)
    policy: dict[bytes, None] = {}
    left: dict[bytes, None] = {}
    for account in accounts:
        of_policy, of_left = account.items(now)
        policy |= dict.fromkeys(of_policy)
        left |= dict.fromkeys(of_left)
    return written(policy, left) if policy else b""


def fields_of(accounts: Sequence[Account], now: float) -> Fields:
    """The same as fields."""
    lines = lines_of(accounts, now).split(b"\r\n")[:-1]
    return tuple([(name, value) for name, _, value in (line.partition(b": ") for line in lines)])
