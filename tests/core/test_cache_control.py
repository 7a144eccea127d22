"""What fields say of caching: every way to write it, and between contradictions the more restrictive one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cache_control import MOST_SECONDS, demand_from, directives, reply_control
from gateway.core.call import Demand


def said(*values: bytes, name: bytes = b"Cache-Control"):
    return reply_control(tuple((name, value) for value in values))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"max-age=60", [(b"max-age", b"60")]),
        (b'Max-Age="60"', [(b"max-age", b"60")]),
        (b" a , ,b=c,, d ", [(b"a", None), (b"b", b"c"), (b"d", None)]),
        (b'a="x, no-store", b', [(b"a", b"x, no-store"), (b"b", None)]),
        (rb'a="x\", \\", b', [(b"a", b'x", \\'), (b"b", None)]),
        (b'a="x, b', [(b"a", b""), (b"b", None)]),
        (b"a=1 2, b", [(b"a", b""), (b"b", None)]),
        (b"a=, b", [(b"a", b""), (b"b", None)]),
        (b"=a, b", [(b"b", None)]),
        (b"a = 1", [(b"a", b"")]),
        (b'"a", b', [(b"b", None)]),
        (b"", []),
        (b",,,", []),
    ],
)
def test_a_value_is_read_up_to_its_commas_and_what_is_odd_has_no_value(value, found):
    assert list(directives(value)) == found


@given(st.lists(st.binary(max_size=30), max_size=4))
def test_whatever_the_fields_say_is_read(values):
    found = said(*values)
    assert found.max_age is None or 0 <= found.max_age <= MOST_SECONDS
    demand = demand_from(tuple((b"cache-control", value) for value in values))
    assert demand.max_age is None or demand.max_age >= -1
    said(*values, name=b"CDN-Cache-Control")


words = st.sampled_from(
    [
        b"max-age=60",
        b"max-age=0",
        b"max-age=x",
        b"s-maxage=5",
        b"no-store",
        b"no-cache",
        b"private",
        b"public",
    ]
)


@given(st.lists(words, max_size=5), st.lists(words, max_size=5))
def test_nothing_that_is_added_takes_a_restriction_away(some, more):
    less, all_of_it = said(b", ".join(some)), said(b", ".join(some), b",".join(more))
    for name in ("no_store", "no_cache", "private", "must_revalidate"):
        assert getattr(all_of_it, name) >= getattr(less, name)
    if less.max_age is not None:
        assert all_of_it.max_age <= less.max_age


@given(st.permutations([b"max-age=60", b"no-cache", b'private="x"', b"s-maxage=1", b"max-age=7"]), st.data())
def test_order_lines_and_case_do_not_matter(parts, data):
    cut = data.draw(st.integers(0, len(parts)))
    lines = [b", ".join(part) for part in (parts[:cut], parts[cut:])]
    assert said(*lines) == said(b'MAX-AGE=7, No-Cache, private="X", s-maxage=1')


def test_directives_with_names_keep_fields_out_and_those_without_keep_out_the_whole():
    found = said(b'no-cache="A, x-b", private="C"')
    assert (found.no_cache, found.private, found.unstored) == (False, False, {b"a", b"x-b", b"c"})
    found = said(b'no-cache="a", no-cache, private=""')
    assert (found.no_cache, found.private, found.unstored) == (True, True, {b"a"})


def test_a_targeted_field_stands_alone_if_it_can_be_read():
    def both(targeted):
        return reply_control(((b"Cache-Control", b"no-store"), (b"CDN-Cache-Control", targeted)))

    found = both(b"max-age=60, public")
    assert (found.no_store, found.max_age, found.public, found.targeted) == (False, 60, True, True)
    for broken in (b"", b"max-age=", b"NO", b"a b", b"\xff"):
        assert both(broken).no_store
    assert both(b"max-age=60.5").max_age == 0
    assert both(b'max-age="60"').max_age == 60
    assert both(b"max-age=(60)").max_age == 0
    assert both(b"private=?0, max-age=1").private is False


@pytest.mark.parametrize(
    ("fields", "demand"),
    [
        ((), Demand()),
        (((b"Cache-Control", b"max-age=7"),), Demand(max_age=7)),
        (((b"Cache-Control", b"max-age=7"), (b"cache-control", b"max-age=3")), Demand(max_age=3)),
        (((b"Cache-Control", b"no-cache, max-age=7"),), Demand(max_age=-1)),
        (((b"Cache-Control", b"no-store"),), Demand(max_age=-1, no_store=True)),
        (((b"Cache-Control", b"max-stale"),), Demand(max_stale=MOST_SECONDS)),
        (((b"Cache-Control", b"max-stale=5, max-stale"),), Demand(max_stale=5)),
        (((b"Cache-Control", b"min-fresh=5, min-fresh=2"),), Demand(min_fresh=5)),
        (((b"Cache-Control", b"only-if-cached"),), Demand(only_cached=True)),
        (((b"Pragma", b"x, No-Cache"),), Demand(max_age=-1)),
        (((b"Pragma", b"no-cache"), (b"Cache-Control", b"x")), Demand()),
    ],
)
def test_a_request_asks_for_the_most_that_it_says(fields, demand):
    assert demand_from(fields) == demand
