"""What operators are told of the cache's work adds up."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cache_counts import counted, told


def of(methods):
    return told({name: counted(ended) for name, ended in methods.items()})


def test_the_ratio_is_of_the_calls_that_the_cache_had_a_part_in():
    said = of(
        {
            "jobs.get": {"hit": (6, 600), "stale": (2, 200), "miss": (2, 250), "UpstreamUnreachable": (1, 0)},
            "jobs.set": {"pass": (5, 50), "error": (1, 7)},
        }
    )
    assert said["hit_ratio"] == 0.8
    assert said["calls"] == {"hit": 6, "stale": 2, "miss": 2, "pass": 5, "failed": 2}
    assert said["bytes"] == {"cache": 800, "upstream": 307}
    assert said["methods"]["jobs.set"]["hit_ratio"] is None
    assert said["methods"]["jobs.get"]["calls"]["failed"] == 1


def test_before_any_call_there_is_no_ratio():
    assert told({})["hit_ratio"] is None
    assert told({})["methods"] == {}


endings = st.dictionaries(
    st.sampled_from(["hit", "stale", "miss", "pass", "error", "Forbidden"]),
    st.tuples(st.integers(0, 9), st.integers(0, 99)),
)


@given(st.dictionaries(st.text("ab.", min_size=1, max_size=3), endings))
def test_the_whole_is_the_sum_of_the_methods_and_nothing_is_lost(methods):
    said = of(methods)
    for part in ("calls", "bytes"):
        for name, number in said[part].items():
            assert number == sum(one[part][name] for one in said["methods"].values())
    assert sum(said["calls"].values()) == sum(n for ended in methods.values() for n, _ in ended.values())
    assert sum(said["bytes"].values()) == sum(n for ended in methods.values() for _, n in ended.values())
