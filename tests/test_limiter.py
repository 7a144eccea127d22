"""What is charged to whom, and what is said of it."""

from __future__ import annotations

import pytest

from gateway.core.charging import fields_of
from gateway.core.faults import RateLimited
from gateway.core.limits import Limit, Named
from gateway.core.policy import NONE
from gateway.core.principal import ANONYMOUS, Principal
from gateway.core.rates import Rate
from gateway.limiter import Limiter
from gateway.meters import Meters

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
