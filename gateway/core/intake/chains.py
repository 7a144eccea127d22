"""How does one get from a service's outermost catalog to what is meant? By opening entries and by searching."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from gateway.core.intake.refusals import Refusal
from gateway.core.intake.wire import UnreadableError, canonical, pack, unpack

MOST_STEPS: Final = 16
_OPENED: Final = "o"
_SEARCHED: Final = "s"
Step = tuple[str, Any, Any]
"""`("o", name, parameters)` opens an entry, `("s", words, named)` searches."""


class Chain:
    """A catalog or a source, as the steps that lead there; none lead to the outermost catalog. Equal ways are equal bytes."""

    def __init__(self, steps: tuple[Step, ...] = ()) -> None:
        self.steps = steps

    def opened(self, name: str, parameters: dict[str, Any]) -> Chain:
        """What the entry of this name is with these parameters. Raises Refusal for what is too deep or cannot be sent."""
        return self._followed_by((_OPENED, name, parameters))

    def searched(self, words: list[Any], named: dict[str, Any]) -> Chain:
        """What a search in the catalog finds. Raises Refusal."""
        return self._followed_by((_SEARCHED, words, named))

    def _followed_by(self, step: Step) -> Chain:
        if len(self.steps) >= MOST_STEPS:
            raise Refusal(400, f"catalogs and searches stand deeper than {MOST_STEPS} in each other")
        found = Chain((*self.steps, step))
        try:
            _ = found.packed
        except UnreadableError as problem:
            raise Refusal(400, str(problem)) from problem
        return found

    @cached_property
    def packed(self) -> bytes:
        """The steps as bytes."""
        return pack(canonical([list(step) for step in self.steps]))

    @staticmethod
    def of(packed: bytes) -> Chain:
        """The inverse of `packed`."""
        return Chain(tuple((kind, first, second) for kind, first, second in unpack(packed)))

    @property
    def parent(self) -> Chain:
        """Where the last step is made."""
        return Chain(self.steps[:-1])

    @property
    def is_search(self) -> bool:
        """Whether the last step is a search."""
        return bool(self.steps) and self.steps[-1][0] == _SEARCHED

    @property
    def dotted(self) -> str:
        """The names that lead there; a search adds none."""
        return ".".join(str(step[1]) for step in self.steps if step[0] == _OPENED)

    def named(self, name: str) -> str:
        """The dotted name of an entry of this catalog."""
        return f"{self.dotted}.{name}" if self.dotted else name


ROOT: Final = Chain()
