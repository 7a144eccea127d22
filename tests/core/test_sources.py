"""How is a source read by its method, and when can it not be?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.catalog import Catalog, build
from gateway.core.listing import Offer
from gateway.core.service import Described, Description, Service
from gateway.core.sources import Blocks, Boxes, Rows, Source, Unfit, Values, reader_of, warnings

VOLUME = {"result": "volume", "volume": {"read": "read", "write": "write"}}


def described(name: str, facts: dict[str, Any] | None = None, *, safe: bool = True) -> Described:
    return Described(name, (), "by-name", safe=safe, facts=facts or {})


METHODS = (
    described("volume", VOLUME),
    described("read", {"result": "array"}),
    described("other", {"result": "array"}),
    described("table", {"result": "table"}),
    described("plain"),
    described("write", {"result": "array"}, safe=False),
    described("odd", {"result": "volume", "volume": {"read": "nothing"}}),
    described("odder", {"result": "volume"}),
)


def catalog_of(*methods: Described, datastack: str | None = None) -> Catalog:
    service = Service("lab", "jsonrpc", ("http://h",), datastack=datastack)
    return build([Offer(service, Description(methods, "x", ""), dialect="jsonrpc")])


CATALOG = catalog_of(*METHODS)


def read(source: Source) -> list[str]:
    """The container, and the names of the methods that are called."""
    method = CATALOG.listings["lab"].items[source.method].method
    reader = reader_of(source, method, CATALOG)
    return [reader.container, *(one.name for one in reader.methods)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source("a", "lab.volume"), ["ndarray", "lab.volume", "lab.read"]),
        (Source("a", "lab.read"), ["ndarray", "lab.volume", "lab.read"]),
        (Source("a", "lab.other"), ["ndarray", "lab.other"]),
        (Source("a", "lab.table"), ["dataframe", "lab.table"]),
        (Source("a", "lab.plain", container="dataframe"), ["dataframe", "lab.plain"]),
        (Source("a", "lab.read", cut=Values("x", (1,))), ["ndarray", "lab.read"]),
        (Source("a", "lab.table", container="ndarray"), ["ndarray", "lab.table"]),
        (Source("a", "lab.read", cut=Blocks((8, 8))), ["ndarray", "lab.volume", "lab.read"]),
    ],
)
def test_a_source_is_read_by_its_method_and_a_volume_by_two(source: Source, expected: list[str]) -> None:
    assert read(source) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Source("a", "lab.plain"), "does not say whether it gives an array or a table: add `container`"),
        (Source("a", "lab.write"), "lab.write may change something: say `safe: true`"),
        (Source("a", "lab.other", cut=Blocks((8, 8))), "lab.other reads no volume: say with `boxes`"),
        (Source("a", "lab.odd"), "does not say which method reads its volumes"),
        (Source("a", "lab.odder"), "does not say which method reads its volumes"),
        (Source("a", "lab.volume", container="dataframe"), "gives a volume, which is an ndarray"),
    ],
)
def test_what_cannot_be_read_says_why(source: Source, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        read(source)


def test_operators_are_warned_of_sources_that_cannot_be_read_and_of_no_others() -> None:
    sources = (
        Source("a", "lab.read"),
        Source("b", "lab.none"),
        Source("c", "lab.write"),
        Source("d", "far.x"),
    )
    assert [one.partition(":")[0] for one in warnings(sources, CATALOG)] == [
        "source b",
        "source c",
        "source d",
    ]
    local = catalog_of(*METHODS, datastack="fly")
    here, there = Source("a", "lab.read", datastack="fly"), Source("a", "lab.read")
    assert warnings((here,), local) == ()
    assert warnings((there,), local) == ("source a: there is no method lab.read",)


def test_an_id_is_of_one_way_to_read_and_of_any_way_to_tell_of_it() -> None:
    source = Source("a", "lab.read", params={"x": 1, "y": [2]}, cut=Rows(4, start="from", count=9))
    same = (
        replace(source, params={"y": [2], "x": 1}),
        replace(source, description="other", metadata={"unit": "V"}),
    )
    assert {one.mark for one in same} == {source.mark}
    other = (
        replace(source, params={"x": 1}),
        replace(source, method="lab.other"),
        replace(source, datastack="fly"),
        replace(source, items="rows"),
        replace(source, container="ndarray"),
        replace(source, cut=Rows(5, start="from", count=9)),
        replace(source, cut=Boxes((9,), (4,), "from", size="n")),
        replace(source, cut=None),
        replace(source, arguments={"n": "number"}),
    )
    assert len({source.mark, *(one.mark for one in other)}) == len(other) + 1


def test_what_the_settings_say_and_what_a_caller_chose_are_the_arguments() -> None:
    source = Source("a", "lab.read", params={"x": 1}, arguments={"n": "number"})
    assert source.given({"n": 5, "m": 6}) == {"x": 1, "number": 5, "m": 6}
    assert "x" not in str(source.told("ndarray"))
