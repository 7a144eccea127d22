"""What is in the demo's catalog? A week at a beamline that never was: runs, frames, notes, detectors and curves."""

from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.demo.catalog.encoding import HAS_ARROW
from gateway.demo.catalog.entries import Catalog, Entry, Parameter
from gateway.demo.catalog.sources import Blocks, Lines, Table, even

Array = npt.NDArray[Any]

_PICKS = 1_200
_RADII = {"front": (18.0, 33.0, 47.0), "back": (11.0, 24.0, 40.0)}  # of the rings, in pixels
_OPERATORS = np.array(["Ada", "Eve", "Tom", "Zoë"], dtype=object)
_NOTES = """\
Mon 08:10  Shutter open, ring at 300 mA.
Mon 09:40  Sample a mounted; it was cooled during frames 0 to 11, the inner rings widen.
Tue 14:05  Powder rings of sample b are sharp, Röntgen would be pleased.
Wed 11:30  Detector back stands farther away, its rings are smaller.
Thu 16:00  Sample c is out; picks were checked by Zoë.
"""


def contents() -> Catalog:
    """A new catalog with the same data as every other. Tables are there where pyarrow is."""
    entries = (_tables() if HAS_ARROW else {}) | _week() | _others()
    return Catalog("demo", entries, {"lab": "demo", "week": 42})


def _tables() -> dict[str, Entry]:
    runs = Entry(
        "Particle picks of one week, a partition for each run",
        "dataframe",
        "demo_table",
        _runs,
        metadata={"beamline": "7", "unit": "pixel"},
        args={"urlpath": "/srv/lab/runs/*.parquet"},
    )
    return {"runs": runs}


def _week() -> dict[str, Entry]:
    frames = Entry(
        "Röntgen frames with powder rings, in blocks along every axis",
        "ndarray",
        "demo_blocks",
        _frames,
        metadata={"axes": ["frame", "row", "column"], "exposure_s": 0.1},
        args={"urlpath": "/srv/lab/frames.zarr", "storage_options": {"key": "made-up-secret"}},
    )
    notes = Entry(
        "What was written into the lab book",
        "python",
        "textfiles",
        _notes,
        args={"urlpath": "/srv/lab/notes.txt"},
    )
    detectors = Entry(
        "What each detector saw, a catalog of its own",
        "catalog",
        "yaml_file_cat",
        _detectors,
        args={"path": "/srv/lab/detectors.yaml"},
    )
    return {"frames": frames, "notes": notes, "detectors": detectors, "by_sample": _by_sample()}


def _others() -> dict[str, Entry]:
    """What may or must be read elsewhere, and what cannot be read."""
    calibration = Entry(
        "Angle for each pixel; may be read from where it lies",
        "ndarray",
        "demo_calibration",
        _calibration,
        direct="allow",
        args={"urlpath": "/srv/lab/calibration.npy"},
    )
    raw_files = Entry(
        "Files as the detector wrote them; must be read from where they lie",
        "ndarray",
        "demo_raw",
        _calibration,
        direct="force",
        args={"urlpath": "/srv/lab/raw"},
    )
    lost = Entry("Its disk has failed", "ndarray", "demo_blocks", _lost)
    return {"calibration": calibration, "raw_files": raw_files, "lost": lost}


def rings(
    seed: int, radii: tuple[float, ...], shape: tuple[int, int], strength: float = 60.0
) -> npt.NDArray[np.uint16]:
    """Counts of a detector that looks at powder: rings round its middle on a background that fades outwards."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    radius = np.hypot(rows - shape[0] / 2, columns - shape[1] / 2)
    expected = 20 * np.exp(-radius / 30) + 2
    for number, ring in enumerate(radii):
        expected += strength / (number + 1) * np.exp(-((radius - ring) ** 2) / 3)
    counts: npt.NDArray[np.uint16] = np.random.default_rng(seed).poisson(expected).astype(np.uint16)
    return counts


@cache
def _runs() -> Table:
    chance = np.random.default_rng(42)
    rows = (_PICKS // 4,) * 4
    columns: dict[str, Array] = {
        "run": np.repeat(np.arange(101, 105), rows),
        "row": chance.integers(16, 4080, _PICKS),
        "column": chance.integers(16, 4080, _PICKS),
        "diameter": chance.normal(118.0, 6.0, _PICKS).round(2),
        "score": chance.beta(8, 2, _PICKS).astype(np.float32),
        "operator": _OPERATORS[chance.integers(0, len(_OPERATORS), _PICKS)],
    }
    return Table(columns, rows)


@cache
def _frames() -> Blocks:
    made = [rings(number, (14 + 0.5 * number, 29 + 0.5 * number, 41), (96, 128)) for number in range(12)]
    frames = np.stack(made)
    return Blocks(frames, (even(12, 3), even(96, 48), even(128, 64)))


def _notes() -> Lines:
    return Lines(_NOTES.splitlines(keepends=True))


def _detectors() -> Catalog:
    entries = {
        name: Entry(
            f"The detector {place} the sample", "ndarray", "numpy", _detector(name), args={"path": f"/srv/lab/{name}.npy"}
        )
        for name, place in (("front", "before"), ("back", "behind"))
    }  # fmt: skip
    return Catalog("detectors", entries, {"room": "hutch"})


def _detector(name: str) -> Any:
    @cache
    def made() -> Blocks:
        picture = rings(len(name), _RADII[name], (96, 96), 200.0).astype(np.int32)
        return Blocks(picture, (even(96, 32), (96,)))

    return made


def _by_sample() -> Entry:
    parameters = (
        Parameter("sample", "Which sample", "str", "a", allowed=("a", "b", "c")),
        Parameter("run", "Which run", "int", 1, min=1, max=3),
        Parameter(
            "day", "When", "datetime", datetime.fromisoformat("2024-05-01"), min=datetime.fromisoformat("2024-01-01"), max=datetime.fromisoformat("2024-12-31")
        ),
    )  # fmt: skip
    return Entry(
        "Scattering of one sample on one day: angle in 1/nm and intensity",
        "ndarray",
        "demo_curve",
        _curve,
        parameters,
        metadata={"columns": ["q", "intensity"]},
        args={"urlpath": "/srv/lab/{{ sample }}_{{ run }}.npy"},
    )


def _curve(sample: str, run: int, day: datetime) -> Blocks:
    angle = np.linspace(0.05, 5.0, 200)
    radius = {"a": 2.0, "b": 3.5, "c": 5.0}[sample]
    sphere = 3 * (np.sin(angle * radius) - angle * radius * np.cos(angle * radius)) / (angle * radius) ** 3
    chance = np.random.default_rng([ord(sample), run, day.toordinal()])
    noise = chance.normal(1, 0.01, angle.size)
    curve = np.stack([angle, (sphere**2 + 1e-4) * noise / run], axis=1)
    return Blocks(curve, ((200,), (2,)))


@cache
def _calibration() -> Blocks:
    angles = np.linspace(0, 30, 96 * 128).reshape(96, 128).astype(np.float32)
    return Blocks(angles, ((96,), (128,)))


def _lost() -> Blocks:
    raise ValueError("[Errno 5] Input/output error:\n'/srv/lab/lost.zarr'")
