"""Can the methods be looked through by keys, in a real terminal, and as a tree where there is none?"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

import pytest

from labgate._browser import Browser
from tests.sdk.conftest import Gate
from tests.sdk.test_sdk_cli import on_a_terminal, run

ROWS = [("jobs.get_job", "One job."), ("jobs.kill_job", "End a job."), ("files.read", "A file's bytes.")]


def shown(browser: Browser, height: int = 6, width: int = 60) -> list[str]:
    return [text.rstrip() for text, _ in browser.lines(height, width)]


def chosen(browser: Browser, height: int = 6) -> str:
    return next((text.split()[0] for text, style in browser.lines(height, 60) if style == "chosen"), "")


def pressed(browser: Browser, *keys: str) -> bool:
    return [browser.press(key) for key in keys][-1]


@pytest.fixture
def browser() -> Browser:
    return Browser(ROWS, lambda name: "\n".join([f"about {name}", *map(str, range(20))]))


def test_typing_searches_names_and_summaries_for_every_word(browser: Browser) -> None:
    assert shown(browser)[1:4] == [
        "jobs.get_job   One job.",
        "jobs.kill_job  End a job.",
        "files.read     A file's bytes.",
    ]
    pressed(browser, *"JOB end")
    assert shown(browser)[:2] == ["> JOB end", "jobs.kill_job  End a job."]
    assert shown(browser)[-1].startswith("1 of 3")
    pressed(browser, *["backspace"] * 3)
    assert shown(browser)[-1].startswith("2 of 3")
    pressed(browser, *"zzz", "enter")
    assert chosen(browser) == ""
    assert pressed(browser, "escape")
    assert shown(browser)[-1].startswith("3 of 3")
    assert not pressed(browser, "escape")
    assert browser.taken is None


def test_the_chosen_line_stays_in_sight_and_within_the_list() -> None:
    browser = Browser([(f"m{at:03}", "") for at in range(100)], str)
    for keys, name in (
        (["up"], "m000"),
        (["down"] * 7, "m007"),
        (["pagedown"], "m010"),
        (["end"], "m099"),
        (["down"], "m099"),
        (["pageup", "up"], "m095"),
        (["home"], "m000"),
    ):
        pressed(browser, *keys)
        assert chosen(browser) == name


def test_a_method_is_read_scrolled_and_taken(browser: Browser) -> None:
    pressed(browser, "down", "enter")
    assert shown(browser)[:3] == ["jobs.kill_job", "about jobs.kill_job", "0"]
    pressed(browser, "pagedown", "down")
    assert shown(browser)[1] == "3"
    pressed(browser, "end")
    assert shown(browser)[-2] == "19"
    pressed(browser, "escape")
    assert chosen(browser) == "jobs.kill_job"
    assert not pressed(browser, "enter", "enter")
    assert browser.taken == "jobs.kill_job"


def test_any_size_of_a_terminal_has_as_many_lines_as_fit(browser: Browser) -> None:
    for height in range(1, 8):
        for width in (0, 1, 10):
            lines = browser.lines(height, width)
            assert len(lines) <= max(height, 1)
            assert all(len(text) <= width for text, _ in lines)


def test_a_pipe_gets_a_tree_or_json(gate: Gate) -> None:
    gate.add("jobs.deep.er", None, summary="Deeper.")
    gate.add("top", None)
    assert run("browse", "*e*", url=gate.url).stdout == (
        "jobs\n  deep\n    er  Deeper.\n  enqueue_job\n  get_job  One job.\n  list_lanes\n"
    )
    found = json.loads(run("browse", "--json", url=gate.url).stdout)
    assert {"name": "jobs.get_job", "summary": "One job."} in found


def test_a_terminal_that_can_nothing_gets_the_tree_in_pages(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("PAGER", "cat")
    assert "  get_job  One job.\n" in on_a_terminal("browse", url=gate.url)


def test_keys_in_a_real_terminal_search_read_and_take(gate: Gate) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        environ = {**os.environ, "TERM": "xterm", "LABGATE_URL": gate.url}
        os.execve(sys.executable, [sys.executable, "-m", "labgate.cli", "browse"], environ)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 80, 0, 0))

    def until(words: str) -> str:
        seen, end = b"", time.monotonic() + 60
        while words.encode() not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 1)[0]:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:
                    break  # on Linux a terminal ends with an error
        assert words.encode() in seen, seen
        return seen.decode(errors="replace")

    try:
        until("4 of 4")
        os.write(terminal, b"get_j\r")
        until("Enter: take it")
        os.write(terminal, b"\r")
        until("labgate call jobs.get_job")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        os.close(terminal)
