"""What does an id of the gate's own catalog stand for? All that reading takes, so that nothing is kept between two requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, ValidationError, convert, to_builtins

from gateway.core.intake import firewall, schema
from gateway.core.intake.chains import ROOT, Chain
from gateway.core.intake.ids import SourceIds
from gateway.core.intake.refusals import Refusal
from gateway.core.source_layout import Layout
from gateway.core.sources import Source

OWN: Final = "sources:"
"""What ids are signed for, in the place of a service's name, which none can have."""
_OPENED: Final = "o"
_SEARCHED: Final = "s"
_LONGEST: Final = 1 << 19
"""Bytes of what the id of a source says, which is sent in a body."""
_FOUND: Final = "f"
"""The step that says what the source was found to be."""


class Opened(Struct, frozen=True):
    """A source with the parameters that a caller chose, as it was when it was opened."""

    source: Source
    chosen: Mapping[str, Any]
    layout: Layout

    def indices(self, partition: object) -> list[int]:
        """The indices of the part that is asked for. Raises Refusal, which says what there is."""
        name, layout = self.source.name, self.layout
        axes = len(layout.shape) if layout.container == "ndarray" else 1
        if partition == [] and not axes:  # the one part of what is a single number
            return []
        found = schema.checked(layout.said(), name, partition)
        if found is None or (type(found) is int and layout.parts == 1):
            return [0] * axes
        if type(found) is int:
            if axes != 1:
                raise Refusal(400, f"a block of {name} has {axes} indices, and is no number")
            return [found]
        return list(found)


class OpenedIds:
    """Makes and reads ids of opened sources and of searches."""

    def __init__(self, sources: Mapping[str, Source], secret: bytes) -> None:
        """`secret` is what replicas have in common and callers do not know."""
        self._sources = sources
        self._ids = SourceIds(secret)

    def of(self, opened: Opened) -> str:
        """The id of an opened source."""
        found = (_FOUND, to_builtins(opened.layout), opened.source.mark)
        return self._ids.made(OWN, Chain(((_OPENED, opened.source.name, opened.chosen), found)), _LONGEST)

    def of_search(self, within: object, words: list[Any], named: dict[str, Any]) -> str:
        """The id of what a search finds, in the whole catalog or within what another search found. Raises Refusal."""
        return self._ids.made(OWN, self._catalog(within).searched(words, named))

    def searches(self, written: object) -> tuple[tuple[str, Any, Any], ...]:
        """The searches, one within the other, that an id is of; none for the whole catalog (None). Raises Refusal."""
        return self._catalog(written).steps

    def _catalog(self, written: object) -> Chain:
        chain = ROOT if written is None else self._ids.read(OWN, written)
        if any(kind != _SEARCHED for kind, *_ in chain.steps):
            raise Refusal(400, f"{chain.dotted} is no catalog")
        return chain

    def opened(self, written: object) -> Opened:
        """The source that an id is of. Raises Refusal where it stands for nothing, or for something else by now."""
        match self._ids.read(OWN, written).steps:
            case (("o", str(name), dict(chosen)), ("f", found, mark)):
                source = self._sources.get(name)
                if source is None:
                    raise Refusal(404, "No such entry")
                if source.mark != mark:
                    raise changed(source)
                try:
                    layout = convert(found, Layout)
                except ValidationError:  # of another version of the gate
                    raise changed(source) from None
                return Opened(source, firewall.checked(source.entry(), chosen), layout)
        raise Refusal(400, "a catalog cannot be read: open one of its entries")


def changed(source: Source) -> Refusal:
    """Why a source is not read by an id that was given out before."""
    return Refusal(410, f"{source.name} is read in another way since it was opened: open it again")
