"""Does one client serve many threads at once, while connections die and the program forks?"""

from __future__ import annotations

import collections
import contextlib
import gc
import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate.errors import DeadlineExceeded, RemoteError
from tests.sdk.conftest import Gate, Handler, ScriptedError

THREADS = 32
ROUNDS = 50
SECONDS = float(os.environ.get("LABGATE_SOAK") or (180 if os.environ.get("LABGATE_CHAOS") == "full" else 0))
"""For so long at least each thread goes on: `./dev chaos` takes minutes for it."""
LONG = 3_000_000
pytestmark = pytest.mark.timeout(240 + 2 * SECONDS)


@pytest.fixture
def busy(files: Gate) -> Gate:
    """A gate whose answers tell whose they are, and which ends one connection in seven behind its answer."""
    seed = random.Random(8)
    # What minutes of calls sent is more than memory holds.
    files.requests = collections.deque(maxlen=1000)  # type: ignore[assignment]

    def echo(params: Any) -> Any:
        files.reply_headers = {"Connection": "close"} if seed.random() < 1 / 7 else {}
        return params["x"]

    def slow(params: Any) -> Any:
        time.sleep(seed.random() / 50)
        return params["x"]

    def broken(params: Any) -> Any:
        raise ScriptedError(-7, f"broken {params['x']}")

    def rows(params: Any) -> Any:
        until = min(7, params["from"] + params["limit"])
        return {"rows": [f"{params['x']}/{at}" for at in range(params["from"], until)], "length": 7}

    described = {"params": [{"name": "x", "required": True}], "x-labgate": {"safe": True}}
    files.add("jobs.echo", echo, **described)
    files.add("jobs.slow", slow, **described)
    files.add("jobs.broken", broken, **described)
    paged = {"safe": True, "page": {"size": "limit", "offset": "from", "items": "rows"}}
    params = [{"name": "x", "required": True}, {"name": "limit"}, {"name": "from"}]
    files.add("jobs.rows", rows, params=params, **{"x-labgate": paged})
    says = files.service
    assert says is not None

    def file(asked: Handler) -> None:
        if asked.path.startswith("/files/long"):
            asked.reply(200, b"long" * (LONG // 4))
        else:
            says(asked)

    files.service = file
    return files


def work(lab: Any, own: int, folder: Path, seconds: float = 0) -> list[Any]:
    """Every kind of call, and those whose outcome was not this thread's own."""
    wrong: list[Any] = []
    until = time.monotonic() + seconds
    for at in itertools.takewhile(lambda at: at < ROUNDS or time.monotonic() < until, itertools.count()):
        one = f"{own}/{at}"
        wrong += [f"{one} {what}" for what in one_round(lab, one)]
        if at % 10 == 0:
            wrong += [f"{one} {what}" for what in many(lab, one, folder / f"{own}")]
    return wrong


def one_round(lab: Any, one: str) -> Iterator[str]:
    """What goes wrong with calls, batches and plain HTTP of this name."""
    if lab.jobs.echo(one) != one:
        yield "call"
    with pytest.raises(RemoteError, match=f"broken {one} "):
        lab.jobs.broken(one)
    if labgate.last(lab).status != 200:
        yield "last"
    with labgate.batch(lab) as together:
        handles = [together.jobs.echo(f"{one}/{part}") for part in range(3)]
        failed = together.jobs.broken(one)
    if [handle.result() for handle in handles] != [f"{one}/{part}" for part in range(3)]:
        yield "batch"
    if f"broken {one} " not in str(failed.exception()):
        yield "an error in a batch"
    with labgate.request(lab.files, "GET", f"/{one}") as reply:
        if reply.text() != f"GET /files/{one} 0":
            yield "plain HTTP"
    # An answer that comes too late is nobody's.
    with contextlib.suppress(DeadlineExceeded):
        if lab(timeout=0.01, retries=0).jobs.slow(one) != one:
            yield "a call that is given up"
    if lab(timeout=60 + hash(one) % 60).jobs.echo(x=[one] * 2000) != [one] * 2000:
        yield "a large call"


def many(lab: Any, one: str, file: Path) -> Iterator[str]:
    """What goes wrong with that which is more than one call."""
    mapped = labgate.map(lab.jobs.echo, [f"{one}/{part}" for part in range(20)], workers=2)
    if not all(item == found for item, found in mapped):
        yield "map"
    if [*labgate.pages(lab.jobs.rows, one, page_size=3)] != [f"{one}/{at}" for at in range(7)]:
        yield "pages"
    labgate.download(lab.files, f"/file/{one}", to=file, resume=False)
    if file.read_text() != f"GET /files/file/{one} 0":
        yield "download"
    with labgate.request(lab.files, "GET", f"/long/{one}") as reply:
        if reply.read(4) != b"long":  # and the rest is never read
            yield "a body that is left"
    if lab.jobs.echo(one.encode()) != one.encode():
        yield "bytes"


def crowd(job: Callable[[int], list[Any]], meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
    """What went wrong in many threads at once."""
    wrong: list[Any] = []
    start = threading.Barrier(THREADS + 1)

    def run(own: int) -> None:
        start.wait()
        try:
            wrong.extend(job(own))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(own,)) for own in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    meanwhile()
    for thread in threads:
        thread.join()
    return wrong


def open_now() -> int:
    """How many descriptors this process has open; always 0 where it cannot be known."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Behind the block there are as few threads and open descriptors as before it; the gate's ends are among them."""
    descriptors, threads = open_now(), threading.active_count()
    yield
    late = time.monotonic() + 60
    while open_now() > descriptors or threading.active_count() > threads:
        assert time.monotonic() < late, f"{open_now()} open, {descriptors} before; {threading.enumerate()}"
        gc.collect()
        time.sleep(0.05)


def test_many_threads_get_their_own_outcomes_while_connections_die_and_methods_come_and_go(
    busy: Gate, tmp_path: Path
) -> None:
    def in_a_crowd() -> None:
        lab = labgate.connect(busy.url)

        def change() -> None:
            for at in range(10 + int(SECONDS)):
                busy.add(f"jobs.new_{at % 3}", at)
                labgate.refresh(lab)
                assert getattr(lab.jobs, f"new_{at % 3}")() == at
                time.sleep(min(1, SECONDS))

        assert crowd(lambda own: work(lab, own, tmp_path, SECONDS), change) == []
        assert len(lab._session.link.pool.idle) <= 4 * THREADS  # map has two workers in each thread

    with nothing_left():
        in_a_crowd()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_program_that_forks_amid_its_threads_calls_goes_on_on_both_sides(
    busy: Gate, tmp_path: Path
) -> None:
    def forking() -> None:
        lab = labgate.connect(busy.url)
        children: list[int] = []

        def fork() -> None:
            for own in range(1000, 1004):
                child = os.fork()
                if child == 0:
                    status = 1
                    try:
                        well = work(lab, own, tmp_path) == [] and labgate.refresh(lab) is not None
                        status = 0 if well else 2
                    finally:
                        os._exit(status)
                children.append(child)
                labgate.refresh(lab)
                time.sleep(SECONDS / 5)

        assert crowd(lambda own: work(lab, own, tmp_path, SECONDS), fork) == []
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4

    with nothing_left():
        forking()
