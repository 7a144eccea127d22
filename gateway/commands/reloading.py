"""When, and how, are the settings of a running gate taken anew?"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from gateway import assembly
from gateway.core.faults import Fault
from gateway.core.reloading import History, Outcome
from gateway.core.sums import Family
from gateway.identity.errors import IdentityError
from gateway.settings import Settings, SettingsError
from gateway.settings.differences import differences
from gateway.settings.files import Sources
from gateway.settings.handing import read
from gateway.workers.supervisor import WorkersError

LOOK: Final = 1.0
"""Seconds from one look at the files to the next."""

_WATCH: Final = "a change of the files"

Exchange: TypeAlias = Callable[[Settings, str], Awaitable[None]]
"""Lets a gate by these settings (and the text that hands them on) take the place of the one that takes calls."""

log = logging.getLogger("labgate.reload")


class Reloads:
    """Takes the settings anew when it is told to, or when their files change; one at a time.

    What cannot be used is refused whole, and the gate goes on by what it has.
    """

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        taken: tuple[Settings, str],
        exchange: Exchange,
        *,
        listening: tuple[str | None, int | None],
        wall: Callable[[], float],
    ) -> None:
        """`taken` is what `handing.read` said; `listening` is the host and port that go over the file's, None = the file's."""
        self._path = path
        self._environ = environ
        self._settings, self._text = taken
        self._exchange = exchange
        self._listening = listening
        self._wall = wall
        self._history = History(wall())
        self._turn = asyncio.Lock()

    # --- for operators

    async def reload(self, by: str) -> Outcome:
        """Take the settings, if they can be used and have changed."""
        async with self._turn:
            outcome, found = await self._examined(by)
            if found is not None:
                outcome = await self._exchanged(outcome, *found)
            self._history.note(outcome)
            _report(outcome)
            return outcome

    async def look(self, by: str) -> Outcome:
        """What `reload` would do now."""
        outcome, _ = await self._examined(by)
        return outcome

    def shown(self) -> Mapping[str, Any]:
        """How it stands."""
        return self._history.shown()

    def families(self) -> list[Family]:
        """The same as numbers."""
        return self._history.families()

    # --- by itself

    async def watch(self) -> None:
        """Reload whenever the files have changed, and are the same for two looks: nobody reads half of a file."""
        files = Sources(self._path)
        seen = known = await asyncio.to_thread(files.look)
        if self._settings.reload.watch and (await self.look(_WATCH)).what != "unchanged":
            await self.reload(_WATCH)  # it was changed while the gate began
        while True:
            await asyncio.sleep(LOOK)
            if not self._settings.reload.watch:
                continue
            found = await asyncio.to_thread(files.look)
            if found != known and found == seen:
                known = found
                await self.reload(_WATCH)
                # What was written meanwhile is seen at the next look, against what was read.
            seen = found

    # --- how

    async def _examined(self, by: str) -> tuple[Outcome, tuple[Settings, str] | None]:
        """What is there now, and the settings if they are to be taken."""
        try:
            settings, text = await asyncio.to_thread(read, self._path, self._environ)
            settings = settings.listening_on(*self._listening)
        except SettingsError as error:
            return Outcome("refused", self._wall(), by, (), tuple(map(str, error.problems))), None
        changes = differences(self._text, text)
        if not changes:
            return Outcome("unchanged", self._wall(), by), None
        fixed = tuple(_fixed(self._settings, settings))
        if fixed:
            return Outcome("refused", self._wall(), by, changes, fixed), None
        return Outcome("reloaded", self._wall(), by, changes), (settings, text)

    async def _exchanged(self, wanted: Outcome, settings: Settings, text: str) -> Outcome:
        try:
            await self._exchange(settings, text)
        except (Fault, IdentityError, OSError, WorkersError) as error:
            why = error.message if isinstance(error, Fault) else str(error)
            return Outcome("refused", self._wall(), wanted.by, wanted.changes, (why,))
        except Exception:
            log.exception("no gate could be made by the new settings")
            why = "no gate could be made by these settings; the log tells more"
            return Outcome("refused", self._wall(), wanted.by, wanted.changes, (why,))
        self._settings, self._text = settings, text
        return Outcome("reloaded", self._wall(), wanted.by, wanted.changes)


@asynccontextmanager
async def reloading(reloads: Reloads, loop: asyncio.AbstractEventLoop) -> AsyncIterator[None]:
    """SIGHUP and a change of the files reload, as long as this is open; a reload under way is ended with it."""
    asked = asyncio.Event()

    async def heed() -> None:
        while True:
            await asked.wait()
            asked.clear()  # of many signals during one reload a single further one comes
            await reloads.reload("SIGHUP")

    tasks = [
        asyncio.create_task(reloads.watch(), name="watch over the settings"),
        asyncio.create_task(heed()),
    ]
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        # Whoever closes the terminal, or reloads once more, must not cut the end short.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _fixed(before: Settings, after: Settings) -> list[str]:
    """What of the differences cannot be had while the gate runs, each with what to do."""
    had, wanted = assembly.addresses(before), assembly.addresses(after)
    found = [
        f"{_listener(name)}: a listener cannot be added, moved or removed while the gate runs (fix: restart it)"
        for name in sorted(had.keys() | wanted.keys())
        if had.get(name) != wanted.get(name)
    ]
    found += [
        f"{name}: cannot change while the gate runs (fix: restart it)"
        for name in ("state_dir", "workers", "socket_mode")
        if getattr(before, name) != getattr(after, name)
    ]
    return found


def _listener(name: str) -> str:
    known = {assembly.CALLERS: "listen", assembly.OPERATORS: "operator.listen"}
    if name in known:
        return known[name]
    datastack, _, service = name.rpartition("/")
    return f"datastacks.{datastack}.services.{service}.listen" if datastack else f"services.{name}.listen"


def _report(outcome: Outcome) -> None:
    """Tell the log."""
    if outcome.what == "unchanged":
        log.info("the settings were looked at for %s: nothing has changed", outcome.by)
        return
    if outcome.what == "reloaded":
        log.info("the settings were taken anew for %s: %d differences", outcome.by, len(outcome.changes))
        for change in outcome.changes:
            log.info("settings: %s", change)
        return
    log.error("the settings were not taken for %s, and those before hold", outcome.by)
    for problem in outcome.problems:
        log.error("settings: %s", problem)
