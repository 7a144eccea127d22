"""Which types of jobs are there, and what does each one do?"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.jobs import images
from gateway.demo.jobs.arrays import Pixels
from gateway.demo.jobs.errors import InvalidParamsError


class JobKilled(Exception):  # noqa: N818 - no error: somebody wanted it
    """The job was told to stop."""


class JobFailedError(Exception):
    """The job cannot be done; the text is for its owner."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A job's parameter: a number between `low` and `high`, or None where that is the default."""

    default: int | float | None
    low: float
    high: float
    title: str

    def check(self, name: str, value: Any) -> None:
        """Raise InvalidParamsError unless `value` may be set."""
        if value is None and self.default is None:
            return
        number = type(value) in ((int,) if isinstance(self.default, int) else (int, float))
        if not number or not self.low <= value <= self.high:
            kind = "a whole number" if isinstance(self.default, int) else "a number"
            raise InvalidParamsError(f"{name} must be {kind} from {self.low:g} to {self.high:g}")

    def as_json(self) -> dict[str, Any]:
        """The setting as callers see it."""
        return {"default": self.default, "low": self.low, "high": self.high, "title": self.title}


@dataclass(frozen=True, slots=True)
class Picture:
    """A named image on its way into or out of a job."""

    name: str
    pixels: Pixels


@dataclass(slots=True)
class Run:
    """One execution of a job: what it works on, and what it says and makes.

    Nothing it makes is seen before it has completed. `killed` may be set by any thread.
    """

    params: dict[str, Any]
    pictures: list[Picture]
    killed: threading.Event = field(default_factory=threading.Event)
    lines: list[tuple[float, str]] = field(default_factory=list)
    made: dict[str, list[Picture]] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    def log(self, text: str) -> None:
        """Add a line to the job's log."""
        self.lines.append((time.time(), text))

    def checkpoint(self) -> None:
        """Raise JobKilled if the job was told to stop."""
        self.pause(0)

    def pause(self, seconds: float) -> None:
        """Wait, but not a moment longer than until the job is told to stop."""
        if self.killed.wait(seconds):
            raise JobKilled

    def make(self, slot: str, name: str, pixels: Pixels) -> None:
        """Put a picture into an output slot."""
        self.made.setdefault(slot, []).append(Picture(name, pixels))


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of job: its settings, the slots of its inputs and outputs, and what it does."""

    name: str
    title: str
    work: Callable[[Run], None]
    settings: dict[str, Setting]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def defaults(self) -> dict[str, Any]:
        """Every setting with its default."""
        return {name: setting.default for name, setting in self.settings.items()}

    def check(self, name: str, value: Any) -> None:
        """Raise InvalidParamsError unless the setting exists and may have this value."""
        if name not in self.settings:
            known = ", ".join(self.settings) or "none"
            raise InvalidParamsError(f"{self.name} has no parameter {name[:80]!r}; it has: {known}")
        self.settings[name].check(name, value)

    def as_json(self) -> dict[str, Any]:
        """The type as callers see it."""
        return {
            "name": self.name,
            "title": self.title,
            "params": {name: setting.as_json() for name, setting in self.settings.items()},
            "input_slots": list(self.inputs),
            "output_slots": list(self.outputs),
        }


def _acquire(run: Run) -> None:
    count, seed = run.params["count"], run.params["seed"]
    for number in range(count):
        run.pause(run.params["seconds"])
        exposure = images.synthesize(seed + number, particles=run.params["particles"])
        run.make("micrographs", f"exposure {number + 1}", exposure.pixels)
        run.log(f"exposure {number + 1} of {count}")


def _blur(run: Run) -> None:
    for picture in run.pictures:
        run.checkpoint()
        run.make("blurred", picture.name, images.blur(picture.pixels, run.params["sigma"]))
        run.log(f"blurred {picture.name}")


def _threshold(run: Run) -> None:
    fractions = {}
    for picture in run.pictures:
        run.checkpoint()
        mask = images.threshold(picture.pixels, run.params["level"])
        run.make("masks", picture.name, mask)
        fractions[picture.name] = float(mask.mean())
        run.log(f"{picture.name}: {mask.mean():.1%} is above the threshold")
    run.found["fractions"] = fractions


def _find(run: Run, picture: Picture) -> images.Positions:
    run.checkpoint()
    positions = images.find_particles(
        picture.pixels, sigma=run.params["sigma"], sensitivity=run.params["sensitivity"]
    )
    run.log(f"{picture.name}: {len(positions)} particles")
    return positions


def _count_particles(run: Run) -> None:
    found = [(picture.name, _find(run, picture).tolist()) for picture in run.pictures]
    run.found["particles"] = [
        {"name": name, "count": len(positions), "positions": positions} for name, positions in found
    ]
    run.found["total"] = sum(len(positions) for _, positions in found)


def _average(run: Run) -> None:
    try:
        mean = images.average([picture.pixels for picture in run.pictures])
    except ValueError as error:
        raise JobFailedError(str(error)) from error
    run.make("average", f"average of {len(run.pictures)}", mean)
    run.log(f"averaged {len(run.pictures)} pictures")


def _average_particles(run: Run) -> None:
    boxes: list[Pixels] = []
    for picture in run.pictures:
        boxes += images.cut_boxes(picture.pixels, _find(run, picture), run.params["box"])
    if not boxes:
        raise JobFailedError("no particle was found")
    run.make("average", f"average of {len(boxes)} particles", images.average(boxes))
    run.found["particles"] = len(boxes)


_SIGMA = Setting(2.0, 0.5, 10, "Width of the Gaussian, pixels")
_PICKING = {
    "sigma": _SIGMA,
    "sensitivity": Setting(6.0, 1, 100, "How far a particle stands out, standard deviations"),
}

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "acquire",
            "Take exposures with a made-up microscope",
            _acquire,
            {
                "count": Setting(3, 1, 20, "Number of exposures"),
                "particles": Setting(12, 0, 30, "Particles on each"),
                "seconds": Setting(0.2, 0, 60, "Time of each exposure, seconds"),
                "seed": Setting(1000, 0, 2**32, "Equal seeds give equal exposures"),
            },
            inputs=(),
            outputs=("micrographs",),
        ),
        Kind("blur", "Blur with a Gaussian", _blur, {"sigma": _SIGMA}, ("micrographs",), ("blurred",)),
        Kind(
            "threshold",
            "Split into foreground and background",
            _threshold,
            {"level": Setting(None, -1e6, 1e6, "Level; none means Otsu's")},
            inputs=("micrographs",),
            outputs=("masks", "fractions"),
        ),
        Kind(
            "count_particles",
            "Find and count particles",
            _count_particles,
            _PICKING,
            inputs=("micrographs",),
            outputs=("particles", "total"),
        ),
        Kind("average", "Average pictures", _average, {}, ("micrographs",), ("average",)),
        Kind(
            "average_particles",
            "Find particles and average the boxes round them",
            _average_particles,
            _PICKING | {"box": Setting(16, 4, 64, "Side of a box, pixels")},
            inputs=("micrographs",),
            outputs=("average", "particles"),
        ),
    )
}
