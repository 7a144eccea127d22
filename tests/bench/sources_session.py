"""What readers of a catalog do, timed: run in Intake's own environment.

`sources_session.py SDK DIRECT GATE OPERATOR TOKEN RUNS GATE_PID` prints JSON: for each kind of entry and each way to it, what
each run took by the clock, of this process's time, and of the gate's. The ways take turns.
"""

import json
import sys
import tempfile
import time
import urllib.request
import warnings
from pathlib import Path

import dask
import intake
import msgpack
import requests

sys.path.insert(0, sys.argv[1])
sys.path.insert(0, str(Path(__file__).parents[1] / "interop" / "upstreams"))
from intake_blocks import BlocksSource  # noqa: F401 - the server's own, unknown to its clients

import labgate

dask.config.set(scheduler="threads")
warnings.simplefilter("ignore")

ZARR = ("nested", "front")
KINDS = {
    "csv": ("table_csv",),
    "parquet": ("table_parquet",),
    "npy": ("array_npy",),
    "blocks": ("array_blocks",),
    "zarr, nested, a block": ZARR,
    "npy, nested": ("nested", "dark"),
    "parameterised": ("by_sample",),
    "text": ("notes",),
}


def cpu(pid):
    """The processor time of a process so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def with_intake(catalog, steps):
    """Open and read as the real client does."""
    if steps == ZARR:
        return by_hand(catalog.url, catalog.http_args.get("headers", {}), steps)
    for step in steps:
        catalog = catalog[step](sample="b") if step == "by_sample" else catalog[step]
    return catalog.read()


def by_hand(url, fields, steps):
    """A block of zarr's driver, of whose schema the real client makes nothing: what it would send."""

    def post(**said):
        answer = requests.post(f"{url}v1/source", data=msgpack.packb(said), headers=fields)
        answer.raise_for_status()
        return msgpack.unpackb(answer.content, strict_map_key=False)

    for step in steps:
        number = post(action="open", name=step, parameters={}, available_plugins=[])["source_id"]
        parent, fields = fields, {**fields, "source-id": number}
    accepted = {"accepted_formats": ["msgpack"], "accepted_compression": ["none"]}
    fields = parent
    return msgpack.unpackb(post(action="read", source_id=number, partition=[0, 0, 0], **accepted)["data"])


def with_sdk(data, steps):
    """The same with the SDK."""
    source = data[".".join(steps)]
    if steps == ("by_sample",):
        return source.read(sample="b")
    return source.read(partition=(0, 0, 0)) if steps == ZARR else source.read()


def purge(operator, token):
    """Have the gate forget everything."""
    request = urllib.request.Request(
        f"{operator}/-/cache/purge",
        b'{"all": true}',
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).read()


def main(direct, gate, operator, token, runs, pid):
    field = {"headers": {"Authorization": f"Bearer {token}"}}
    straight = intake.open_catalog(direct.replace("http", "intake", 1))
    through = intake.open_catalog(f"{gate.replace('http', 'intake', 1)}/data", http_args=field)
    with tempfile.TemporaryDirectory() as folder:
        data = labgate.connect(gate, token=token, cache_dir=folder).data
        ways = {
            "direct": lambda steps: with_intake(straight, steps),
            "cold": lambda steps: with_intake(through, steps),
            "warm": lambda steps: with_intake(through, steps),
            "SDK": lambda steps: with_sdk(data, steps),
        }
        found = {}
        for kind, steps in KINDS.items():
            seen = found[kind] = {way: [] for way in ways}
            for run in range(int(runs) + 1):
                for way, read in ways.items():
                    if way == "cold":
                        purge(operator, token)
                    elif way == "SDK":
                        read(steps)  # what is nested it reaches by dots, which is something else to memory
                    clock, own, gates = time.perf_counter(), time.process_time(), cpu(pid)
                    try:
                        read(steps)
                    except Exception as problem:
                        raise RuntimeError(f"{kind}, {way}") from problem
                    spent = [time.perf_counter() - clock, time.process_time() - own, cpu(pid) - gates]
                    if run:  # the first of each imports what it needs
                        seen[way].append(spent)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[2:])
