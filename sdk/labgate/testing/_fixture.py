"""How does a test that pytest runs get a scripted gate?"""

from __future__ import annotations

import pytest

from labgate.testing._gate import ScriptedGate, gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any


@pytest.fixture
def make_gate() -> Iterator[Callable[..., ScriptedGate]]:
    """Makes scripted gates, which run until the test ends: `make_gate(files={"version": "1.2"}).lab.files.version()`."""
    made: list[ScriptedGate] = []

    def start(
        services: Mapping[str, Mapping[str, Any]] | None = None, /, **more: Mapping[str, Any]
    ) -> ScriptedGate:
        made.append(gate(services, **more).start())
        return made[-1]

    yield start
    for one in made:
        one.stop()
