"""Does an id say all that reading a source takes, wherever it is read, and nothing else once that has changed?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.intake.refusals import Refusal
from gateway.core.source_ids import Opened, OpenedIds
from gateway.core.source_layout import Layout, of_array
from gateway.core.sources import Source

DECLARED = (
    {"name": "t", "type": "str", "default": ""},
    {"name": "d", "type": "datetime", "default": "2024-05-01"},
)
moments = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware

SOURCE = Source("em", "lab.read", declared=DECLARED)
LAYOUT = of_array([["id", "<i4"], ["x", "<f8"]], (9, 5), (4, 5), origin=(-3, 7))


def ids(source: Source = SOURCE, secret: bytes = b"one") -> OpenedIds:
    return OpenedIds({source.name: source}, secret)


@given(st.text("aé粒 _", max_size=9).flatmap(lambda text: st.sampled_from([text, text * 500])), moments)
def test_an_id_is_read_by_every_gate_with_the_secret_however_long_it_is(text: str, moment: datetime) -> None:
    opened = Opened(SOURCE, {"t": text, "d": moment}, LAYOUT)
    written = ids().of(opened)
    assert written.isascii()
    found = ids().opened(written)
    assert (found.source, found.layout, found.chosen) == (SOURCE, LAYOUT, {"t": text, "d": moment})


@pytest.mark.parametrize(
    ("reading", "status"),
    [
        (ids(secret=b"two"), 400),
        (ids(replace(SOURCE, name="other")), 404),
        (ids(replace(SOURCE, method="lab.other")), 410),
        (ids(replace(SOURCE, declared=DECLARED[1:])), 400),
        (
            ids(replace(SOURCE, declared=({"name": "t", "type": "str", "default": "", "allowed": ["b"]},))),
            400,
        ),
    ],
)
def test_an_id_stands_for_nothing_once_it_could_not_be_given_out_any_more(
    reading: OpenedIds, status: int
) -> None:
    written = ids().of(Opened(SOURCE, {"t": "a"}, LAYOUT))
    assert ids().opened(written).source is SOURCE
    with pytest.raises(Refusal) as refused:
        reading.opened(written)
    assert refused.value.status == status


def test_a_search_is_a_catalog_and_a_source_is_none() -> None:
    both = ids()
    first = both.of_search(None, ["a"], {})
    second = both.of_search(first, ["b"], {"c": 1})
    assert [step[1] for step in both.searches(second)] == [["a"], ["b"]]
    assert both.searches(None) == ()
    with pytest.raises(Refusal, match="a catalog cannot be read"):
        both.opened(first)
    with pytest.raises(Refusal, match="em is no catalog"):
        both.searches(both.of(Opened(SOURCE, {}, LAYOUT)))


@pytest.mark.parametrize(
    ("layout", "partition", "expected"),
    [
        (LAYOUT, [2, 0], [2, 0]),
        (of_array("u1", (4,), (2,)), 1, [1]),
        (of_array("u1", (4, 4), (4, 4)), None, [0, 0]),
        (of_array("u1", (4, 4), (4, 4)), 0, [0, 0]),
        (of_array("u1", (), ()), [], []),
        (of_array("u1", (), ()), None, []),
        (Layout("dataframe", 1), None, [0]),
        (Layout("dataframe", 3), 2, [2]),
    ],
)
def test_a_partition_is_its_indices(layout: Layout, partition: Any, expected: list[int]) -> None:
    assert Opened(SOURCE, {}, layout).indices(partition) == expected
