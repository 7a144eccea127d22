"""Many path globs looked up at once mean what each of them means alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.path_table import PathTable
from gateway.core.paths import path_glob, steps

PART = st.sampled_from(["a", "b", "**", "*", "a*", "*b", "a.c", "[ab]", ""])
GLOB = st.builds(
    lambda verb, parts: f"{verb}/{'/'.join(parts)}",
    st.sampled_from(["", "GET ", "POST "]),
    st.lists(PART, min_size=1, max_size=4),
)
PATH = st.lists(st.sampled_from([b"a", b"b", b"ab", b"a.c", b"axc", b"[ab]", b""]), min_size=1, max_size=5)


@given(st.lists(GLOB, max_size=8), st.sampled_from(["GET", "HEAD", "POST", "PUT"]), PATH)
def test_of_many_globs_the_first_that_means_a_path_is_found(globs, verb, path):
    table = PathTable(enumerate(globs))
    slowly = [at for at, glob in enumerate(globs) if path_glob(glob).matches(verb, tuple(path))]
    assert table.first(verb, tuple(path)) == (slowly[0] if slowly else -1)


def test_the_number_of_rules_is_no_part_of_the_work():
    """Of a thousand rules, those that cannot mean the path are not looked at: their patterns are never asked."""
    table = PathTable((n, f"GET /service{n}/**") for n in range(1000))
    assert table.first("GET", steps(b"/service999/x")) == 999
    assert len(table._root.literal) == 1000
    assert not table._root.patterns
