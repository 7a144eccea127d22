"""Does only one of several programs of a user do a thing at a time, whatever becomes of the others?"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from labgate._alone import alone
from labgate.errors import LoginError

HOLDER = """\
import sys
from labgate._alone import alone
with alone(sys.argv[1], 60):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_who_comes_second_waits_and_gives_up_with_words(tmp_path: Path) -> None:
    path = str(tmp_path / "own" / "login.lock")
    with alone(path, 1):
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        with pytest.raises(LoginError, match="another program"), alone(path, 0.1):
            pytest.fail("two have it")
    with alone(path, 1):
        pass


def test_threads_take_turns(tmp_path: Path) -> None:
    path, inside, most = str(tmp_path / "lock"), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with alone(path, 120):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == 1


def test_a_program_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LoginError), alone(path, 0.1):
            pytest.fail("two have it")
        holder.send_signal(signal.SIGKILL)
        holder.wait(60)
        with alone(path, 60):
            pass


def test_a_child_that_was_forked_meanwhile_holds_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    ours, theirs = os.pipe()
    with alone(path, 1):
        child = os.fork()
        if child == 0:
            os.close(theirs)
            os.read(ours, 1)
            os._exit(0)
    try:
        with alone(path, 0.5):
            pass
    finally:
        os.close(theirs)
        os.close(ours)
        os.waitpid(child, 0)


def test_where_there_can_be_no_lock_nobody_is_kept_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = []
    with alone(str(tmp_path / "file" / "lock"), 1):
        done.append(1)
    assert done == [1]


def test_a_failure_within_is_passed_on_and_ends_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with pytest.raises(OSError, match="of its own"), alone(path, 1):
        raise OSError("of its own")
    with alone(path, 1):
        pass
