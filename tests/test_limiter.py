"""What is charged to whom, and what is said of it."""

from __future__ import annotations

import contextlib
import math
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.charging import fields_of
from gateway.core.faults import RateLimited
from gateway.core.limits import Limit, Named
from gateway.core.policy import NONE
from gateway.core.principal import ANONYMOUS, Principal
from gateway.core.rates import SECOND as NANO
from gateway.core.rates import Rate
from gateway.core.tally import Book
from gateway.limiter import Limiter
from gateway.meters import ROWS, Meters

NOW = 1_800_000_000.25
ADA, BOB = Principal("ada", "labgate"), Principal("bob", "labgate")
CALLER = Named("caller", Limit(Rate(10, 1, 10)))
SECOND = Named("policy-2", Limit(Rate(5, 60, 5), 2, Rate(1000, 3600, 1000)))


@pytest.fixture
def limiter():
    return Limiter({NONE: CALLER, 1: SECOND}, Meters())


def left(account, now=NOW):
    """What the answers say is left, by name."""
    said = dict(fields_of((account,), now))[b"RateLimit"].decode()
    return {
        item.split(";")[0].strip('" '): int(item.split("r=")[1].split(";")[0]) for item in said.split(",")
    }


def test_the_limit_for_all_and_that_of_the_policy_are_both_charged_or_neither(limiter):
    account = limiter.account(ADA, "", (1,))
    for _ in range(5):
        account.charge(NOW)
    assert left(account) == {"caller": 5, "policy-2": 0, "policy-2-bytes": 1000}
    with pytest.raises(RateLimited) as refused:
        account.charge(NOW)
    assert refused.value.data == {"retry_after": 12.0, "limit": "policy-2"}
    assert left(account)["caller"] == 5
    other = limiter.account(ADA, "", (0,))
    other.charge(NOW)
    assert left(account)["caller"] == left(other)["caller"] == 4
    account.charge(NOW + 12)


def test_each_principal_has_what_the_policy_says_whoever_else_it_speaks_of(limiter):
    ada, bob = (limiter.account(one, "", (1,)) for one in (ADA, BOB))
    ada.charge(NOW, 5)
    assert left(bob)["policy-2"] == 5
    same = limiter.account(Principal("ada", "labgate", groups=("x",), expires=NOW), "10.0.0.1", (1,))
    assert left(same)["policy-2"] == 0
    stranger = limiter.account(Principal("ada", "https://other.test"), "", (1,))
    assert left(stranger)["policy-2"] == 5


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unix", "unix", True),
    ],
)
def test_who_comes_without_a_token_is_told_apart_by_network_address(limiter, one, other, alike):
    limiter.account(ANONYMOUS, one, (1,)).charge(NOW, 5)
    assert (left(limiter.account(ANONYMOUS, other, (1,)))["policy-2"] == 0) is alike


def test_nothing_is_charged_where_nothing_limits():
    limiter = Limiter({1: SECOND}, Meters())
    assert limiter.account(ADA, "", (0,)) is None
    assert limiter.account(ADA, "", (NONE,)) is None


def test_more_at_once_than_ever_can_be_is_told_apart_from_too_often(limiter):
    with pytest.raises(RateLimited, match="send fewer") as refused:
        limiter.account(ADA, "", (1,)).charge(NOW, 6)
    assert "retry_after" not in refused.value.data


def test_calls_under_way_are_counted_until_each_is_released_once(limiter):
    account = limiter.account(ADA, "", (1,))
    first, _ = account.hold(), account.hold()
    with pytest.raises(RateLimited, match="under way") as refused:
        account.hold()
    assert refused.value.data["retry_after"] == 1.0
    first.release()
    first.release()
    third = account.hold()
    with pytest.raises(RateLimited):
        account.hold()
    third.release()
    assert account.at_once == 2


def test_bytes_are_charged_when_they_were_sent_and_nothing_more_is_allowed_until_there_is_room(limiter):
    account = limiter.account(ADA, "", (1,))
    account.charge(NOW)
    account.spend(1500, NOW)
    with pytest.raises(RateLimited, match="bytes") as refused:
        account.charge(NOW)
    assert refused.value.data["limit"] == "policy-2-bytes"
    assert refused.value.data["retry_after"] == pytest.approx(1800, abs=1)
    assert left(account) == {"caller": 9, "policy-2": 4, "policy-2-bytes": 0}
    account.charge(NOW + 1801)


def test_the_fields_are_those_of_the_draft_each_limit_once(limiter):
    account, other = limiter.account(ADA, "", (1,)), limiter.account(ADA, "", (0,))
    account.charge(NOW)
    policy = b'"caller";q=10;w=1, "policy-2";q=5;w=60, "policy-2-at-once";q=2;qu="concurrent-requests", '
    policy += b'"policy-2-bytes";q=1000;qu="content-bytes";w=3600'
    fields = (
        (b"RateLimit-Policy", policy),
        (b"RateLimit", b'"caller";r=9;t=1, "policy-2";r=4;t=12, "policy-2-bytes";r=1000;t=0'),
    )
    assert fields_of((account,), NOW) == fields
    assert fields_of((other, account), NOW) == fields
    assert fields_of((), NOW) == ()


def test_a_clock_that_was_set_back_leaves_nobody_without_their_calls_for_longer_than_a_burst_takes():
    account = Limiter({1: SECOND}, Meters()).account(ADA, "", (1,))
    account.charge(NOW + 10**6, 5)
    with pytest.raises(RateLimited) as refused:
        account.charge(NOW)
    account.charge(NOW + refused.value.data["retry_after"])


# --- what is charged, beside a bucket of tokens that is counted in fractions

# Where a second is no multiple of the count, a nanosecond is lost now and then; here none is.
EXACT = st.builds(
    Rate,
    count=st.sampled_from([1, 2, 4, 5, 8, 10, 50, 100, 1000]),
    seconds=st.sampled_from([1, 60, 3600]),
    burst=st.integers(1, 30),
)
ASKED = st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 5)), max_size=60)
"""Microseconds later, and how many calls then."""


class Tokens:
    """The naive model: a bucket of `burst` tokens, into which they come back evenly; moments are nanoseconds."""

    def __init__(self, rate: Rate, now: int) -> None:
        self.rate, self.tokens, self.at = rate, Fraction(rate.burst), now

    def take(self, cost: int, now: int) -> bool:
        back = Fraction((now - self.at) * self.rate.count, self.rate.seconds * NANO)
        self.tokens, self.at = min(Fraction(self.rate.burst), self.tokens + back), now
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True


def account_of(rate):
    TABLE.calls[:] = memoryview(bytes(8 * ROWS)).cast("Q")
    return Limiter({1: Named("policy-1", Limit(rate))}, TABLE).account(ADA, "", (1,))


def charged(account, now, cost=1):
    """None where so many calls may come; else after how many seconds they may, infinity for never."""
    try:
        account.charge(now, cost)
    except RateLimited as refused:
        return refused.data.get("retry_after", math.inf)
    return None


@given(EXACT, ASKED)
def test_an_account_allows_what_a_bucket_of_tokens_allows_and_tells_what_is_left_in_it(rate, asked):
    account, micros = account_of(rate), 1_800_000_000_000_000
    model = Tokens(rate, int(micros / 1e6 * NANO))
    for later, cost in asked:
        micros += later
        now = micros / 1e6
        assert (charged(account, now, cost) is None) is model.take(cost, int(now * NANO))
        full_in = math.ceil((rate.burst - model.tokens) * rate.seconds / rate.count)
        assert account.left(now) == {"policy-1": {"left": int(model.tokens), "full_in": full_in}}
        assert b";r=%d;t=%d" % (int(model.tokens), full_in) in account.lines(now)


@given(st.builds(Rate, st.integers(1, 10**6), st.integers(1, 86400), st.integers(1, 30)), ASKED)
def test_in_no_window_are_there_more_than_a_burst_and_what_came_back_in_it(rate, asked):
    account, micros, when = account_of(rate), 1_800_000_000_000_000, []
    for later, _ in asked:
        micros += later
        if charged(account, micros / 1e6) is None:
            when.append(int(micros / 1e6 * NANO))
    for first in range(len(when)):
        for last in range(first, len(when)):
            # What is rounded down with each call lets that much more come back.
            back = (when[last] - when[first] + last - first) * rate.count // (rate.seconds * NANO)
            assert last - first + 1 <= rate.burst + back


@given(EXACT, st.integers(0, 100), st.integers(1, 40))
def test_whoever_waits_as_long_as_told_is_let_in_and_a_moment_earlier_is_not(rate, spent, cost):
    account, now = account_of(rate), 1_800_000_000.0
    for _ in range(spent):
        charged(account, now)
    told = charged(account, now, cost)
    assert (told == math.inf) is (cost > rate.burst)
    if told == math.inf:
        assert charged(account, now + 10**6, cost) == math.inf
    elif told is not None:  # in milliseconds
        assert charged(account, max(now, now + told - 0.001), cost) is not None
        assert charged(account, now + told + 0.001, cost) is None


@pytest.mark.parametrize("count", [3, 7, 999, 100_000])
def test_a_whole_burst_can_be_spent_in_one_moment_whatever_a_second_divided_by_it_is(count):
    account = account_of(Rate(count, 1, count))
    for _ in range(count):
        account.charge(NOW)
    assert left(account) == {"policy-1": 0}


# --- paid at once


LIMITS = st.builds(
    Limit,
    st.none() | st.builds(Rate, st.integers(1, 10**6), st.integers(1, 3600), st.integers(1, 50)),
    st.none(),
    st.none() | st.builds(Rate, st.integers(1, 10**6), st.integers(1, 3600), st.integers(1, 10**5)),
)


@given(
    limits=st.lists(LIMITS, min_size=1, max_size=2),
    asked=st.lists(st.tuples(st.integers(2, 10**6), st.sampled_from([0, 1, 777, 10**7])), max_size=40),
    shared=st.booleans(),
)
@settings(max_examples=80)
def test_what_is_paid_now_and_then_is_what_is_charged_and_spent_and_told_one_after_the_other(
    limits, asked, shared
):
    named = {at: Named(f"policy-{at + 1}", limit) for at, limit in enumerate(limits)}
    places, now, books, accounts = tuple(named), 1_800_000_000_000, (Book(b""), Book(b"")), []
    for table, book in zip((TABLE, OTHER), books, strict=True):
        table.calls[:] = table.sizes[:] = memoryview(bytes(8 * ROWS)).cast("Q")
        accounts.append(Limiter(named, table, book if shared else None).account(ADA, "", places))
    at_once, one_by_one = accounts
    for later, size in asked:
        now += later
        moment, told = now / 1000, None
        try:
            one_by_one.charge(moment)
        except RateLimited as refused:
            with pytest.raises(RateLimited, match=re.escape(refused.message)):
                at_once.pay(size, moment)
            continue
        one_by_one.spend(size, moment)
        told = one_by_one.lines(moment)
        assert at_once.pay(size, moment) == told == at_once.lines(moment)
        assert [tally.spent for tally in books[0].waiting] == [tally.spent for tally in books[1].waiting]


MOMENT = 10_000_000
"""Nanoseconds: who calls often is charged for what comes back within these before they call."""


@given(
    calls=st.none() | st.builds(Rate, st.integers(200, 10**6), st.just(1), st.integers(100, 10**6)),
    sizes=st.builds(Rate, st.integers(10**4, 10**9), st.just(1), st.integers(10**5, 10**9)),
    asked=st.lists(
        st.tuples(st.sampled_from([0, 10, 300, 999, 2000, 20_000]), st.sampled_from([0, 1, 777, 20_000])),
        max_size=60,
    ),
    paid=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_who_calls_often_is_charged_in_advance_and_owes_in_the_end_no_more_and_hardly_less(
    calls, sizes, asked, paid
):
    accounts, micros = [], 1_800_000_000_000_000
    for table in (TABLE, OTHER):
        table.calls[:] = table.sizes[:] = memoryview(bytes(8 * ROWS)).cast("Q")
        accounts.append(
            Limiter({1: Named("policy-1", Limit(calls, None, sizes))}, table).account(ADA, "", (1,))
        )
    often, one_by_one = accounts
    one_by_one.ahead.most = 0  # nothing in advance
    with contextlib.suppress(RateLimited):
        for later, size in asked:
            micros += later
            one_by_one.charge(micros / 1e6)
            one_by_one.spend(size, micros / 1e6)
            if paid:
                often.pay(size, micros / 1e6)
            else:
                often.charge(micros / 1e6)
                often.spend(size, micros / 1e6)
                most = 1 + MOMENT * (calls.count if calls else 0) // NANO
                assert 0 <= calls_left(often, micros) - calls_left(one_by_one, micros) <= most
            for mine, exact in owed(micros):
                assert exact - MOMENT - ROUNDED <= mine <= exact + MOMENT + ROUNDED
    often.left(micros / 1e6)  # gives back what was not had
    for mine, exact in owed(micros):
        assert exact - MOMENT - ROUNDED <= mine <= exact + ROUNDED


def calls_left(account, micros):
    """How many calls it says that are left, 0 where nothing limits them."""
    found = re.search(rb'"policy-1";r=(\d+)', account.lines(micros / 1e6))
    return int(found[1]) if found else 0


def owed(micros):
    """What is owed of calls and of bytes, in nanoseconds, by either."""
    now = int(micros / 1e6 * NANO)
    return [
        [max(0, max(kept) - now) for kept in kinds]
        for kinds in ((TABLE.calls, OTHER.calls), (TABLE.sizes, OTHER.sizes))
    ]


ROUNDED = 100_000
"""Nanoseconds that are lost by whole bytes."""

TABLE, OTHER = Meters(), Meters()


@given(
    rate=st.builds(Rate, st.integers(1, 10**6), st.integers(1, 86400), st.integers(1, 100)),
    now=st.integers(0, 10**9),
)
def test_who_waits_as_long_as_is_said_is_let_in(rate, now):
    TABLE.calls[:] = TABLE.sizes[:] = memoryview(bytes(8 * ROWS)).cast("Q")
    account = Limiter({1: Named("policy-1", Limit(rate, None, None))}, TABLE).account(ADA, "", (1,))
    moment = NOW + now / 1e6
    with contextlib.suppress(RateLimited):
        for _ in range(rate.burst):
            account.charge(moment)
    with pytest.raises(RateLimited) as refused:
        account.charge(moment)
    account.charge(moment + refused.value.data["retry_after"] + 1e-6)
