"""Laws of the times of methods: rows add up, a quantile is never further off than its bucket, and any column sorts."""

from bisect import bisect_left
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import durations
from gateway.core.method_times import (
    BOUNDS,
    BUCKETS,
    CACHED,
    FAILED,
    OTHERS,
    SECONDS,
    SORTS,
    WIDTH,
    Times,
    Wish,
    by_service,
    ended_as,
    quantile,
    sums,
    together,
    told,
)

LASTED = st.lists(st.floats(0.0, 299.0), min_size=1, max_size=200)
TIMES = st.dictionaries(st.sampled_from(["a.x", "a.y", "b.x", "d/b.x"]), LASTED, max_size=4)


def row(lasted, cached=0, failed=0):
    """The cells of calls that took so long."""
    cells = np.zeros(WIDTH)
    for seconds in lasted:
        cells[BUCKETS + bisect_left(BOUNDS, seconds)] += 1
    cells[[SECONDS, CACHED, FAILED, OTHERS]] = [sum(lasted), cached, failed, len(lasted) - cached - failed]
    return cells


def times(named):
    return Times(list(named), np.array([row(lasted) for lasted in named.values()]).reshape(-1, WIDTH))


def counts(some):
    return {name: cells[BUCKETS:].tolist() for name, cells in zip(some.names, some.cells, strict=True)}


@given(LASTED, st.sampled_from([0.5, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_call_that_it_is(lasted, part):
    true = sorted(lasted)[ceil(part * len(lasted)) - 1]
    bucket = bisect_left(BOUNDS, true)
    (found,) = quantile(np.array([row(lasted)]), part)
    assert (0.0, *BOUNDS)[bucket] <= found <= BOUNDS[bucket]


@given(st.floats(0.0, 400.0))
def test_of_one_call_every_quantile_is_the_same(seconds):
    cells = np.array([row([seconds])])
    assert quantile(cells, 0.5).tolist() == quantile(cells, 0.99).tolist()


def test_what_took_longer_than_every_bound_is_told_as_the_last():
    assert quantile(np.array([row([1000.0])]), 0.99).tolist() == [BOUNDS[-1]]


def test_a_quantile_is_known_more_exactly_than_by_a_factor_of_two():
    assert max(upper / lower for lower, upper in pairwise(BOUNDS)) <= 2


def test_every_bound_by_which_services_are_told_is_one_of_the_methods():
    assert set(durations.BOUNDS) <= set(BOUNDS)
    assert list(BOUNDS) == sorted(BOUNDS)


@given(st.lists(TIMES, max_size=4))
def test_rows_of_the_same_name_add_up_however_they_came(parts):
    whole = {}
    for part in parts:
        for name, lasted in part.items():
            whole.setdefault(name, []).extend(lasted)
    expected = counts(times(whole))
    assert counts(together([times(part) for part in parts])) == expected
    assert counts(together([times(part) for part in reversed(parts)])) == expected
    names, cells = sums([name for part in parts for name in part], together_all(parts))
    assert counts(Times(names, cells)) == expected


def together_all(parts):
    return np.concatenate([np.zeros((0, WIDTH)), *(times(part).cells for part in parts)])


def test_a_service_is_all_of_its_methods_and_one_of_a_datastack_is_another():
    found = by_service(times({"a.x": [0.1], "a.y.z": [0.1, 5.0], "d/a.x": [0.1]}))
    assert {name: sum(one) for name, one in counts(found).items()} == {"a": 3, "d/a": 1}


@pytest.mark.parametrize(
    ("outcome", "cell"),
    [("hit", CACHED), ("stale", CACHED), ("miss", OTHERS), ("pass", OTHERS), ("error", FAILED), ("NotFound", FAILED)],
)  # fmt: skip
def test_a_call_counts_as_cached_or_as_failed_or_as_neither(outcome, cell):
    assert ended_as(outcome) == cell


SOME = Times(
    ["jobs.get_job", "jobs.list_jobs", "files.http", "jobs.idle"],
    np.array([row([0.2] * 4, cached=3), row([3.0] * 2, failed=2), row([0.0003] * 10), row([])]),
)


def names(**wish):
    return [one["method"] for one in told(SOME, Wish(**wish))["rows"]]


def test_a_row_tells_calls_failures_the_share_from_the_cache_and_how_long_they_took():
    (found,) = told(SOME, Wish(find="get_job"))["rows"]
    assert found["p50"] == pytest.approx(0.2, rel=0.3)
    assert found["p99"] == pytest.approx(0.25, rel=0.3)
    del found["p50"], found["p99"]
    assert found == {"method": "jobs.get_job", "calls": 4, "failed": 0, "cached": 0.75, "seconds": 0.8}


def test_what_was_not_called_is_not_told():
    assert "jobs.idle" not in names()
    nothing = told(Times([], np.zeros((0, WIDTH))), Wish())
    assert (nothing["found"], nothing["all"], nothing["rows"]) == (0, None, [])


def test_all_of_them_are_told_in_one_however_few_are_shown():
    found = told(SOME, Wish(limit=1))
    assert (len(found["rows"]), found["found"], found["all"]["calls"], found["all"]["failed"]) == (
        1,
        3,
        16,
        2,
    )


def test_words_find_names_in_any_order_and_case():
    assert names(find="JOB list") == ["jobs.list_jobs"]
    assert names(find="http") == ["files.http"]
    assert names(find="jobs. nothing") == []


@pytest.mark.parametrize("sort", SORTS)
def test_any_column_sorts_both_ways_and_what_is_alike_comes_by_name(sort):
    column = "method" if sort == "name" else sort
    rows = told(SOME, Wish(sort=sort, descending=False))["rows"]
    assert rows == sorted(rows, key=lambda one: (one[column], one["method"]))
    values = [one[column] for one in told(SOME, Wish(sort=sort))["rows"]]
    assert values == sorted(values, reverse=True)
    tied = Times(["b.x", "a.x"], np.array([row([0.2]), row([0.2])]))
    assert [one["method"] for one in told(tied, Wish(sort="calls"))["rows"]] == ["a.x", "b.x"]


def test_services_are_told_instead_where_they_are_asked_for():
    found = told(SOME, Wish(by="service"))
    assert [(one["service"], one["calls"]) for one in found["rows"]] == [("files", 10), ("jobs", 6)]
