"""What does a read of a catalog's entry cost: of a real Intake server itself, and through the gate, cold, warm and with the SDK?"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_lab import HERE, LOAD_CORE, SERVER_CORE, free_port, process, token_of
from clients import environment

CONFIG = """
listen: 127.0.0.1:{port}
operator: {{listen: 127.0.0.1:{operator}}}
state_dir: {folder}/state
policies: [{{to: ["group:bench"], allow: ["*", "/**"], operate: true}}]
services:
  data: {{dialect: intake, url: "http://127.0.0.1:{upstream}", mount: /data}}
cache: {{memory: 1GiB}}
telemetry: {{access_log: "off"}}
"""
_WAYS = ("direct", "cold", "warm", "SDK")


def run(runs: int) -> None:
    """Print the table."""
    python = environment("intake")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ports = {key: free_port() for key in ("port", "operator", "upstream")}
        config = folder / "labgate.yaml"
        config.write_text(CONFIG.format(folder=folder, **ports))
        token = token_of(config)
        server = (str(python), str(HERE / "sources_upstream.py"), str(ports["upstream"]))
        serve = (sys.executable, "-m", "gateway.cli", "serve", "--config", str(config))
        with (
            process(*server, core=SERVER_CORE, wait_for="ready"),
            process(*serve, core=SERVER_CORE, wait_for="ready") as pid,
        ):
            addresses = [f"http://127.0.0.1:{ports[key]}" for key in ("upstream", "port", "operator")]
            found = _session(python, folder, *addresses, token, str(runs), str(pid))
    _print(found)


def _session(python: Path, home: Path, *words: str) -> dict[str, dict[str, list[list[float]]]]:
    script, sdk = str(HERE / "sources_session.py"), str(HERE.parents[1] / "sdk")
    command = ["taskset", "-c", str(LOAD_CORE), str(python), script, sdk, *words]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "*"}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environ, text=True, check=True)
    found: dict[str, dict[str, list[list[float]]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _print(found: dict[str, dict[str, list[list[float]]]]) -> None:
    head = ["`cat.x.read()`, ms", "direct", "gate, cold", "warm", "SDK, warm"]
    head += ["cold/direct", "warm/direct", "floor", "SDK/direct", "warm: client's CPU", "gate's CPU"]
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for kind, ways in found.items():
        spent = {way: statistics.median(one[0] for one in ways[way]) * 1000 for way in _WAYS}
        # Each round was taken in turn, so that what slows one way slows the others.
        cold, warm, sdk = (_ratio(ways[way], ways["direct"], 0) for way in _WAYS[1:])
        ratios = (cold, warm, _ratio(ways["warm"], ways["direct"], 1), sdk)
        own, gates = (statistics.fmean(one[at] for one in ways["warm"]) * 1000 for at in (1, 2))
        cells = [kind, *(f"{spent[way]:.1f}" for way in _WAYS), *(f"{ratio:.2f}" for ratio in ratios)]
        print("| " + " | ".join([*cells, f"{own:.1f} ms", f"{gates:.1f} ms"]) + " |")


def _ratio(own: list[list[float]], beside: list[list[float]], at: int) -> float:
    """What a way takes of the other one's time: by the clock, or by its client's own, below which no gate can bring it."""
    return statistics.median(one[at] / another[0] for one, another in zip(own, beside, strict=True))
