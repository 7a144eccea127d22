"""Do a demo's programs say when they are ready, why they failed, and do they end with it?"""

import os
import sys
import threading
from pathlib import Path

import pytest

from gateway.demo.children import Child, ChildError, Interrupted

WAITS_FOR_INPUT_TO_END = "import sys; print('noise'); print('ready http://x:1', flush=True); sys.stdin.read()"
FAILS = "import sys; print('first\\nlast words', file=sys.stderr); sys.exit(3)"
NEVER_READY = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready x', flush=True);"
    "time.sleep(600)"
)


def child(program: str, folder: Path) -> Child:
    return Child("it", [sys.executable, "-c", program], folder, os.environ)


def test_a_child_is_ready_when_it_says_so_and_ends_with_the_block(tmp_path: Path) -> None:
    with child(WAITS_FOR_INPUT_TO_END, tmp_path) as it:
        assert it.await_ready(threading.Event()) == "http://x:1"
        it.check()
    with pytest.raises(ChildError, match="it ended with status -15"):
        it.check()


def test_a_child_that_ends_before_it_is_ready_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        child(FAILS, tmp_path) as it,
        pytest.raises(ChildError, match=r"(?s)it ended with status 3.*first.*last words"),
    ):
        it.await_ready(threading.Event())


def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    with child(NEVER_READY, tmp_path) as it, pytest.raises(ChildError, match=r"not ready after 0\.2 seconds"):
        it.await_ready(threading.Event(), 0.2)


def test_waiting_ends_when_the_demo_is_told_to_end(tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    with child(NEVER_READY, tmp_path) as it, pytest.raises(Interrupted):
        it.await_ready(stopping)


def test_children_that_are_asked_to_end_do_so_before_anybody_waits_for_them(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    with child(WAITS_FOR_INPUT_TO_END, folders[0]) as one, child(WAITS_FOR_INPUT_TO_END, folders[1]) as other:
        for it in (one, other):
            it.await_ready(threading.Event())
        for it in (one, other):
            it.ask_to_end()
            it.ask_to_end()
    for it in (one, other):
        with pytest.raises(ChildError, match="it ended with status -15"):
            it.check()


def test_a_child_that_does_not_listen_is_killed_after_the_grace(tmp_path: Path) -> None:
    with child(STUBBORN, tmp_path) as it:
        it.await_ready(threading.Event())
        it.stop(grace=0.2)
        with pytest.raises(ChildError, match="it ended with status -9"):
            it.check()
