"""Laws of who is let in, where many callers come at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.crowd import Crowd, Welcome, place_of
from gateway.wire.limits import Limits

A, B, PROXY = "192.0.2.1", "192.0.2.2", "10.0.0.1"


def crowd(connections: int = 100, each: int = 10) -> Crowd:
    limits = Limits(connections=connections, connections_per_address=each)
    return Crowd(limits, lambda address: address == PROXY)


def entered(one: Crowd, address: str, times: int) -> list[Welcome]:
    return [one.enter(address) for _ in range(times)]


def test_an_address_with_too_many_is_told_so_and_then_only_turned_away() -> None:
    here = crowd()
    found = entered(here, A, 15)
    assert found == [Welcome.SERVED] * 10 + [Welcome.CROWDED] + [Welcome.TURNED_AWAY] * 4


def test_others_are_served_beside_an_address_that_has_too_many() -> None:
    here = crowd()
    entered(here, A, 50)
    assert here.enter(B) is Welcome.SERVED


def test_where_all_are_taken_a_tenth_more_are_told_so_and_the_rest_turned_away() -> None:
    here = crowd(connections=20, each=0)
    found = entered(here, A, 25)
    assert found == [Welcome.SERVED] * 20 + [Welcome.FULL] * 2 + [Welcome.TURNED_AWAY] * 3


def test_one_more_is_told_so_however_few_may_come() -> None:
    assert entered(crowd(connections=1, each=0), A, 3) == [
        Welcome.SERVED,
        Welcome.FULL,
        Welcome.TURNED_AWAY,
    ]


def test_the_callers_behind_a_trusted_proxy_are_not_counted_as_one() -> None:
    assert set(entered(crowd(), PROXY, 50)) == {Welcome.SERVED}


def test_an_address_that_is_not_known_is_counted_in_all_alone() -> None:
    here = crowd(connections=20)
    assert entered(here, "", 21)[-2:] == [Welcome.SERVED, Welcome.FULL]


def test_whoever_left_has_room_again() -> None:
    here = crowd()
    entered(here, A, 12)
    for _ in range(12):
        here.leave(A)
    assert here.enter(A) is Welcome.SERVED


@given(st.lists(st.sampled_from([A, B, PROXY, "2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1", ""])))
def test_when_all_have_left_nothing_is_remembered(addresses: list[str]) -> None:
    here = crowd(connections=5, each=2)
    for address in addresses:
        here.enter(address)
    for address in reversed(addresses):
        here.leave(address)
    assert (here.count, here._by_place) == (0, {})


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (A, A, True),
        (A, B, False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", A, True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_addresses_of_one_customer_are_one_place(one: str, other: str, alike: bool) -> None:
    assert (place_of(one) == place_of(other)) is alike
