"""Laws of sums: numbers add up, states do not, and what was counted never becomes less."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.sums import Family, lasting, status_of_all, total


def counter(name, **values):
    samples = tuple((f"{name}_total", (("of", one),), float(value)) for one, value in values.items())
    return Family(name, "counter", "text", False, samples)


def values(families):
    return {(name, labels): value for one in families for name, labels, value in one.samples}


def test_samples_of_the_same_labels_add_up_and_others_stand_beside_them():
    found = values(total([[counter("calls", a=1, b=2)], [counter("calls", b=3, c=4)]]))
    assert [found["calls_total", (("of", one),)] for one in "abc"] == [1.0, 5.0, 4.0]


def test_what_is_alike_in_all_is_not_summed():
    up, down = (Family("up", "gauge", "", True, (("up", (), value),)) for value in (1.0, 0.0))
    assert values(total([[up], [up], [up]])) == {("up", ()): 1.0}
    assert values(total([[up], [down], [up]])) == {("up", ()): 0.0}


def test_the_start_of_all_is_the_earliest():
    families = [
        [Family("process_start_time_seconds", "gauge", "", False, (("process_start_time_seconds", (), at),))]
        for at in (30.0, 10.0, 20.0)
    ]
    assert values(total(families)) == {("process_start_time_seconds", ()): 10.0}


def test_of_what_has_ended_only_what_was_counted_stays():
    histogram = Family("took", "histogram", "", False, (("took_sum", (), 2.0),))
    gauge = Family("flights", "gauge", "", False, (("flights", (), 1.0),))
    build = Family("build", "counter", "", True, (("build", (), 1.0),))
    assert lasting([counter("calls", a=1), histogram, gauge, build]) == [counter("calls", a=1), histogram]


COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 1000), max_size=4)


@given(st.lists(COUNTS, min_size=1, max_size=4), st.integers(0, 3))
def test_no_counter_goes_backwards_when_a_worker_ends(workers, at):
    all_of_them = [[counter("calls", **one)] for one in workers]
    before = values(total(all_of_them))
    gone = all_of_them.pop(at % len(all_of_them))
    after = values(total([*all_of_them, total([lasting(gone)])]))
    assert after == before


def test_numbers_of_a_status_add_up_and_its_texts_and_times_are_the_firsts():
    one = {
        "version": "1", "uptime_seconds": 9, "draining": False, "flights": 1,
        "cache": {"entries": 2, "calls": {"hit": 1}},
        "services": {"a": {"down": False, "methods": 7, "since": 1.0, "in_flight": 1, "why": None}},
        "catalog": {"version": "x", "warnings": ["w"]},
        "workers": [{"worker": 1}],
    }  # fmt: skip
    other = {
        **one, "uptime_seconds": 3, "draining": True, "flights": 2,
        "cache": {"entries": 5, "calls": {"hit": 2, "miss": 3}},
        "services": {"a": {"down": False, "methods": 7, "since": 3.0, "in_flight": 2, "why": None}},
        "workers": [{"worker": 2}],
    }  # fmt: skip
    assert status_of_all([one, other]) == {
        "version": "1", "uptime_seconds": 9, "draining": True, "flights": 3,
        "cache": {"entries": 7, "calls": {"hit": 3, "miss": 3}},
        "services": {"a": {"down": False, "methods": 7, "since": 1.0, "in_flight": 3, "why": None}},
        "catalog": {"version": "x", "warnings": ["w"]},
        "workers": [{"worker": 1}, {"worker": 2}],
    }  # fmt: skip
    assert status_of_all([one]) == one


def test_what_is_shared_is_not_counted_twice():
    disk = {"shared": ["bytes", "parts"], "bytes": 7, "parts": {"a": 1}, "hits": 2}
    assert status_of_all([{"disk": disk}, {"disk": disk}]) == {"disk": disk | {"hits": 4}}
