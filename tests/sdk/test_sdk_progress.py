"""Progress: is it shown where somebody looks, in which way, and told to whom asks for it?"""

from __future__ import annotations

import os
import pty
import sys
import types
from typing import Any

import pytest

import labgate
from labgate._progress import Progress
from tests.sdk.conftest import Gate

KEPT: list[Any] = []


class Bar:
    """A bar that remembers what it was told."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.total = settings["total"]
        self.counts: list[int] = []
        self.closed = False
        KEPT.append(self)

    def update(self, count: int) -> None:
        self.counts.append(count)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """tqdm as a test sees it."""
    KEPT.clear()
    module = types.ModuleType("tqdm")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", module)
    monkeypatch.delitem(sys.modules, "tqdm.notebook", raising=False)
    return KEPT


def notebook(monkeypatch: pytest.MonkeyPatch, *, widgets: bool) -> type[Bar]:
    """A kernel runs this test, with ipywidgets or without; gives tqdm's bar for notebooks."""

    class Widget(Bar):
        """tqdm.notebook's."""

    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "ipywidgets", types.ModuleType("ipywidgets") if widgets else None)  # type: ignore[arg-type]
    module = types.ModuleType("tqdm.notebook")
    module.tqdm = Widget  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm.notebook", module)
    return Widget


def work(**how: Any) -> None:
    with Progress("work", 4, **how) as shown:
        for _ in range(4):
            shown.advance(1)


def test_tqdm_is_told_of_each_and_silent_where_there_is_no_terminal(bars: list[Any]) -> None:
    work(unit="call")
    (bar,) = bars
    assert (bar.settings["desc"], bar.settings["unit"], bar.counts, bar.closed) == (
        "work",
        "call",
        [1] * 4,
        True,
    )
    assert bar.settings["disable"] is None  # by tqdm's own word: silent without a terminal
    assert "unit_scale" not in bar.settings


def test_in_a_notebook_it_is_a_widget_where_there_are_widgets_and_text_otherwise(
    bars: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = notebook(monkeypatch, widgets=True)
    work()
    notebook(monkeypatch, widgets=False)
    work()
    assert [type(bar) for bar in bars] == [widget, Bar]
    assert bars[1].settings["disable"] is False


def test_without_tqdm_it_is_one_line_on_a_terminal_and_nothing_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)  # type: ignore[arg-type]
    work(unit="call")
    assert capsys.readouterr() == ("", "")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        work(unit="call")
        shown = ""
        while "\n" not in shown:
            shown += os.read(ours, 65536).decode()
    os.close(ours)
    assert shown.endswith("\rwork: 4 of 4 (100 %)\x1b[K\r\n")
    assert shown.count("\n") == 1


def test_a_program_without_stderr_is_shown_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)  # type: ignore[arg-type]
    with monkeypatch.context() as without:
        without.setattr(sys, "stderr", None)
        work()
    assert capfd.readouterr() == ("", "")


def test_a_function_is_told_and_nothing_is_shown(bars: list[Any]) -> None:
    told: list[tuple[int, int | None]] = []
    work(shown=lambda *one: told.append(one))
    assert (told, bars) == ([(1, 4), (2, 4), (3, 4), (4, 4)], [])


def test_nobody_is_told_what_nobody_asked_for(bars: list[Any]) -> None:
    work(shown=False)
    assert bars == []


def test_pages_tell_how_many_of_how_many_items_have_come(gate: Gate, bars: list[Any]) -> None:
    items = list(range(25))
    gate.add(
        "jobs.list",
        lambda params: {
            "items": items[params["offset"] : params["offset"] + params["limit"]],
            "length": len(items),
        },
        params=[{"name": "offset"}, {"name": "limit"}],
        **{"x-labgate": {"safe": True, "page": {"size": "limit", "offset": "offset", "items": "items"}}},
    )
    lab = labgate.connect(gate.url)
    told: list[tuple[int, int | None]] = []
    found = list(labgate.pages(lab.jobs.list, page_size=10, progress=lambda *one: told.append(one)))
    assert (found, told) == (items, [(10, 25), (20, 25), (25, 25)])
    list(labgate.pages(lab.jobs.list, page_size=10, progress=True))
    assert (bars[0].counts, bars[0].total, bars[0].settings["unit"]) == ([10, 10, 5], 25, "item")


def test_downloads_uploads_and_volumes_tell_bytes(files: Gate, tmp_path: Any) -> None:
    lab = labgate.connect(files.url)
    told: list[tuple[int, int | None]] = []
    labgate.upload(lab.files, "/x", b"1" * 1000, progress=lambda *one: told.append(one))
    assert told[-1] == (1000, 1000)
    told.clear()
    labgate.download(lab.files, "/x", to=tmp_path / "x", progress=lambda *one: told.append(one))
    size = (tmp_path / "x").stat().st_size
    assert told[-1] == (size, size)


def test_a_volume_tells_bytes(voxels: Any) -> None:
    told: list[tuple[int, int | None]] = []
    vol = labgate.connect(voxels.gate.url).dvid.volume("a1", "grayscale")
    array = vol.read((0, 0, 32), (16, 16, 48), progress=lambda *one: told.append(one))
    assert told[-1] == (array.nbytes, array.nbytes)
