"""The judge: what an entry is worth to a call at a given time."""

import pytest

from gateway.core.call import NO_DEMAND, Demand
from gateway.core.freshness import COALESCE, UNSAFE, entry_of, judge, rule_of
from gateway.core.method import CacheRule, Method, RpcBinding
from gateway.core.verdict import Entry, Hit, Miss, Pass, Stale

RULE = CacheRule(fresh=30, stale=60)
STORED = 1000.0
ENTRY = Entry(
    key=b"k",
    kind="result",
    body=b"1",
    stored=STORED,
    fresh_until=1030.0,
    stale_until=1090.0,
    epoch=0,
    generations=(1, 2),
)


def judged(entry=ENTRY, *, now, rule=RULE, demand=NO_DEMAND, epoch=0, generations=(1, 2)):
    return judge(rule, b"k", entry, demand, epoch=epoch, generations=generations, now=now)


def method(**facts):
    return Method(name="jobs.get", service="jobs", binding=RpcBinding("get"), **facts)


@pytest.mark.parametrize(
    ("now", "outcome"),
    [(STORED, Hit), (1029.9, Hit), (1030.0, Stale), (1089.9, Stale), (1090.0, Miss), (1e9, Miss)],
)
def test_an_entry_is_a_hit_then_stale_then_a_miss(now, outcome):
    assert isinstance(judged(now=now), outcome)


def test_without_a_stale_time_an_expired_entry_is_a_miss():
    entry = Entry(b"k", "result", b"1", STORED, 1030.0, 1030.0, 0, (1, 2))
    assert judged(entry, now=1030.0) == Miss(b"k", (1, 2), 0, RULE, "expired")


@pytest.mark.parametrize(("epoch", "generations"), [(1, (1, 2)), (0, (1, 3)), (0, (2, 2)), (0, ())])
def test_an_entry_of_another_epoch_or_generation_is_as_good_as_none(epoch, generations):
    verdict = judged(now=STORED, epoch=epoch, generations=generations)
    assert verdict == Miss(b"k", generations, epoch, RULE, "invalidated")


@pytest.mark.parametrize(("age", "outcome"), [(9, Hit), (10, Hit), (10.5, Miss)])
def test_a_caller_can_ask_for_a_younger_entry_than_the_rule_wants(age, outcome):
    verdict = judged(now=STORED + age, demand=Demand(max_age=10))
    assert isinstance(verdict, outcome)


def test_no_cache_takes_no_entry_at_all():
    assert isinstance(judged(now=STORED, demand=Demand(max_age=-1)), Miss)


def test_a_clock_set_back_makes_no_entry_fresh_for_ever():
    assert judged(now=STORED - 3600).why == "from the future"


def test_an_unsafe_method_passes_and_a_safe_one_without_a_rule_is_only_coalesced():
    assert rule_of(method()) is UNSAFE
    assert rule_of(method(cache=RULE)) is UNSAFE
    assert rule_of(method(safe=True)) is COALESCE
    assert rule_of(method(safe=True, cache=RULE)) is RULE
    assert judged(None, now=0, rule=COALESCE).why == "no rule"


def test_an_entry_carries_the_generations_that_were_read_before_its_trip():
    miss = Miss(b"k", (7, 8), 3, RULE, "not stored")
    entry = entry_of(miss, "result", b"[1]", now=50.0)
    assert entry == Entry(b"k", "result", b"[1]", 50.0, 80.0, 140.0, 3, (7, 8))


def test_errors_are_kept_only_where_the_rule_says_negative_and_never_stale():
    miss = Miss(b"k", (), 0, RULE, "not stored")
    assert isinstance(entry_of(miss, "error", b"{}", now=0), Pass)
    negative = Miss(b"k", (), 0, CacheRule(fresh=30, stale=60, negative=2), "not stored")
    entry = entry_of(negative, "error", b"{}", now=0)
    assert (entry.kind, entry.fresh_until, entry.stale_until) == ("error", 2, 2)


def test_what_is_larger_than_the_rules_size_is_not_kept():
    miss = Miss(b"k", (), 0, CacheRule(fresh=30, max_size=3), "not stored")
    assert isinstance(entry_of(miss, "result", b"1234", now=0), Pass)
    assert isinstance(entry_of(miss, "result", b"123", now=0), Entry)
