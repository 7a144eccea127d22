"""How is a CAVE deployment run within a test? The demo's, on threads of this process, with whatever faults a test wants."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.demo.cave.__main__ import servers
from gateway.demo.cave.deployment import Deployment

TOKENS = {name: format(at, "032x") for at, name in enumerate(("ada", "eve", "tom", "gate"), 0xC0FFEE)}
CALLER = Path(__file__).parents[1] / "interop" / "callers" / "caveclient_calls.py"


class Lab:
    """A running deployment: its `url` is the global server's."""

    def __init__(self, deployment: Deployment, url: str) -> None:
        self.deployment = deployment
        self.url = url

    def asked(self, pattern: str) -> int:
        """How many requests `server VERB path user` there were that the pattern is found in."""
        found = re.compile(pattern).search
        return sum(count for key, count in self.deployment.asked.items() if found(" ".join(key)))

    def forget(self) -> None:
        """Count from here."""
        self.deployment.asked.clear()

    @contextmanager
    def strays(self) -> Iterator[list[str]]:
        """The requests that came past the gate: but for the servers' own questions about tokens, and the bucket, which is not CAVE's."""
        found: list[str] = []

        def look(asked: Any) -> bool:
            agent = asked.headers.get("User-Agent", "")
            if "labgate" not in asked.headers.get("Via", "") + agent and not agent.startswith(
                ("Python-urllib", "Python/")
            ):
                found.append(f"{asked.server} {asked.verb} {asked.path} by {agent}")
            return False

        with self.fault("^(?!bucket )", look):
            yield found

    @contextmanager
    def fault(self, pattern: str, answer: Callable[[Any], bool]) -> Iterator[None]:
        """Have requests `server VERB path` that the pattern is found in answered so; False lets them go on."""
        hook = (re.compile(pattern), answer)
        self.deployment.hooks.append(hook)
        try:
            yield
        finally:
            self.deployment.hooks.remove(hook)


def status(code: int, body: bytes = b"", **fields: str) -> Callable[[Any], bool]:
    """An answer with this status."""

    def answered(asked: Any) -> bool:
        asked.deployment.asked[asked.server, asked.verb, asked.path, "fault"] += 1
        asked.handler.write(code, fields, body)
        return True

    return answered


@contextmanager
def running(size: int = 20_000, **options: Any) -> Iterator[Lab]:
    """A deployment, until the end."""
    deployment = Deployment(TOKENS, size=size, **options)
    with servers(("127.0.0.1", 0), deployment) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Lab(deployment, server.url)
        finally:
            server.shutdown()
            thread.join()


def caveclient(python: Path, home: Path, address: str, token: str, *words: str) -> dict[str, Any]:
    """What the client gets, by the names of its calls."""
    home.mkdir(exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "*"}
    done = subprocess.run(
        [python, CALLER, address, token, *words],
        capture_output=True,
        env=environ,
        timeout=200,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
