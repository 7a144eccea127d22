"""Laws of balance: less work first, the same key at the same place, and those that are out last."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.balance import by_key, by_load, in_use
from gateway.core.latency import ENOUGH, KEPT, Latency

draws = st.floats(0, 1, exclude_max=True)
replicas = st.integers(1, 8).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, 50), min_size=count, max_size=count),
        st.lists(st.booleans(), min_size=count, max_size=count),
    )
)


@settings(max_examples=300)
@given(replicas, st.integers(0, 1000), draws, st.binary(max_size=20))
def test_every_replica_is_in_the_order_once_and_those_that_are_out_come_last(lab, turn, draw, key):
    loads, out = lab
    names = [b"http://replica-%d" % one for one in range(len(loads))]
    used = set(in_use(out))
    for order in (by_load(loads, out, turn, draw), by_key(key, names, out)):
        assert sorted(order) == list(range(len(loads)))
        assert set(order[: len(used)]) == used


@given(replicas)
def test_when_most_are_out_all_are_used(lab):
    _, out = lab
    there = [one for one, is_out in enumerate(out) if not is_out]
    assert in_use(out) == (there if len(there) * 2 >= len(out) else list(range(len(out))))


@settings(max_examples=300)
@given(replicas, st.integers(0, 1000), draws)
def test_the_busiest_of_several_is_never_asked_first_unless_all_are_alike(lab, turn, draw):
    loads, out = lab
    used = in_use(out)
    first = by_load(loads, out, turn, draw)[0]
    if len(used) > 1 and sum(loads[one] == max(loads[i] for i in used) for one in used) == 1:
        assert loads[first] < max(loads[one] for one in used)


def test_without_load_replicas_take_turns():
    firsts = [by_load([0, 0, 0], [False] * 3, turn, 0.7)[0] for turn in range(6)]
    assert firsts == [0, 1, 2, 0, 1, 2]


@settings(max_examples=100)
@given(st.integers(2, 8), st.integers(0, 7), st.binary(max_size=20))
def test_a_key_stays_where_it_is_while_its_replica_is_there(count, gone, key):
    gone %= count
    names = [b"http://replica-%d" % one for one in range(count)]
    before = by_key(key, names, [False] * count)
    after = by_key(key, names, [one == gone for one in range(count)])
    if before[0] != gone:
        assert after[0] == before[0]
    else:
        assert after[0] == before[1]
    others = [name for name in names if name != names[gone]]
    alone = [others[one] for one in by_key(key, others, [False] * len(others))]
    assert [names[one] for one in before if one != gone] == alone


def test_keys_are_spread_evenly():
    names = [b"http://a", b"http://b", b"http://c", b"http://d"]
    counted = Counter(by_key(b"P%d" % key, names, [False] * 4)[0] for key in range(2000))
    assert all(400 <= counted[one] <= 600 for one in range(4))


@settings(max_examples=50)
@given(st.lists(st.floats(0, 100), max_size=2 * KEPT), st.sampled_from((0.5, 0.9, 0.95, 0.99, 1.0)))
def test_a_quantile_is_that_of_the_last_calls_and_unknown_of_too_few(lasted, part):
    latency = Latency()
    for seconds in lasted:
        latency.note(seconds)
    known = lasted[-KEPT:]
    found = latency.quantile(part)
    if len(known) < ENOUGH:
        assert found is None
    else:
        assert sum(one <= found for one in known) >= part * len(known)
        assert found in known
