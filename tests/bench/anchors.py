"""How do the dynamic clients that people know stand beside ours? Each in a process of its own, with a bare http.client in turns."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import clients

HERE = Path(__file__).parent
SDK = HERE.parents[1] / "sdk"
IMPORTS = {
    "labgate": "import labgate",
    "boto3": "import boto3",
    "zeep": "import zeep",
    "google": "import googleapiclient.discovery",
    "cryosparc-tools": "import cryosparc.command",
}


def run(runs: int) -> None:
    """Print the table: ratios within a row are of one process, columns of one run."""
    pythons = {name: _python(name) for name in IMPORTS}
    with (
        subprocess.Popen(
            [sys.executable, str(HERE / "anchors_upstream.py")], stdout=subprocess.PIPE, text=True
        ) as server,
        tempfile.TemporaryDirectory() as home,
    ):
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        environ = {"PATH": os.environ["PATH"], "HOME": home, "NO_PROXY": "*", "PYTHONPATH": str(SDK)}
        try:
            # They take turns: what slows one run of all of them slows each.
            imports = [
                {name: _import(pythons[name], code, environ) for name, code in IMPORTS.items()}
                for _ in range(runs)
            ]
            told = {name: _told(pythons[name], name, port, runs, environ) for name in IMPORTS}
        finally:
            server.terminate()
    print(
        "\n| client | import | import and first client | one more | its memory | small call | of a bare http.client |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, one in told.items():
        loaded = 1e3 * statistics.median(turn[name] for turn in imports)
        ratio = statistics.median(a / b for a, b in zip(one["call"], one["bare"], strict=True))
        small = 1e6 * statistics.median(one["call"])
        row = f"{loaded:.0f} ms | {loaded + 1e3 * one['made']:.0f} ms | {1e3 * one['second']:.2f} ms | {one['size'] / 1024:.0f} KiB"
        print(f"| {name} | {row} | {small:.0f} us | {ratio:.2f} |")


def _python(name: str) -> Path:
    if name == "cryosparc-tools":
        return clients.environment(name)
    return clients.environment("anchors", HERE / "locks")


def _import(python: Path, code: str, environ: dict[str, str]) -> float:
    """Seconds of a fresh interpreter with the code over one without."""
    return _process(python, code, environ) - _process(python, "pass", environ)


def _process(python: Path, code: str, environ: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([str(python), "-c", code], env=environ, check=True, capture_output=True)
    return time.perf_counter() - began


def _told(python: Path, name: str, port: str, runs: int, environ: dict[str, str]) -> dict[str, Any]:
    command = [str(python), "-W", "ignore", str(HERE / "anchors_session.py"), name, port, str(runs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environ, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    run(5)
