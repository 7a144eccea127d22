"""Laws of counting how long calls take: nothing is lost or counted twice, and thousands of methods take no more room than is given."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.durations import Durations
from gateway.core.method_times import BUCKETS, CACHED, FAILED, OTHERS
from gateway.telemetry.method_times import MethodTimes, Took

CALLS = st.lists(
    st.tuples(
        st.sampled_from(["a.x", "a.y", "b.x"]), st.sampled_from(["hit", "miss"]), st.floats(0.0, 400.0)
    ),
    max_size=50,
)


def took(*lasted):
    made = Took()
    for seconds in lasted:
        made.note(seconds, 1)
    return made


def calls(times):
    return {name: int(cells[BUCKETS:].sum()) for name, cells in zip(times.names, times.cells, strict=True)}


@given(st.lists(CALLS, max_size=4))
def test_services_are_told_all_that_was_ever_counted_by_the_coarser_bounds(whiles):
    times, expected = MethodTimes(), {}
    for each in whiles:
        for method, outcome, seconds in each:
            service = method.partition(".")[0]
            times.add(service, method, outcome, took(seconds))
            expected.setdefault(service, Durations()).note(seconds)
        times.take()
    found = times.services()
    assert {name: one.buckets for name, one in found.items()} == {
        name: one.buckets for name, one in expected.items()
    }
    for name, one in found.items():
        assert abs(one.seconds - expected[name].seconds) < 1e-6


def test_what_was_taken_is_not_told_again_and_what_comes_later_is():
    times = MethodTimes()
    times.add("a", "a.x", "miss", took(0.1, 0.2))
    assert calls(times.told()) == {"a.x": 2}
    assert calls(times.take()) == {"a.x": 2}
    assert calls(times.told()) == {}
    times.at_once("a", "a.y", "hit", 3)
    assert calls(times.take()) == {"a.y": 3}


def test_calls_count_by_how_they_ended_and_those_at_once_as_the_shortest():
    times = MethodTimes()
    times.add("a", "a.x", "miss", took(0.1))
    times.add("a", "a.x", "DeadlineExceeded", took(5.0, 6.0))
    times.at_once("a", "a.x", "hit", 4)
    (cells,) = times.told().cells
    assert cells[[CACHED, FAILED, OTHERS, BUCKETS]].tolist() == [4, 2, 1, 4]


def test_what_was_gathered_is_forgotten_where_it_was_counted():
    one = took(0.1)
    one.clear()
    assert (one.count, one.size, one.seconds, dict(one.buckets)) == (0, 0, 0.0, {})


def test_more_methods_than_are_told_apart_count_for_the_others_of_their_service():
    times = MethodTimes(most=3)
    for at in range(1000):
        times.add("a", f"a.get_{at}", "miss", took(0.1))
        times.at_once("b", f"b.(others){at}", "hit", 1)
    found = calls(times.told())
    assert found == {"a.get_0": 1, "b.(others)0": 1, "a.get_1": 1, "a.(others)": 998, "b.(others)": 999}
    times.at_once("a", "a.get_0", "hit", 1)
    assert calls(times.told())["a.get_0"] == 2
