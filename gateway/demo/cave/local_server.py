"""What does a local server answer? The services of one datastack and more, side by side."""

from __future__ import annotations

from gateway.demo.cave import annotation, materialize, segmentation, skeletons
from gateway.demo.cave.http import Route


def routes() -> list[Route]:
    """Every address of a local server."""
    return [*segmentation.routes(), *materialize.routes(), *annotation.routes(), *skeletons.routes()]
