"""Which keys does a node have?"""

from dataclasses import dataclass, field

from gateway.demo.dvid.instances import Instance
from gateway.demo.dvid.versions import Layers, Lineage


@dataclass
class KeyValues(Instance):
    """Bytes by key."""

    values: Layers[str, bytes] = field(default_factory=Layers)

    def keys(self, lineage: Lineage, first: str | None = None, last: str | None = None) -> list[str]:
        """The keys in the order of their bytes, from `first` to `last`, both included."""
        found = sorted(self.values.visible(lineage), key=str.encode)
        low, high = (first or "").encode(), None if last is None else last.encode()
        return [key for key in found if low <= key.encode() and (high is None or key.encode() <= high)]
