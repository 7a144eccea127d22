"""What a stored HTTP reply is worth, by its times and what the caller asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call import Demand
from gateway.core.http_judging import judge_http
from gateway.core.http_storing import BY_THE_REPLY
from gateway.core.verdict import Entry, Hit, HttpHead, Miss, Stale

HEAD = HttpHead(200, b"OK", ())


def entry(**how):
    times = {"stored": 1000.0, "fresh_until": 1060.0, "refresh_until": 1080.0, "stale_until": 1100.0} | how
    return Entry(key=b"k", kind="http", body=b"x", epoch=0, generations=(1,), head=HEAD, **times)


def judged(one, *, now, demand=Demand(), epoch=0, generations=(1,)):  # noqa: B008 - a demand is a frozen value
    return judge_http(BY_THE_REPLY, b"k", one, demand, epoch=epoch, generations=generations, now=now)


@pytest.mark.parametrize(
    ("now", "verdict", "spare"),
    [
        (1000, Hit, False),
        (1059.9, Hit, False),
        (1060, Stale, False),
        (1079.9, Stale, False),
        (1080, Miss, True),
        (1099.9, Miss, True),
        (1100, Miss, False),
    ],
)
def test_a_reply_is_fresh_then_renewed_beside_then_a_stand_in_then_only_asked_about(now, verdict, spare):
    found = judged(entry(), now=now)
    assert isinstance(found.verdict, verdict)
    assert (found.spare is not None) is spare
    assert (found.entry is not None) is (verdict is not Hit)


@pytest.mark.parametrize("how", [{"epoch": 1}, {"generations": (2,)}, {"generations": ()}])
def test_a_reply_of_another_epoch_or_generation_is_nothing_at_all(how):
    found = judged(entry(), now=1000, **how)
    assert (found.verdict.why, found.entry, found.spare) == ("invalidated", None, None)


def test_a_signpost_or_nothing_is_no_reply():
    signpost = Entry(b"k", "http", b"", 1000, 2000, 2000, 0, (1,), vary=(b"x",))
    assert judged(signpost, now=1001).verdict.why == "not stored"
    assert judged(None, now=1001).verdict.why == "not stored"


def test_a_clock_set_back_makes_nothing_fresh_for_ever():
    assert judged(entry(), now=1).verdict.why == "from the future"


demands = st.builds(
    Demand,
    max_age=st.none() | st.integers(-1, 150).map(float),
    only_cached=st.booleans(),
    max_stale=st.none() | st.integers(0, 100).map(float),
    min_fresh=st.integers(0, 100).map(float),
    no_store=st.booleans(),
)


@given(demands, st.integers(1000, 1200), st.booleans(), st.booleans(), st.integers(0, 100))
def test_no_answer_is_older_or_staler_than_its_service_and_its_caller_allow(
    demand, now, validate, strict, aged
):
    one = entry(validate=validate, strict=strict, aged=aged)
    if strict:
        one = entry(validate=validate, strict=True, aged=aged, refresh_until=1060.0, stale_until=1060.0)
    found = judged(one, now=float(now), demand=demand)
    left = 1060.0 - now
    if isinstance(found.verdict, Hit):
        assert left > 0
        assert left >= demand.min_fresh
    if isinstance(found.verdict, Hit | Stale):
        assert not validate
        assert demand.max_age is None or now - 1000 + aged <= demand.max_age
    if isinstance(found.verdict, Stale):
        assert not strict
        assert now < one.refresh_until or (demand.max_stale is not None and -left <= demand.max_stale)
    if found.spare is not None:
        assert left <= 0
        assert now < one.stale_until
        assert demand.max_age is None or demand.max_age >= 0
