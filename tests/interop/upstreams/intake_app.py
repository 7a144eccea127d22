"""How does the real Intake server (0.7.0) behave? As `intake-server` starts it, on a catalog in a temporary folder.

`python intake_app.py [--port N] [--secret S]`; a secret is asked for in the field `intake-secret`.
"""

import argparse
import os
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import zarr

CATALOG = """\
metadata: {lab: interop, version: 1}
sources:
  runs:
    description: Runs of one week, a file for each day
    driver: csv
    direct_access: forbid
    metadata: {beamline: "7"}
    args: {urlpath: "{{ CATALOG_DIR }}/runs_*.csv"}
  picks:
    description: Particles that were picked by eye
    driver: parquet
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/picks.parquet"}
  frames:
    description: Röntgen frames in four blocks
    driver: numpy
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/frames.npy", chunks: 2, storage_options: {secret: hunter2}}
  volume:
    description: A volume in chunks along every axis
    driver: ndzarr
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/volume.zarr"}
  blocks:
    description: Blocks along every axis, each with its length
    driver: blocks
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/blocks.npy", edge: 8}
  notes:
    description: What was written into the lab book
    driver: textfiles
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/notes.txt"}
  settings:
    description: Settings of the instrument
    driver: json
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/settings.json"}
  detectors:
    description: The detectors, a catalog of its own
    driver: yaml_file_cat
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/detectors.yaml"}
  by_sample:
    description: Curves of one sample
    driver: numpy
    direct_access: forbid
    metadata: {taken: "{{ day }}"}
    parameters:
      sample: {description: which sample, type: str, default: a, allowed: [a, b, c]}
      run: {description: which run, type: int, default: 1, min: 1, max: 2}
      day: {description: when, type: datetime, default: "2024-05-01", min: "2024-01-01", max: "2024-12-31"}
    args: {path: "{{ CATALOG_DIR }}/curve_{{ sample }}_{{ run }}.npy"}
  open_to_all:
    description: May be read from the file itself
    driver: csv
    direct_access: allow
    args: {urlpath: "{{ CATALOG_DIR }}/runs_1.csv"}
  only_direct:
    description: Must be read from the file itself
    driver: csv
    direct_access: force
    args: {urlpath: "{{ CATALOG_DIR }}/runs_1.csv"}
  broken:
    description: Its file is gone
    driver: csv
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/nothing.csv"}
"""

DETECTORS = """\
metadata: {room: hutch}
sources:
  front:
    description: The detector before the sample
    driver: numpy
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/front.npy", chunks: 16}
  back:
    description: The detector behind the sample
    driver: numpy
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/back.npy", chunks: 16}
"""


def write(folder: Path) -> Path:
    """Write the catalog and what it names; the path of the catalog. Equal every time."""
    chance = np.random.default_rng(7)
    for day in (1, 2, 3):
        made = {"run": range(day * 10, day * 10 + 5), "dose": chance.normal(50, 2, 5).round(3)}
        made["operator"] = ["ada", "zoë", "ada", "eve", "tom"]
        pd.DataFrame(made).to_csv(folder / f"runs_{day}.csv", index=False)
    picks = {"row": chance.integers(0, 512, 40), "column": chance.integers(0, 512, 40)}
    picks["score"] = chance.random(40)
    pd.DataFrame(picks).to_parquet(folder / "picks.parquet")
    np.save(folder / "frames.npy", chance.integers(0, 4096, (8, 24, 32)).astype("<u2"))
    volume = zarr.open(
        str(folder / "volume.zarr"), mode="w", shape=(4, 20, 30), chunks=(2, 10, 15), dtype="<f4"
    )
    volume[:] = chance.random((4, 20, 30))
    np.save(folder / "blocks.npy", chance.random((16, 20, 24)))
    for name in ("front", "back"):
        np.save(folder / f"{name}.npy", chance.poisson(9, (32, 48)).astype("<i4"))
    for sample in "abc":
        for run in (1, 2):
            np.save(folder / f"curve_{sample}_{run}.npy", chance.random((25, 2)))
    folder.joinpath("notes.txt").write_text("beam on at nine\nsample b turned, Zürich\n\nbeam off\n")
    folder.joinpath("settings.json").write_text('{"energy": 12.4, "slits": [1, 2], "user": "zoë"}')
    folder.joinpath("detectors.yaml").write_text(DETECTORS)
    catalog = folder / "catalog.yaml"
    catalog.write_text(CATALOG)
    return catalog


def serve(catalog: Path, port: int, secret: str) -> None:
    """What `intake-server` does, but that the port may be a free one and is told."""
    from intake import open_catalog, register_driver
    from intake.cli.server.server import IntakeServer
    from intake.config import conf
    from intake_blocks import BlocksSource
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop
    from tornado.netutil import bind_sockets

    register_driver(BlocksSource.name, BlocksSource)
    if secret:
        conf["auth"] = {"cls": "intake.auth.secret.SecretAuth", "kwargs": {"secret": secret}}
    server = IntakeServer(open_catalog(str(catalog), ttl=60))

    async def start() -> None:
        sockets = bind_sockets(port, "127.0.0.1")
        HTTPServer(server.make_app()).add_sockets(sockets)
        server.start_periodic_functions(close_idle_after=3600.0)
        print(f"ready http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
        sys.stdout = sys.stderr  # the npy driver prints an empty line for each schema

    loop = IOLoop.current()
    loop.add_callback(start)
    loop.start()


def _end_with_input(folder: tempfile.TemporaryDirectory) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    folder.cleanup()
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--secret", default="")
    options = parser.parse_args()
    made = tempfile.TemporaryDirectory()
    os.environ["INTAKE_CONF_DIR"] = made.name  # whoever runs the tests may have settings of their own
    threading.Thread(target=_end_with_input, args=(made,), daemon=True).start()
    serve(write(Path(made.name)), options.port, options.secret)
