"""May this caller have more just now? One account for each principal and policy, charged by everything that answers them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Final

from gateway.advance import Advance
from gateway.core.charging import Meters, written
from gateway.core.faults import RateLimited
from gateway.core.limits import Named, policy_items
from gateway.core.policy import NONE
from gateway.core.principal import Principal
from gateway.core.rates import SECOND, add, overdrawn, until_room, wait
from gateway.core.tally import Book
from gateway.quotas import BYTES, Meter, Quota

_MOST_ACCOUNTS: Final = 65_536
_SOON: Final = 1.0
"""Seconds after which somebody with too many calls at once is told to come again."""


_AHEAD: Final = 10_000_000
"""Nanoseconds: calls are charged in advance that come back within these."""
_OFTEN: Final = 0.001
"""Who calls again within so many seconds calls often."""
_MOST_CALLS_AHEAD: Final = 4096
_MOST_BYTES_AHEAD: Final = 1 << 24


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

    __slots__ = (
        "_holding", "_policy", "_quotas", "_rated", "_sized", "_subject", "_template", "ahead", "at_once",
    )  # fmt: skip

    def __init__(self, meters: tuple[Meter, ...], subject: str, book: Book | None = None) -> None:
        """With a book, what is spent here is told to the other gates."""
        self._subject = subject
        self._rated = [
            Quota(one, rate, one.table.calls, "", book)
            for one in meters
            if (rate := one.limit.rate) is not None
        ]
        self._sized = [
            Quota(one, rate, one.table.sizes, BYTES, book)
            for one in meters
            if (rate := one.limit.bytes) is not None
        ]
        self._quotas = [*self._rated, *self._sized]
        # What other gates have heard of cannot be taken back.
        self.ahead = Advance(0 if book is not None else _AHEAD)
        self._holding = [(one, one.limit.concurrency) for one in meters if one.limit.concurrency is not None]
        self.at_once = min([most for _, most in self._holding], default=None)
        """How many calls may be under way at most; None = any number."""
        items = [item for one in meters for item in policy_items(Named(one.name, one.limit))]
        self._policy = [item.encode("ascii") for item in items]
        self._template = written(self._policy, map(_item, self._quotas))

    def charge(self, now: float, cost: int = 1) -> None:
        """So many calls come; all of them, or none. Raises `RateLimited`. `now` is in seconds since 1970.

        Who calls often is charged in advance here, too: see `pay`.
        """
        advance = self.ahead
        if cost <= advance.calls and advance.size and advance.since <= now < advance.until:
            advance.calls -= cost
            return
        if advance.drawn:
            advance.give_back()
        moment = int(now * SECOND)
        self._take(moment, cost)
        self._look_ahead(now, moment)

    def spend(self, size: int, now: float) -> None:
        """So many bytes of an answer were sent."""
        advance = self.ahead
        if size <= advance.size and advance.since <= now < advance.until:
            advance.size -= size
            return
        if not size:
            return
        moment = int(now * SECOND)
        for quota in self._sized:
            row, rate = quota.row(), quota.rate
            quota.kept[row] = add(rate, quota.kept[row], size, moment)
            if quota.tally is not None:
                quota.tally.note(rate.time_of(size), moment)

    def pay(self, size: int, now: float) -> bytes:
        """A call comes and is answered at once: `charge`, `spend` and `lines` in one.

        Every answer of the lanes to somebody under a limit comes by here. Who calls often is charged for some calls in
        advance, by the same arithmetic, and told how they stood then: see `Advance`.
        """
        advance = self.ahead
        # The lane takes of it in the same way: see `Known.answer`.
        if advance.calls and size <= advance.size and advance.since <= now < advance.until:
            advance.calls -= 1
            advance.size -= size
            return advance.told
        if advance.drawn:
            advance.give_back()
        moment = int(now * SECOND)
        told = self._paid(size, moment)
        self._look_ahead(now, moment, told)
        return told

    def _paid(self, size: int, moment: int) -> bytes:
        numbers: list[int] = []
        for quota, owed, _ in self._take(moment, 1):
            numbers += ((quota.span - owed) * quota.count // quota.window, -(-owed // SECOND))
        if self._sized:
            numbers += self._sent(size, moment)
        return self._template % tuple(numbers)

    def _take(self, moment: int, cost: int) -> list[tuple[Quota, int, int]]:
        """Charge so many calls: for each rate what is owed then, and what of it they cost, in nanoseconds.

        All rows are looked up in this moment.
        """
        # Every call of somebody under a limit comes by here: rows are looked at without a call.
        for quota in self._sized:
            meter = quota.meter
            if meter.keys[meter.at] != meter.key:
                meter.row()
            if quota.kept[meter.at] - moment >= quota.span:
                raise self._too_many_bytes(quota, moment)
        charged: list[tuple[Quota, int, int]] = []
        for quota in self._rated:
            meter, time = quota.meter, quota.one if cost == 1 else quota.rate.time_of(cost)
            if meter.keys[meter.at] != meter.key:
                meter.row()
            owed = quota.kept[meter.at] - moment
            owed = owed + time if owed > 0 else time
            if owed > quota.span:
                raise self._too_often(quota, cost, moment)
            charged.append((quota, owed, time))
        for quota, owed, time in charged:
            quota.kept[quota.meter.at] = moment + owed
            if quota.tally is not None:
                quota.tally.note(time, moment)
        return charged

    def _sent(self, size: int, moment: int) -> list[int]:
        """Charge bytes to quotas whose rows were looked up in this moment; how one stands then."""
        numbers: list[int] = []
        for quota in self._sized:
            time, at = size * quota.window // quota.count, quota.meter.at
            owed = quota.kept[at] - moment
            owed = owed + time if owed > 0 else time
            if not owed:
                numbers += (quota.burst, 0)
                continue
            if owed > quota.most:
                owed = quota.most
            quota.kept[at] = moment + owed
            if time and quota.tally is not None:
                quota.tally.note(time, moment)
            left = (quota.span - owed) * quota.count // quota.window
            numbers += (max(0, left), -(-owed // SECOND))
        return numbers

    def _look_ahead(self, now: float, moment: int, told: bytes = b"") -> None:
        """A call was charged by itself, and `told` how one stands: charge some in advance if it comes soon after another."""
        advance = self.ahead
        if now - advance.since < _OFTEN:
            self._draw(moment)
            if advance.drawn:
                advance.until, advance.told = now + _AHEAD / SECOND, told or self.lines(now)
        advance.since = now

    def _draw(self, moment: int) -> None:
        """Charge some calls in advance: no more than there are, and than come back within a moment."""
        calls, size = _MOST_CALLS_AHEAD, _MOST_BYTES_AHEAD
        for quota in self._rated:
            room = quota.span - max(0, quota.kept[quota.meter.at] - moment)
            calls = min(calls, min(room, self.ahead.most) // quota.one if quota.one else calls)
        for quota in self._sized:
            room = quota.span - max(0, quota.kept[quota.meter.at] - moment)
            size = min(size, min(room, self.ahead.most) * quota.count // quota.window)
        if calls <= 0 or size <= 0:
            return
        self.ahead.draw(moment, calls, size, self._rated, self._sized)

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

    def check_bytes(self, now: float) -> None:
        """See whether an answer under way may go on. Raises `RateLimited` where far more bytes were had than there are."""
        moment = int(now * SECOND)
        for quota in self._sized:
            if overdrawn(quota.rate, quota.kept[quota.row()], moment):
                raise self._too_many_bytes(quota, moment)

    def lines(self, now: float) -> bytes:
        """What is said of it in every answer, as whole lines: what is charged in advance is not had yet."""
        moment, calls, size = int(now * SECOND), self.ahead.calls, self.ahead.size
        numbers: list[int] = []
        for quota in self._rated:
            numbers += quota.told(moment, calls * quota.one)
        for quota in self._sized:
            numbers += quota.told(moment, size * quota.window // quota.count)
        return self._template % tuple(numbers)

    def items(self, now: float) -> tuple[list[bytes], list[bytes]]:
        """The items of the fields RateLimit-Policy and RateLimit."""
        self.ahead.give_back()
        moment = int(now * SECOND)
        return self._policy, [_item(quota) % quota.told(moment) for quota in self._quotas]

    def left(self, now: float) -> dict[str, dict[str, int]]:
        """What is left of each limit by its name, and in how many seconds all of it is there again."""
        self.ahead.give_back()
        moment = int(now * SECOND)
        found = {quota.name: quota.told(moment) for quota in self._quotas}
        return {name: {"left": left, "full_in": seconds} for name, (left, seconds) in found.items()}

    def _too_often(self, quota: Quota, cost: int, now: int) -> RateLimited:
        rate, name = quota.rate, quota.limit
        if cost > rate.burst:
            return RateLimited(
                f"{cost} calls at once are more than {name} ever allows ({rate.burst}): send fewer in one request.",
                limit=name,
            )
        due = quota.due(now)
        seconds = wait(rate, due, cost, now) + max(0, due - now - quota.span) / SECOND
        return RateLimited(
            f"{self._subject!r} calls more often than {name} allows "
            f"({rate.count} in {rate.seconds} s): wait {_shown(seconds)} s.",
            retry_after=_in_millis(seconds),
            limit=name,
        )

    def _too_many_bytes(self, quota: Quota, now: int) -> RateLimited:
        seconds = until_room(quota.rate, quota.due(now), now)
        return RateLimited(
            f"{self._subject!r} has had as many bytes as {quota.limit} allows for now: wait {_shown(seconds)} s.",
            retry_after=_in_millis(seconds),
            limit=quota.name,
        )


def _item(quota: Quota) -> bytes:
    """How one stands, for two numbers."""
    return b'"%b";r=%%d;t=%%d' % quota.name.encode("ascii")


def _in_millis(seconds: float) -> float:
    """The time in whole milliseconds, never less: who waits so long is not refused once more."""
    return ceil(1000 * seconds - 1e-6) / 1000


def _shown(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 10 else f"{ceil(seconds)}"


class Limiter:
    """The accounts of everybody whom some limit is for."""

    def __init__(self, limits: Mapping[int, Named], table: Meters, book: Book | None = None) -> None:
        """`limits` by the place of the policy that says so; under `NONE` what holds for all that a principal does.

        With a book, what everybody had is told to the other gates.
        """
        self._limits = dict(limits)
        self._table = table
        self._book = book
        self._accounts: dict[tuple[tuple[str, str], tuple[int, ...]], Account | None] = {}

    def account(self, principal: Principal, client: str, places: tuple[int, ...]) -> Account | None:
        """What calls that these policies allow are charged to, None where nothing limits them.

        Who comes without a credential is told apart by `client`, their address.
        """
        whose = ("", _network(client)) if principal.anonymous else (principal.issuer, principal.subject)
        at = (whose, places)
        try:
            return self._accounts[at]
        except KeyError:
            pass
        if len(self._accounts) >= _MOST_ACCOUNTS:
            self._accounts.clear()  # what they have had stands in the table
        chosen = [self._limits[one] for one in dict.fromkeys((NONE, *places)) if one in self._limits]
        meters = tuple(Meter(self._table, named, whose) for named in chosen)
        account = self._accounts[at] = Account(meters, principal.subject, self._book) if meters else None
        return account

    def left(
        self, principal: Principal, client: str, places: tuple[int, ...], now: float
    ) -> dict[str, dict[str, int]]:
        """What such a principal has left of the limits of these policies; `now` is in seconds since 1970."""
        account = self.account(principal, client, places)
        return {} if account is None else account.left(now)

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
