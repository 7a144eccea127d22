"""What can be done to a micrograph? Making one up, blurring, thresholding, finding particles, averaging."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

PARTICLE_SIGMA = 2.5
_PARTICLE_DISTANCE = 14
_NOISE = 0.25


@dataclass(frozen=True, slots=True)
class Micrograph:
    """A made-up exposure and the truth about it.

    `pixels` has shape (rows, columns) and arbitrary intensity units; `particles` has shape (n, 2) and holds
    the (row, column) of each particle's centre, in pixels.
    """

    pixels: Picture
    particles: Positions


def synthesize(seed: int, *, size: int = 128, particles: int = 12) -> Micrograph:
    """A square micrograph: Gaussian particles on uneven ice with noise; equal seeds give equal pictures.

    Particles keep their distance from each other and from the rim. Where the picture is too small for so
    many, there are fewer: `Micrograph.particles` says how many.
    """
    chance = np.random.default_rng(seed)
    centres = _scatter(chance, size, particles)
    rows, columns = np.mgrid[0:size, 0:size]
    picture = 0.3 * (rows + columns) / size + chance.normal(0, _NOISE, (size, size))
    for row, column in centres:
        squared = (rows - row) ** 2 + (columns - column) ** 2
        picture += chance.uniform(0.9, 1.2) * np.exp(-squared / (2 * PARTICLE_SIGMA**2))
    return Micrograph(picture.astype(np.float32), centres)


def _scatter(chance: np.random.Generator, size: int, count: int) -> Positions:
    margin = _PARTICLE_DISTANCE // 2 + 1
    centres: list[npt.NDArray[np.int64]] = []
    for candidate in chance.integers(margin, size - margin, (count * 200, 2)):
        if len(centres) == count:
            break
        if all(((candidate - other) ** 2).sum() >= _PARTICLE_DISTANCE**2 for other in centres):
            centres.append(candidate)
    return np.array(centres, dtype=np.int64).reshape(-1, 2)


def blur(pixels: npt.NDArray[Any], sigma: float) -> Picture:
    """`pixels` convolved with a Gaussian of `sigma` pixels; the rim is mirrored. Shape is kept."""
    radius = max(1, round(3 * sigma))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    result = pixels.astype(np.float64)
    for axis in (0, 1):
        length = result.shape[axis]
        padding = [(radius, radius) if n == axis else (0, 0) for n in (0, 1)]
        padded = np.pad(result, padding, mode="symmetric")
        result = np.zeros_like(result)
        for start, weight in enumerate(kernel):
            result += weight * padded.take(range(start, start + length), axis)
    return result.astype(np.float32)


def otsu_level(pixels: npt.NDArray[Any]) -> float:
    """The level that best splits the histogram in two (Otsu, IEEE Trans. SMC 9, 1979)."""
    counts, edges = np.histogram(pixels, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / below - (sums[-1] - sums) / above
    return float(edges[1 + int(np.argmax(np.nan_to_num(below * above * gap**2)))])


def threshold(pixels: npt.NDArray[Any], level: float | None = None) -> npt.NDArray[np.uint8]:
    """1 where `pixels` reach `level`, else 0; without a level, Otsu's is taken."""
    return (pixels >= (otsu_level(pixels) if level is None else level)).astype(np.uint8)


def find_particles(pixels: npt.NDArray[Any], *, sigma: float = 2.0, sensitivity: float = 6.0) -> Positions:
    """The (row, column) of every particle, shape (n, 2), top to bottom.

    The picture is blurred by `sigma`, freed of its slow background, and every local maximum that stands
    `sensitivity` robust standard deviations out of it counts.
    """
    flat = blur(pixels, sigma) - blur(pixels, 4 * sigma)
    middle = np.median(flat)
    deviation = 1.4826 * np.median(np.abs(flat - middle))
    reach = max(1, _PARTICLE_DISTANCE // 2 - 1)
    window = 2 * reach + 1
    padded = np.pad(flat, reach, constant_values=-np.inf)
    highest = np.lib.stride_tricks.sliding_window_view(padded, (window, window)).max(axis=(2, 3))
    return np.argwhere((flat == highest) & (flat > middle + sensitivity * deviation))


def average(pictures: Sequence[npt.NDArray[Any]]) -> Picture:
    """The mean picture. Raises ValueError when the shapes differ or there is none."""
    if len({picture.shape for picture in pictures}) != 1:
        raise ValueError("averaging needs at least one picture, and all of one shape")
    return np.asarray(np.mean(np.stack(pictures), axis=0, dtype=np.float64), dtype=np.float32)


def cut_boxes(pixels: npt.NDArray[Any], positions: Positions, box: int) -> list[npt.NDArray[Any]]:
    """A square of `box` pixels round each position; those that would reach over the rim are left out."""
    half = box // 2
    rows, columns = pixels.shape
    return [
        pixels[row - half : row - half + box, column - half : column - half + box]
        for row, column in positions
        if half <= row <= rows - box + half and half <= column <= columns - box + half
    ]


def binned(pixels: npt.NDArray[Any], binning: int) -> npt.NDArray[Any]:
    """`pixels` with every `binning` x `binning` square averaged; a rest at the rim is cut off."""
    if binning == 1:
        return pixels
    rows, columns = (length // binning for length in pixels.shape)
    cut = pixels[: rows * binning, : columns * binning]
    squares = cut.reshape(rows, binning, columns, binning)
    return np.asarray(np.mean(squares, axis=(1, 3), dtype=np.float64), dtype=np.float32)
