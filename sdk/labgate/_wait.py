"""How is it waited for that a job, which goes on by itself, comes to its end? By asking again, less often while nothing changes."""

from __future__ import annotations

import os
import threading
import time

from labgate._at_once import carried, settled
from labgate._catalog import decoded
from labgate._progress import Progress
from labgate._session import Session, Terms
from labgate.errors import (
    DeadlineExceeded,
    Error,
    GateUnreachable,
    JobFailed,
    RateLimited,
    SetupError,
    Unavailable,
    Unreachable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from labgate._client import Node
    from labgate._method import Method
    from labgate._progress import Shown

_PASSING = (GateUnreachable, RateLimited, Unavailable, Unreachable)  # a restart is no end of a job
_MOST_PASSING = 20
_GLANCE_SECONDS = 0.5  # Ctrl-C is noticed between two waits where a system does not interrupt them
_TOLD_EVERY = 1.0  # the gate asks no more often
_TOLD_SECONDS = 60.0  # for the case that a change was not heard of
_GROWTH = 1.25
_MOST_TIMES = 10.0
_SHORTEST_ASK = 1.0
_NO_COUNT = 1e15


def wait(
    method: Any,
    /,
    *args: Any,
    until: Callable[[Any], Any] | None = None,
    failed: Callable[[Any], Any] | None = None,
    every: float = 1.0,
    timeout: float | None = None,
    progress: Shown = False,
    **kwargs: Any,
) -> Any:
    """Call a method again and again until what it answers says that a job has ended; gives this last answer.

        job = labgate.wait(lab.jobs.get_job, "P3", "J42", until=lambda job: job["status"] in ("completed", "failed"))
        labgate.wait(lab.jobs, "P3", "J42", timeout=3600, progress=True)    # where the gate says what its jobs' ends are

    Of an async client it is awaited.

    Each answer is asked of the service, never the gate's cache. The gate may say of a method what its result tells of a job
    (`job` of its rules): then `until` and `failed` need not be given, and a namespace will do whose only such method it is.
    A gate or service that is away for a while ends nothing. With `labgate.watch`, the gate asks the service, once for all who
    wait, and tells when something has changed.

    Args:
        method: of a client, or a namespace of one.
        args, kwargs: its arguments; those called like one of the words below go by position.
        until: whether an answer is the last one.
        failed: whether the job has come to its end in vain.
        every: seconds from one call to the next; up to ten times as many while the answers stay the same.
        timeout: seconds for all of it; None waits for ever.
        progress: show how far it is, as the answers tell it; or a function that is told.

    Raises:
        JobFailed: the job has come to its end in vain; `data` is the last answer.
        DeadlineExceeded: it has not come to its end within the time; `data` is the last answer.
        Error: the method has no result.
        TypeError: that is no such method, or nobody says what its end is.
    """
    if not _is_time(every) or not (timeout is None or _is_time(timeout)):
        raise SetupError("every and timeout are numbers of seconds above 0")
    node, name, function = _method(method)
    session: Any = node._session  # noqa: SLF001
    job = _job(decoded(session.link.catalog.text(name)))
    if until is None and job is None:
        raise TypeError(
            f"the gate does not say how the end of a job is seen in what {name} answers: say until="
        )
    watch = Watch(
        name, until, failed, job if until is None else None, every, timeout, awaited=session.awaited
    )

    def ask(left: float | None) -> Any:
        options: dict[str, Any] = {"fresh": True}
        own = session.options.timeout
        if left is not None and (own is None or left < own):
            options["timeout"] = max(left, _SHORTEST_ASK)
        return function(type(node)(session.derive(options), node._space), *args, **kwargs)  # noqa: SLF001

    def params() -> bytes | None:
        noted = _Noted(session.link, session.options)
        if not session.awaited:
            return function(type(node)(noted, node._space), *args, **kwargs)  # type: ignore[no-any-return]  # noqa: SLF001
        scribe = session.link.scribe()
        return scribe.function(name)(scribe.root.own_class()(noted, scribe.root), *args, **kwargs)  # type: ignore[no-any-return]

    live = session.link.live if every >= _TOLD_EVERY else None
    return carried(node, _told_or_asked(watch, live, params, ask, progress))


async def _told_or_asked(
    watch: Watch,
    live: Any,
    params: Callable[[], bytes | None],
    ask: Callable[[float | None], Any],
    progress: Shown,
) -> Any:
    """The last answer; a line that stands is asked to tell of changes."""
    if watch.is_told is None or live is None or not live.running:
        return await watch.run(ask, progress)
    hearing = live.hear(watch.name, params(), watch.changed)
    watch.is_told = lambda: hearing.alive
    try:
        return await watch.run(ask, progress)
    finally:
        live.unhear(hearing)


class _Noted(Session):
    """What a call would send: its parameters as JSON, None without any."""

    __slots__ = ()

    def call(self, _: Method, params: list[Any] | dict[str, Any] | None) -> bytes | None:
        """Nothing is called."""
        return None if params is None else self.encode_json(params)


class Watch:
    """One waiting.

    Attributes:
        name: the method's.
        changed: whoever hears that the job may have changed sets it, and the next call is made at once.
        is_told: whether somebody does hear of it at this moment; None where its end is not known to others.
    """

    def __init__(
        self,
        name: str,
        until: Callable[[Any], Any] | None,
        failed: Callable[[Any], Any] | None,
        job: dict[str, Any] | None,
        every: float,
        timeout: float | None,
        *,
        awaited: bool = False,
    ) -> None:
        """`awaited`: it waits in an event loop."""
        self._hears = _hears_in_loop if awaited else _hears
        self.changed: Any = _event_of_loop() if awaited else threading.Event()
        self.name = name
        self.is_told: Callable[[], bool] | None = None if job is None else _untold
        self._until = until
        self._failed = failed
        self._job = job
        self._every = every
        self._timeout = timeout
        self._began = time.monotonic()

    async def run(self, ask: Callable[[float | None], Any], progress: Shown) -> Any:
        """The last answer.

        Raises: as `wait` does.
        """
        last: Any = None
        same = passing = 0
        measured = self._job is not None and isinstance(self._job.get("progress"), str)
        with Progress(self.name, None, shown=progress, unit="%" if measured else "s") as shown:
            while True:
                asked = 0.0
                try:
                    answer = await settled(ask(self._left()))
                except _PASSING as error:
                    passing += 1
                    if passing > _MOST_PASSING:
                        raise
                    asked = error.retry_after or 0.0
                except DeadlineExceeded:
                    if self._timeout is None or (self._left() or 0.0) > 0:
                        raise
                    raise self._late(last) from None
                else:
                    same = same + 1 if _alike(answer, last) else 0
                    passing, last = 0, answer
                    self._show(shown, answer)
                    if self._is_over(answer):
                        return answer
                seconds = pause(self._every, same + passing, os.urandom(1)[0] / 256)
                if self.is_told is not None and self.is_told():
                    seconds = max(seconds, _TOLD_SECONDS)
                await self._rest(max(asked, seconds), last)

    def _is_over(self, answer: Any) -> bool:
        """Whether it is the last one.

        Raises:
            JobFailed: it is, and the job has come to its end in vain.
        """
        job = self._job or {}
        state = str(member(answer, job.get("status"))) if job else ""
        if self._failed(answer) if self._failed is not None else state in job.get("failed", ()):
            raise JobFailed(
                f"{self.name}: the job ended in vain" + (f": it is {state}" if state else ""),
                data=answer,
                method=self.name,
            )
        return bool(self._until(answer)) if self._until is not None else state in job["done"]

    def _show(self, shown: Progress, answer: Any) -> None:
        where = (self._job or {}).get("progress")
        if not isinstance(where, str):
            shown.reach(time.monotonic() - self._began, None)
            return
        found = member(answer, where)
        if isinstance(found, (int, float)) and 0 <= found < _NO_COUNT:
            shown.reach(100 * found / (self._job or {}).get("of", 1), 100)

    def _left(self) -> float | None:
        return None if self._timeout is None else self._began + self._timeout - time.monotonic()

    async def _rest(self, seconds: float, last: Any) -> None:
        """Wait until it is time to ask again, or somebody has heard of a change.

        Raises:
            DeadlineExceeded: the time for all of it is over.
        """
        left = self._left()
        until = time.monotonic() + (seconds if left is None else min(seconds, left))
        while (rest := until - time.monotonic()) > 0:
            if await settled(self._hears(self.changed, rest)):
                self.changed.clear()
                return
        if left is not None and seconds >= left:
            raise self._late(last)

    def _late(self, last: Any) -> Error:
        return DeadlineExceeded(
            f"the job did not come to its end within {self._timeout:g} s",
            data=last,
            method=self.name,
            hint="It goes on: `data` is what was said of it last.",
        )


def _hears(changed: threading.Event, seconds: float) -> bool:
    return changed.wait(min(seconds, _GLANCE_SECONDS))


async def _hears_in_loop(changed: Any, seconds: float) -> bool:
    import asyncio

    try:
        async with asyncio.timeout(seconds):
            return bool(await changed.wait())
    except TimeoutError:
        return False


def _event_of_loop() -> Any:
    import asyncio

    return asyncio.Event()


def _untold() -> bool:
    return False


def pause(every: float, same: int, draw: float) -> float:
    """Seconds until the next call, after so many answers that said nothing new; `draw` is a random number from 0 to 1.

    Longer each time, up to ten times `every`, and never the same for all who wait.
    """
    return min(every * _GROWTH ** min(same, 20), every * _MOST_TIMES) * (0.9 + 0.2 * draw)


def _alike(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except ValueError:  # arrays in it
        return False


def member(answer: Any, path: str | None) -> Any:
    """What stands at a path of names joined by dots, None where there is nothing; the answer itself without a path."""
    for name in path.split(".") if path else ():
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _method(given: Any) -> tuple[Node, str, Callable[..., Any]]:
    """The method's client or namespace, its name, and its function; of a namespace, the one whose result tells of jobs.

    Raises:
        TypeError: that is none.
    """
    node: Any = getattr(given, "__self__", None)
    name = getattr(getattr(given, "__func__", None), "__qualname__", None)
    if isinstance(getattr(node, "_session", None), Terms) and isinstance(name, str):
        return node, name, given.__func__
    space = getattr(given, "_space", None)
    group = getattr(space, "group", None)
    if not isinstance(getattr(given, "_session", None), Terms) or group is None:
        raise TypeError(
            "wait calls a method of a client, like lab.jobs.get_job, or takes a namespace, like lab.jobs"
        )
    found = [group.wire(leaf) for leaf in group.leaves if b'"job":' in group.text(leaf)]
    found = [name for name in found if _job(decoded(group.text(name.rpartition(".")[2]))) is not None]
    if len(found) != 1:
        of = (
            f"several methods of {group.prefix} tell of jobs: {', '.join(found)}"
            if found
            else (f"the gate does not say which method of {group.prefix} tells of jobs")
        )
        raise TypeError(f"{of}; name one")
    return given, found[0], given._session.link.function(found[0])  # noqa: SLF001


def _job(described: dict[str, Any]) -> dict[str, Any] | None:
    """What the gate says of a method's jobs."""
    notes = described.get("x-labgate")
    job = notes.get("job") if isinstance(notes, dict) else None
    return job if isinstance(job, dict) and isinstance(job.get("done"), list) else None


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9
