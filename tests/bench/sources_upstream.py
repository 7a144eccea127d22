"""A real Intake server with an entry of each kind, run in Intake's own environment: `sources_upstream.py PORT`."""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import zarr

sys.path.insert(0, str(Path(__file__).parents[1] / "interop" / "upstreams"))
from intake_app import serve

CATALOG = """\
sources:
  table_csv:
    driver: csv
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/runs_*.csv"}
  table_parquet:
    driver: parquet
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/picks.parquet"}
  array_npy:
    driver: numpy
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/frames.npy", chunks: 4}
  array_blocks:
    driver: blocks
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/frames.npy", edge: 256}
  nested:
    driver: yaml_file_cat
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/nested.yaml"}
  by_sample:
    driver: numpy
    direct_access: forbid
    parameters:
      sample: {description: which sample, type: str, default: a, allowed: [a, b]}
    args: {path: "{{ CATALOG_DIR }}/curve_{{ sample }}.npy"}
  notes:
    driver: textfiles
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/notes.txt"}
"""
NESTED = """\
sources:
  front:
    driver: ndzarr
    direct_access: forbid
    args: {urlpath: "{{ CATALOG_DIR }}/volume.zarr"}
  dark:
    driver: numpy
    direct_access: forbid
    args: {path: "{{ CATALOG_DIR }}/dark.npy", chunks: 256}
"""
ROWS = 20_000


def write(folder: Path) -> Path:
    """Write the catalog and what it names; the path of the catalog."""
    chance = np.random.default_rng(7)
    for day in range(4):
        columns = {"run": np.arange(ROWS), "operator": chance.choice(["ada", "eve", "tom"], ROWS)}
        columns |= {f"channel_{at}": chance.normal(50, 2, ROWS).round(3) for at in range(6)}
        pd.DataFrame(columns).to_csv(folder / f"runs_{day}.csv", index=False)
    picks = {name: chance.random(200_000) for name in ("row", "column", "score", "defocus")}
    pd.DataFrame(picks).to_parquet(folder / "picks.parquet")
    np.save(folder / "frames.npy", chance.integers(0, 4096, (16, 512, 512)).astype("<u2"))
    volume = zarr.open(
        str(folder / "volume.zarr"), mode="w", shape=(32, 256, 256), chunks=(16, 128, 128), dtype="<f4"
    )
    volume[:] = chance.random((32, 256, 256))
    np.save(folder / "dark.npy", chance.poisson(9, (512, 512)).astype("<i4"))
    for sample in "ab":
        np.save(folder / f"curve_{sample}.npy", chance.random((1000, 2)))
    folder.joinpath("notes.txt").write_text("beam on at nine\n" * 200)
    folder.joinpath("nested.yaml").write_text(NESTED)
    catalog = folder / "catalog.yaml"
    catalog.write_text(CATALOG)
    return catalog


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        os.environ["INTAKE_CONF_DIR"] = made
        serve(write(Path(made)), int(sys.argv[1]), "")
