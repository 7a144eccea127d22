"""Which of many path globs means a path first? Looked up step by step, whatever their number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.core.paths import Steps, path_glob


class _Place:
    """Where one is after some steps: what can come next, and the globs that end here."""

    __slots__ = ("deep", "ends", "literal", "loops", "patterns")

    def __init__(self, *, loops: bool = False) -> None:
        self.loops = loops
        """After `**`: any step leads here again."""
        self.literal: dict[bytes, _Place] = {}
        self.patterns: dict[bytes, tuple[re.Pattern[bytes], _Place]] = {}
        self.deep: _Place | None = None
        self.ends: dict[str | None, int] = {}
        """The first glob that ends here, by its verb."""


class PathTable:
    """Globs as policies write them, each with a number; of those that mean a path, the lowest number counts."""

    def __init__(self, globs: Iterable[tuple[int, str]]) -> None:
        self._root = _Place()
        for number, written in globs:
            self._add(number, written)

    def _add(self, number: int, written: str) -> None:
        glob = path_glob(written)
        place = self._root
        for step in glob.steps:
            place = _below(place, step)
        place.ends.setdefault(glob.verb, number)
        place.ends[glob.verb] = min(place.ends[glob.verb], number)

    def first(self, verb: str, path: Steps) -> int:
        """The number of the first glob that means a request of this verb for this path, -1 if none does."""
        places = list(_with_deep(self._root))
        for step in path:
            after: list[_Place] = []
            for place in places:
                if place.loops:
                    after.append(place)
                found = place.literal.get(step)
                if found is not None:
                    after.extend(_with_deep(found))
                for pattern, following in place.patterns.values():
                    if pattern.fullmatch(step):
                        after.extend(_with_deep(following))
            if not after:
                return -1
            # The same place is reached in several ways where `**` stands.
            places = after if len(after) == 1 else list(dict.fromkeys(after))
        numbers = [number for place in places for number in _ending(place, verb)]
        return min(numbers) if numbers else -1


def _below(place: _Place, step: re.Pattern[bytes] | None) -> _Place:
    if step is None:
        if place.loops:
            return place  # `**/**` is `**`
        if place.deep is None:
            place.deep = _Place(loops=True)
        return place.deep
    literal = re.sub(rb"\\(.)", rb"\1", step.pattern, flags=re.DOTALL)
    if re.escape(literal) == step.pattern:
        return place.literal.setdefault(literal, _Place())
    return place.patterns.setdefault(step.pattern, (step, _Place()))[1]


def _with_deep(place: _Place) -> Iterator[_Place]:
    yield place
    if place.deep is not None:
        yield place.deep


def _ending(place: _Place, verb: str) -> Iterator[int]:
    ends = place.ends
    for one in (None, verb, "GET" if verb == "HEAD" else verb):
        if one in ends:
            yield ends[one]
