"""Is a list that comes in pages the list of one moment?"""

from __future__ import annotations

from typing import Any

import pytest

import labgate
from labgate.errors import BadReply, PageChanged, SetupError
from tests.sdk.conftest import Gate

PAGE = {"safe": True, "page": {"size": "limit", "offset": "from", "items": "rows"}}


class Rows:
    """A method `log.rows` of pages, whose `rows` a test may change between two of them; `most` is its own limit."""

    def __init__(self, gate: Gate) -> None:
        self.rows = [*range(10)]
        self.most = 1000
        self.counted = True
        self.asked: list[dict[str, Any]] = []
        params = [{"name": "kind"}, {"name": "limit"}, {"name": "from"}]
        gate.add("log.rows", self.page, params=params, **{"x-labgate": PAGE})

    def page(self, params: dict[str, Any]) -> dict[str, Any]:
        """One page."""
        self.asked.append(params)
        some = self.rows[params["from"] :][: min(params["limit"], self.most)]
        return {"rows": some, "length": len(self.rows)} if self.counted else {"rows": some}


@pytest.fixture
def rows(gate: Gate) -> Rows:
    return Rows(gate)


@pytest.fixture
def lab(rows: Rows, gate: Gate) -> Any:
    return labgate.connect(gate.url)


@pytest.mark.parametrize("size", [1, 3, 5, 10, 1000])
@pytest.mark.parametrize("counted", [True, False])
def test_the_items_of_all_pages_come_in_their_order(size: int, counted: bool, lab: Any, rows: Rows) -> None:
    rows.counted = counted
    assert [*labgate.pages(lab.log.rows, "x", page_size=size)] == rows.rows
    assert {one["kind"] for one in rows.asked} == {"x"}


def test_pages_that_are_shorter_than_asked_for_are_not_taken_for_the_last(lab: Any, rows: Rows) -> None:
    rows.most = 4
    assert [*labgate.pages(lab.log.rows, kind="x")] == rows.rows
    assert [one["from"] for one in rows.asked] == [0, 4, 8]


def test_a_page_is_asked_for_when_it_is_needed(lab: Any, rows: Rows) -> None:
    found = labgate.pages(lab.log.rows, page_size=4)
    assert rows.asked == []
    assert [next(found) for _ in range(4)] == [0, 1, 2, 3]
    assert len(rows.asked) == 1


def test_a_list_that_changes_on_the_way_is_an_error_or_begun_again(lab: Any, rows: Rows) -> None:
    for restart in (False, True):
        rows.rows = [*range(10)]
        found = labgate.pages(lab.log.rows, page_size=8, restart=restart)
        assert next(found) == 0
        rows.rows = [*range(9)]
        if restart:
            assert [*found] == [*range(1, 8), *range(9)]
        else:
            with pytest.raises(PageChanged, match="had 10 items, and has 9"):
                next(one for one in found if one > 7)


class Cursors:
    """A method `log.lines` whose pages name the next one; `next` maps a cursor to the page and what it names."""

    def __init__(self, gate: Gate, mark: dict[str, str]) -> None:
        self.pages: dict[Any, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        notes = {"safe": True, "page": {"size": "limit", "cursor": "after", "items": "rows", **mark}}
        params = [{"name": "limit"}, {"name": "after"}]
        gate.add("log.lines", self.page, params=params, **{"x-labgate": notes})

    def page(self, params: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(params)
        return self.pages[params.get("after")]


@pytest.mark.parametrize(("mark", "word"), [({}, "after"), ({"next": "nextCursor"}, "nextCursor")])
@pytest.mark.parametrize("end", [{}, {"x": None}, {"x": ""}])
def test_pages_that_name_the_next_one_are_followed_to_the_last_even_over_empty_ones(
    mark: dict[str, str], word: str, end: dict[str, Any], gate: Gate
) -> None:
    lines = Cursors(gate, mark)
    lines.pages = {
        None: {"rows": [1, 2], word: "b"},
        "b": {"rows": [], word: "c"},
        "c": {"rows": [3], **dict.fromkeys([word] if end else [], end.get("x"))},
    }
    lab: Any = labgate.connect(gate.url)
    assert [*labgate.pages(lab.log.lines, page_size=2)] == [1, 2, 3]
    assert lines.asked == [{"limit": 2}, {"limit": 2, "after": "b"}, {"limit": 2, "after": "c"}]


def test_a_page_that_names_itself_or_a_list_that_changes_ends_the_cursors_way(gate: Gate) -> None:
    lines = Cursors(gate, {})
    lab: Any = labgate.connect(gate.url)
    lines.pages = {None: {"rows": [1], "after": "b"}, "b": {"rows": [2], "after": "b"}}
    with pytest.raises(BadReply, match="names itself"):
        [*labgate.pages(lab.log.lines)]
    lines.pages = {None: {"rows": [1], "after": "b", "length": 2}, "b": {"rows": [2], "length": 3}}
    with pytest.raises(PageChanged, match="had 2 items, and has 3"):
        [*labgate.pages(lab.log.lines)]


def test_an_empty_list_has_no_items(lab: Any, rows: Rows) -> None:
    rows.rows = []
    assert [*labgate.pages(lab.log.rows)] == []


def test_what_has_no_pages_is_refused(lab: Any, gate: Gate, rows: Rows) -> None:
    for wrong in (lab.jobs.list_lanes, lab.jobs, len, "log.rows"):
        with pytest.raises(TypeError, match="pages"):
            labgate.pages(wrong)
    with pytest.raises(SetupError, match="page_size"):
        next(labgate.pages(lab.log.rows, page_size=0))
    gate.answers["log.rows"] = lambda _: {"items": []}
    with pytest.raises(BadReply, match="no list 'rows'"):
        next(labgate.pages(lab.log.rows))
