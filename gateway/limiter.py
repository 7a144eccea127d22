"""May this caller have more just now? One account for each principal and policy, charged by everything that answers them."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Final, TypeAlias

from gateway.core.charging import Meters, written
from gateway.core.faults import RateLimited
from gateway.core.limits import Limit, Named, policy_items
from gateway.core.policy import NONE
from gateway.core.principal import Principal
from gateway.core.rates import SECOND, Rate, add, has_room, spend, told, until_room, wait

_MOST_ACCOUNTS: Final = 65_536
_SOON: Final = 1.0
"""Seconds after which somebody with too many calls at once is told to come again."""


Kept: TypeAlias = "MutableSequence[int] | memoryview[int]"


class Meter:
    """What one limit lets one principal have."""

    __slots__ = ("_key", "_keys", "_row", "limit", "name", "table")

    def __init__(self, table: Meters, named: Named, whose: tuple[str, ...]) -> None:
        self.table = table
        self.name = named.name
        self.limit: Limit = named.limit
        self._keys = table.keys
        self._key = table.key(repr(named), *whose)
        self._row = 0

    def row(self) -> int:
        """Where it is kept."""
        row = self._row
        if self._keys[row] != self._key:
            row = self._row = self.table.row(self._key)
        return row


class Hold:
    """One call that is under way, or several that are one's turn."""

    __slots__ = ("_rows",)

    def __init__(self, rows: list[tuple[Meters, int]]) -> None:
        self._rows = rows

    def release(self) -> None:
        """It is over; said once or more often."""
        rows, self._rows = self._rows, []
        for table, row in rows:
            table.leave(row)


class Account:
    """All that is charged for one kind of call of one principal: what holds for all, and what the policies say."""

    __slots__ = ("_holding", "_left", "_policy", "_rated", "_sized", "_subject", "_template", "at_once")

    def __init__(self, meters: tuple[Meter, ...], subject: str) -> None:
        self._subject = subject
        self._rated = [(one, one.table.calls, rate) for one in meters if (rate := one.limit.rate) is not None]
        self._sized = [
            (one, one.table.sizes, rate) for one in meters if (rate := one.limit.bytes) is not None
        ]
        self._holding = [(one, one.limit.concurrency) for one in meters if one.limit.concurrency is not None]
        self.at_once = min([most for _, most in self._holding], default=None)
        """How many calls may be under way at most; None = any number."""
        items = [item for one in meters for item in policy_items(Named(one.name, one.limit))]
        self._policy = [item.encode("ascii") for item in items]
        names = [one.name for one, _, _ in self._rated] + [f"{one.name}-bytes" for one, _, _ in self._sized]
        self._left = [b'"%b";r=%%d;t=%%d' % name.encode("ascii") for name in names]
        self._template = written(self._policy, self._left)

    def charge(self, now: float, cost: int = 1) -> None:
        """So many calls come; all of them, or none. Raises `RateLimited`. `now` is in seconds since 1970."""
        moment = int(now * SECOND)
        for meter, sizes, size in self._sized:
            due = sizes[meter.row()]
            if due > moment and not has_room(size, due, moment):
                raise self._too_many_bytes(meter, until_room(size, due, moment))
        spent: list[tuple[Kept, int, int]] = []
        for meter, calls, rate in self._rated:
            row = meter.row()
            after = spend(rate, calls[row], cost, moment)
            if after is None:
                raise self._too_often(meter, rate, cost, wait(rate, calls[row], cost, moment))
            spent.append((calls, row, after))
        for calls, row, after in spent:
            calls[row] = after

    def hold(self) -> Hold:
        """One more call is under way, until it is released. Raises `RateLimited` where there are too many."""
        found: list[tuple[Meters, int]] = []
        for meter, most in self._holding:
            row = meter.row()
            if meter.table.under_way(row) >= most:
                raise RateLimited(
                    f"{self._subject!r} has as many calls under way as {meter.name} allows ({most}): wait for one to end.",
                    retry_after=_SOON,
                    limit=f"{meter.name}-at-once",
                )
            found.append((meter.table, row))
        for table, row in found:
            table.enter(row)
        return Hold(found)

    def spend(self, size: int, now: float) -> None:
        """So many bytes of an answer were sent."""
        if not size:
            return
        moment = int(now * SECOND)
        for meter, sizes, rate in self._sized:
            row = meter.row()
            sizes[row] = add(rate, sizes[row], size, moment)

    def lines(self, now: float) -> bytes:
        """What is said of it in every answer, as whole lines."""
        return self._template % tuple(self._numbers(int(now * SECOND)))

    def items(self, now: float) -> tuple[list[bytes], list[bytes]]:
        """The items of the fields RateLimit-Policy and RateLimit."""
        numbers = self._numbers(int(now * SECOND))
        return self._policy, [
            left % (r, t) for left, r, t in zip(self._left, numbers[::2], numbers[1::2], strict=True)
        ]

    def _numbers(self, moment: int) -> list[int]:
        """How much is left of each, and in how many seconds all of it is there again."""
        found: list[int] = []
        for meter, calls, rate in self._rated:
            found += told(rate, calls[meter.row()], moment)
        for meter, sizes, rate in self._sized:
            found += told(rate, sizes[meter.row()], moment)
        return found

    def _too_often(self, meter: Meter, rate: Rate, cost: int, seconds: float) -> RateLimited:
        if cost > rate.burst:
            return RateLimited(
                f"{cost} calls at once are more than {meter.name} ever allows ({rate.burst}): send fewer in one request.",
                limit=meter.name,
            )
        return RateLimited(
            f"{self._subject!r} calls more often than {meter.name} allows "
            f"({rate.count} in {rate.seconds} s): wait {_shown(seconds)} s.",
            retry_after=round(seconds, 3),
            limit=meter.name,
        )

    def _too_many_bytes(self, meter: Meter, seconds: float) -> RateLimited:
        return RateLimited(
            f"{self._subject!r} has had as many bytes as {meter.name} allows for now: wait {_shown(seconds)} s.",
            retry_after=round(seconds, 3),
            limit=f"{meter.name}-bytes",
        )


def _shown(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 10 else f"{ceil(seconds)}"


class Limiter:
    """The accounts of everybody whom some limit is for."""

    def __init__(self, limits: Mapping[int, Named], table: Meters) -> None:
        """`limits` by the place of the policy that says so; under `NONE` what holds for all that a principal does."""
        self._limits = dict(limits)
        self._table = table
        self._accounts: dict[tuple[str, ...], Account | None] = {}

    def account(self, principal: Principal, client: str, places: tuple[int, ...]) -> Account | None:
        """What calls that these policies allow are charged to, None where nothing limits them.

        Who comes without a credential is told apart by `client`, their address.
        """
        whose = ("", _network(client)) if principal.anonymous else (principal.issuer, principal.subject)
        at = (*whose, *map(str, places))
        try:
            return self._accounts[at]
        except KeyError:
            pass
        if len(self._accounts) >= _MOST_ACCOUNTS:
            self._accounts.clear()  # what they have had stands in the table
        chosen = [self._limits[one] for one in dict.fromkeys((NONE, *places)) if one in self._limits]
        meters = tuple(Meter(self._table, named, whose) for named in chosen)
        account = self._accounts[at] = Account(meters, principal.subject) if meters else None
        return account

    def told(self, places: tuple[int, ...]) -> list[Named]:
        """The limits of calls that these policies allow."""
        return [self._limits[one] for one in dict.fromkeys((NONE, *places)) if one in self._limits]


@lru_cache(4096)
def _network(client: str) -> str:
    """Who is at an address: of IPv6 everybody has as many addresses as they like, within 64 bits."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
