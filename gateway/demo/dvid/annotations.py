"""Which points are annotated at a node?"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.geometry import Triple
from gateway.demo.dvid.instances import Instance
from gateway.demo.dvid.versions import Layers, Lineage

Element = dict[str, Any]
"""`Pos` (X, Y, Z), `Kind`, and perhaps `Rels`, `Tags` and `Prop`."""

_BLOCK = 64


@dataclass
class Annotations(Instance):
    """Elements by their position; there is one at most for each."""

    elements: Layers[Triple, Element] = field(default_factory=Layers)

    def put(self, version: int, elements: Any) -> None:
        """Write elements. Raises DvidError where they are none."""
        if not isinstance(elements, list):
            raise DvidError("annotation elements must come as a JSON array")
        self.elements.put(version, {position(one): {"Tags": [], "Prop": {}, **one} for one in elements})

    def where(self, lineage: Lineage, wanted: Callable[[Element], bool]) -> list[Element]:
        """Those elements, in the order of their blocks and positions."""
        found = self.elements.visible(lineage)
        return [element for _, element in sorted(found.items(), key=lambda item: item[0]) if wanted(element)]

    def inside(self, lineage: Lineage, start: Triple, size: Triple) -> list[Element]:
        """The elements in a part of the volume."""
        ends = [low + side for low, side in zip(start, size, strict=True)]
        return self.where(lineage, lambda one: _within(position(one), start, ends))

    def by_block(self, lineage: Lineage) -> dict[str, list[Element]]:
        """All elements, by their block `X,Y,Z`."""
        found: dict[str, list[Element]] = {}
        for element in self.where(lineage, lambda _: True):
            found.setdefault(",".join(str(one // _BLOCK) for one in element["Pos"]), []).append(element)
        return found


def position(element: Any) -> Triple:
    """Where an element is. Raises DvidError."""
    try:
        x, y, z = (int(one) for one in element["Pos"])
    except (TypeError, KeyError, ValueError):
        raise DvidError(f"annotation element without a position of three integers: {element!r}") from None
    return z, y, x


def _within(point: Triple, start: Triple, ends: Iterable[int]) -> bool:
    return all(low <= one < high for one, low, high in zip(point, start, ends, strict=True))
