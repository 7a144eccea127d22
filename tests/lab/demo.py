"""How is the whole demo run within a test? As its own process, as a person starts it, with ports of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def demo(folder: Path) -> Iterator[dict[str, str]]:
    """The demo until the block ends, and the environment in which its snippets work.

    Args:
        folder: where it and its callers keep their files.
    """
    command = [sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--operator-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as child:
        assert child.stdout is not None
        said = {}
        for line in child.stdout:
            words = line.split()
            if len(words) > 1 and words[0] in ("address", "token", "operator"):
                said[words[0]] = words[1]
            if "ends it" in line:
                break
        try:
            yield os.environ | {
                "LABGATE_URL": said["address"],
                "LABGATE_OPERATOR": said["operator"],
                "LABGATE_TOKEN": said["token"],
                "XDG_CACHE_HOME": str(folder / "cache"),
                "XDG_CONFIG_HOME": str(folder / "config"),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            }
        finally:
            child.send_signal(signal.SIGTERM)
            child.stdout.read()
            assert child.wait(30) == 0
