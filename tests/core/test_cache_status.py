"""Cache-Status: what happened and why, in RFC 9211's words."""

import pytest

from gateway.core.cache_status import age, cache_status, outcome, worst
from gateway.core.method import CacheRule
from gateway.core.reply import Reply, Whole
from gateway.core.verdict import Entry, Hit, Miss, Pass, Stale

ENTRY = Entry(b"k", "result", b"1", 100.0, 130.0, 160.0, 0, ())
RULE = CacheRule(fresh=30)


def reply(verdict, **facts):
    return Reply("result", Whole(b"1"), verdict, **facts)


def miss(why):
    return Miss(b"k", (), 0, RULE, why)


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (reply(Hit(ENTRY)), "labgate; hit; ttl=20"),
        (
            reply(Stale(ENTRY, b"k", (), 0, RULE, "expired")),
            'labgate; hit; ttl=20; detail="expired, refreshing"',
        ),
        (reply(miss("not stored"), stored=True), 'labgate; fwd=miss; stored; detail="not stored"'),
        (reply(miss("no rule"), collapsed=True), 'labgate; fwd=miss; collapsed; detail="no rule"'),
        (reply(miss("expired")), 'labgate; fwd=stale; detail="expired"'),
        (reply(miss("invalidated")), 'labgate; fwd=stale; detail="invalidated"'),
        (reply(miss("older than asked for")), 'labgate; fwd=request; detail="older than asked for"'),
        (reply(Pass("unsafe")), 'labgate; fwd=method; detail="unsafe"'),
        (reply(Pass("assembled")), 'labgate; fwd=bypass; detail="assembled"'),
    ],
)
def test_every_reply_says_what_happened_and_why(one, text):
    assert cache_status(one, 110.0) == text


def test_age_is_that_of_the_entry_and_absent_without_one():
    assert age(reply(Hit(ENTRY)), 112.9) == 12
    assert age(reply(Hit(ENTRY)), 99.0) == 0
    assert age(reply(Pass("unsafe")), 112.9) is None


def test_a_batch_says_what_the_entry_says_that_the_cache_helped_least():
    hit, passed, missed = reply(Hit(ENTRY)), reply(Pass("unsafe")), reply(miss("not stored"))
    assert worst([hit, missed, passed, hit]) is passed
    assert worst([hit, missed]) is missed
    assert worst([]) is None
    assert outcome(hit) == "hit"
