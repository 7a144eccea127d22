"""What would a block of nervous tissue look like under an electron microscope? Made up, and which cell is where with it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.demo.dvid.voxels import Array

Field = npt.NDArray[np.float32]

_PITCH = 44.0  # voxels between cells, on average
_COARSE = 2  # fields are made on every second voxel and row and section, and are smooth in between
_MEMBRANE = 2.2


@dataclass(frozen=True, slots=True)
class Tissue:
    """`grey` is uint8, `labels` uint64 with 0 for membranes; both are (z, y, x)."""

    grey: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Cells:
    """A lattice of cells, each moved off its place; all arrays are (rows, columns) of the lattice."""

    across: Field
    down: Field
    drift: Field
    phase: Field
    tone: Field
    turn: Field
    numbers: npt.NDArray[np.int64]


def tissue(shape: tuple[int, int, int] = (64, 512, 512), *, seed: int = 20140219) -> Tissue:
    """A block of this even shape (z, y, x); equal seeds make equal tissue."""
    chance = np.random.default_rng(seed)
    depth, height, width = shape
    cells = _cells(chance, int(height / _PITCH) + 5, int(width / _PITCH) + 5)
    grain = _grain(chance, height, width)
    grey = np.empty(shape, np.uint8)
    labels = np.empty(shape, np.uint64)
    known = _names(chance, cells.numbers.size)
    before: tuple[Field, Field, npt.NDArray[np.int64]] | None = None
    for section in range(0, depth, _COARSE):
        here = before or _section(cells, section, height, width)
        after = _section(cells, section + _COARSE, height, width)
        for step in range(_COARSE):
            share = np.float32(step / _COARSE)
            gap, shade = (_doubled(a + (b - a) * share) for a, b in zip(here[:2], after[:2], strict=True))
            owner = (here if step * 2 < _COARSE else after)[2].repeat(2, axis=0).repeat(2, axis=1)
            noise = np.roll(grain, (37 * (section + step), 91 * (section + step)), axis=(0, 1))
            wall = np.minimum(gap * (1 / _MEMBRANE), 1)
            grey[section + step] = np.clip((shade + noise) * wall + 45 * (1 - wall), 0, 255)
            labels[section + step] = np.where(gap > _MEMBRANE * 0.6, known[owner], 0)
        before = after
    return Tissue(grey, labels)


def halved(volume: Array) -> Array:
    """The next scale of an even volume (z, y, x): the mean of every 2 x 2 x 2 voxels, rounded down."""
    z, y, x = (side // 2 for side in volume.shape)
    total = volume.reshape(z, 2, y, 2, x, 2).sum(axis=(1, 3, 5), dtype=np.uint32)
    mean: Array = (total // 8).astype(volume.dtype)
    return mean


def _cells(chance: np.random.Generator, rows: int, columns: int) -> _Cells:
    def some(low: float, high: float) -> Field:
        return chance.uniform(low, high, (rows, columns)).astype(np.float32)

    return _Cells(
        across=some(-0.36, 0.36),
        down=some(-0.36, 0.36),
        drift=some(0.05, 0.14),
        phase=some(0, 6.28),
        tone=some(150, 190),
        turn=some(0, 6.28),
        numbers=np.arange(rows * columns).reshape(rows, columns),
    )


def _names(chance: np.random.Generator, count: int) -> npt.NDArray[np.uint64]:
    """Labels as a lab has them: of many digits, no two alike; a few are beyond what a float can hold."""
    names: npt.NDArray[np.uint64] = np.sort(chance.choice(1 << 31, count, replace=False)).astype(
        np.uint64
    ) + np.uint64(10**9)
    names[:: count // 5] += np.uint64((1 << 53) + 1)
    chance.shuffle(names)
    return names


def _section(cells: _Cells, z: int, height: int, width: int) -> tuple[Field, Field, npt.NDArray[np.int64]]:
    """On the coarse grid: how far the nearest membrane is, the grey of the inside, and whose inside it is."""
    rows, columns = (
        np.arange(0, side, _COARSE, dtype=np.float32)[index]
        for side, index in ((height, np.s_[:, None]), (width, np.s_[None, :]))
    )
    v = (
        rows / _PITCH
        + 2
        + 0.16 * np.sin(columns / 31 + z / 40)
        + 0.07 * np.sin(rows / 9 + columns / 13 + z / 21)
    )
    u = (
        columns / _PITCH
        + 2
        + 0.16 * np.sin(rows / 27 - z / 45)
        + 0.07 * np.sin(columns / 10 - rows / 14 + z / 25)
    )
    first = np.full(v.shape, np.inf, np.float32)
    second, owner = first.copy(), np.zeros(v.shape, np.int64)
    near = np.floor(v).astype(np.int64), np.floor(u).astype(np.int64)
    moved = z / 30 + cells.phase
    centre_v = cells.down + cells.drift * np.sin(moved) + np.arange(moved.shape[0], dtype=np.float32)[:, None]
    centre_u = cells.across + cells.drift * np.cos(moved) + np.arange(moved.shape[1], dtype=np.float32)
    flat_v, flat_u = centre_v.astype(np.float32).ravel() + 0.5, centre_u.astype(np.float32).ravel() + 0.5
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            index = (near[0] + down) * moved.shape[1] + near[1] + across
            distance = (v - flat_v[index]) ** 2 + (u - flat_u[index]) ** 2
            closer = distance < first
            second = np.where(closer, first, np.minimum(second, distance))
            owner = np.where(closer, index, owner)
            first = np.where(closer, distance, first)
    gap = (np.sqrt(second) - np.sqrt(first)) * np.float32(_PITCH / 2)
    return gap, _inside(cells, owner, v - flat_v[owner], u - flat_u[owner], z), owner


def _inside(cells: _Cells, owner: npt.NDArray[np.int64], v: Field, u: Field, z: int) -> Field:
    """The grey of what is in the cells: cytoplasm, a mitochondrion with cristae, in some a nucleus or vesicles."""
    turn, tone, phase = (one.ravel()[owner] for one in (cells.turn, cells.tone, cells.phase))
    cosine, sine = np.cos(turn), np.sin(turn)
    along, beside = u * cosine + v * sine, v * cosine - u * sine
    swell = 1 + 0.35 * np.sin(z / 18 + phase)
    inner = (along - 0.1) ** 2 / (0.23 * swell) ** 2 + (beside - 0.14) ** 2 / (0.095 * swell) ** 2
    cristae = 22 * np.sin(along * 75 + 3 * np.sin(beside * 20 + z / 6))
    grey = np.where(inner < 1, np.where(inner > 0.72, 62, 104 + cristae), tone)
    core = (along + 0.06) ** 2 + (beside * 1.2 + 0.05) ** 2
    reach = 0.062 * (1 + 0.3 * np.cos(z / 25 + phase))
    nucleus = (owner % 7 == 0) & (core < reach)
    grey = np.where(
        nucleus, np.where(core > reach * 0.8, 78, 172 + 14 * np.sin(along * 40) * np.cos(beside * 33)), grey
    )
    spots = np.sin(along * 130 + z / 3) * np.sin(beside * 130 - z / 4)
    vesicles = (owner % 3 == 1) & (inner > 1.3) & (spots > 0.72) & (along * beside > -0.004)
    return np.where(vesicles, 96, grey).astype(np.float32)


def _grain(chance: np.random.Generator, height: int, width: int) -> Field:
    noise = chance.normal(0, 15, (height, width))
    smooth = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))) / 2.4
    return smooth.astype(np.float32)


def _doubled(field: Any) -> Field:
    """Twice as many rows and columns, the new ones midway between their neighbours."""
    rows = np.empty((field.shape[0] * 2, field.shape[1]), np.float32)
    rows[::2] = field
    rows[1:-1:2] = (field[:-1] + field[1:]) * np.float32(0.5)
    rows[-1] = field[-1]
    found = np.empty((rows.shape[0], rows.shape[1] * 2), np.float32)
    found[:, ::2] = rows
    found[:, 1:-1:2] = (rows[:, :-1] + rows[:, 1:]) * np.float32(0.5)
    found[:, -1] = rows[:, -1]
    return found
