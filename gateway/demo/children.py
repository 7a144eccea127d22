"""How are a demo's programs started, heard of when they are ready, and ended with it, whatever happens?"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

READY = "ready "


class ChildError(Exception):
    """A child did not start, or ended by itself; the text has the last lines that it wrote."""


class Interrupted(Exception):  # noqa: N818 - no error: somebody wanted it
    """The demo was told to end while it waited."""


class Child:
    """A program of the demo. As a context manager it is ended on leaving.

    `command` begins with the path of a program. What that writes goes to `NAME.out` and `NAME.log` in `folder`.
    Its standard input is a pipe from us, which ends when we do; on Linux it also gets SIGTERM then. It has a
    process group of its own, so that a Ctrl-C in the terminal reaches only us, and all is ended in order.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self._out = folder / f"{name}.out"
        self._log = folder / f"{name}.log"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - every word of it is the demo's
                [sys.executable, "-P", "-m", "gateway.demo.tether", str(os.getpid()), *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
                env=dict(environ),
                process_group=0,
            )

    def await_ready(self, stopping: threading.Event, seconds: float = 60.0) -> str:
        """The address in the child's line `ready ADDRESS`.

        Raises ChildError when it ends first or takes longer than `seconds`, Interrupted when `stopping` is set.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self._out.read_text(errors="replace").splitlines(keepends=True):
                if line.startswith(READY) and line.endswith("\n"):
                    return line.removeprefix(READY).strip()
            self.check()
            if stopping.wait(0.05):
                raise Interrupted
        raise ChildError(self._story(f"was not ready after {seconds:g} seconds"))

    def check(self) -> None:
        """Raise ChildError if the child has ended."""
        if (status := self._process.poll()) is not None:
            raise ChildError(self._story(f"ended with status {status}"))

    def ask_to_end(self) -> None:
        """Ask the child to end, and do not wait: several that are asked at once end at once."""
        self._process.terminate()

    def stop(self, grace: float = 15.0) -> None:
        """Ask the child to end; after `grace` seconds kill it, and what it may have started."""
        self.ask_to_end()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _story(self, what: str) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join([f"{self.name} {what}", *(f"  {line}" for line in lines)])
