"""Which local services are there, once a deployment has said which datastacks it has, and what must lead back to the gate?"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.core.paths import Steps
from gateway.core.service import Service
from gateway.dialects.cave.moving import moved
from gateway.dialects.cave.parts import (
    GLOBAL,
    KIND,
    LOCAL,
    global_parts,
    is_known,
    local_parts,
    local_server,
    why_refused,
)

log = logging.getLogger("labgate.dialects")

_RECORD: Final = (b"datastack", b"full")
"""The steps before the name of a datastack, in the path of its record."""
_WHO: Final = (b"api", b"v1", b"user", b"cache")
_MOST: Final = 10_000
"""Datastacks of one deployment."""


class CaveSite:
    """One deployment, as an entry of the settings names it; the port `Site`."""

    def __init__(self, entry: Service, names: Mapping[str, str], allowed: Collection[str] = ()) -> None:
        """`names` are the namespaces of its parts, `allowed` the origins of local servers that are trusted beside the usual."""
        self.entry = entry
        self._names = names
        self._allowed = allowed
        self._labels: dict[str, str] = {}
        self._warned: set[str] = set()

    def parts(self) -> tuple[Service, ...]:
        """The services of the global server."""
        return tuple(global_parts(self.entry, self._names))

    def is_guide(self, service: Service) -> bool:
        """The info service says which datastacks there are."""
        return service.part == "info"

    def brings(
        self,
        datastacks: Mapping[str, Mapping[str, Any] | None],
        before: Mapping[str, Service],
        taken: Collection[str],
    ) -> dict[str, Service]:
        """The local services of these datastacks; see the port."""
        found: dict[str, Service] = {}
        for name, record in list(datastacks.items())[:_MOST]:
            if not is_known(name):
                self._warn(name, f"the name {name[:80]!r} cannot be a datastack's")
                continue
            label = f"{self.entry.name}.{name}" if name in taken else name
            if label != name:
                self._warn(name, f"another entry has a datastack {name}: this one's is called {label}")
            self._labels[name] = label
            for one in self._of(label, name, record, before):
                known = before.get(one.qualified)
                found[one.qualified] = known if known is not None and _alike(known, one) else one
        self._labels = {name: label for name, label in self._labels.items() if name in datastacks}
        return found

    def _of(
        self, label: str, name: str, record: Mapping[str, Any] | None, before: Mapping[str, Service]
    ) -> Iterator[Service]:
        if record is None:
            yield from (one for one in before.values() if one.datastack == label)
            return
        server = local_server(record)
        why = why_refused(server, self.entry, self._allowed) if server else "its record names none"
        if why is not None:
            self._warn(name, f"the local server of the datastack {name} is not used: {why}")
            return
        self._warned.discard(name)
        for one in local_parts(self.entry, self._names, name, record):
            yield one if label == name else _labelled(one, name, label)

    def _warn(self, name: str, text: str) -> None:
        if name not in self._warned and len(self._warned) < _MOST:
            self._warned.add(name)
            log.warning("service %s: %s", self.entry.name, text)

    def told_in(self, service: Service, verb: str, inner: Steps) -> str | None:
        """The datastack whose record is asked for."""
        name = _named(inner) if service.part == "info" and verb == "GET" else None
        return name if is_known(name) else None

    def label(self, datastack: str) -> str:
        """What a datastack of this deployment is called at the gate."""
        return self._labels.get(datastack, datastack)

    def moves(self, service: Service, inner: Steps) -> bool:
        """Records name the local server, and where its segmentations and skeletons are."""
        return service.part == "info" and _named(inner) is not None

    def moved(self, service: Service, inner: Steps, body: bytes, public: bytes) -> bytes:  # noqa: ARG002 - a port
        """A record that leads to the gate."""
        name = _named(inner) or ""
        return moved(body, public, f"/datastack/{self.label(name)}".encode())

    def asks_who(self, service: Service, verb: str, inner: Steps) -> bool:
        """What services ask middle_auth about each token."""
        return service.part == "auth" and verb == "GET" and inner == _WHO

    def learned(self, body: bytes) -> Mapping[str, Any] | None:
        """What is to be known of a datastack by its record: enough for its local services."""
        try:
            record = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(record, dict) or not local_server(record):
            return None
        volume = record.get("aligned_volume")
        if isinstance(volume, dict):
            volume = {"name": volume.get("name")}
        said = {name: record.get(name) for name in ("local_server", "segmentation_source", "description")}
        return {**said, "aligned_volume": volume}


def sites(services: Iterable[Service], allowed: Mapping[str, Collection[str]]) -> dict[str, CaveSite]:
    """The deployments among the services that the settings name, by their names; `allowed` see `CaveSite`.

    Where two entries of the settings claim one namespace, parts have their entry's name before their own.
    """
    found = [one for one in services if one.datastack is None]
    entries = [one for one in found if one.dialect == KIND]
    claims = Counter([one.name for one in found if one.dialect != KIND] + [*GLOBAL, *LOCAL] * len(entries))
    return {
        one.name: CaveSite(
            one,
            {part: f"{one.name}_{part}" if claims[part] > 1 else part for part in (*GLOBAL, *LOCAL)},
            allowed.get(one.name, ()),
        )
        for one in entries
    }


def _named(inner: Steps) -> str | None:
    if len(inner) >= 3 and inner[-3:-1] == _RECORD and inner[-1]:
        return inner[-1].decode("utf-8", "replace")
    return None


def _labelled(one: Service, name: str, label: str) -> Service:
    mount = None if one.mount is None else one.mount.replace(f"/datastack/{name}/", f"/datastack/{label}/")
    home = one.home_mount.removesuffix(name) + label
    return dataclasses.replace(one, datastack=label, mount=mount, home_mount=home)


def _alike(one: Service, other: Service) -> bool:
    """Whether they are the same but for what this process has of its own: its share of the calls at once."""
    return one == dataclasses.replace(other, concurrency=one.concurrency) or all(
        getattr(one, each.name) == getattr(other, each.name)
        for each in dataclasses.fields(Service)
        if each.name != "concurrency"
    )
