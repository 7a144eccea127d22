"""Which doors are there at the operator's address?"""

from __future__ import annotations

from typing import Final

from gateway.caller_doors import CallerDoors
from gateway.core.catalog import Catalog
from gateway.doors.cache_admin import CacheDoor, EntriesDoor, PurgeDoor
from gateway.doors.console_page import BELOW, ConsoleAboutDoor, ConsoleDoor
from gateway.doors.drain import DrainDoor
from gateway.doors.explain import ExplainDoor, MountExplainer
from gateway.doors.operator import MetricsDoor, RefreshDoor, StatusDoor, SwitchesDoor
from gateway.doors.reception import Place
from gateway.doors.reload import ReloadDoor
from gateway.doors.services import ServicesDoor
from gateway.operators import operators_places
from gateway.workers.alone import Alone

_READ: Final = ("GET", "HEAD")


class OperatorDoors(CallerDoors):
    """The doors that operators meet: those of callers, and their own."""

    def _operator(self) -> dict[str, list[Place]]:
        switches = SwitchesDoor(self.switches, self.estate.upstreams, self.member.switch, self.wall)
        mounts = MountExplainer(self.relay, self.explainer, self._mount_door(), self.wall)
        explain = ExplainDoor(self.explainer, mounts, self.wall)
        reload = ReloadDoor(self.member.reload)
        drain = DrainDoor(self.member.drain, self.settings.seconds_to_end)
        services = ServicesDoor(
            self.estate.upstreams, lambda: self.switches.withdrawn, self.withholding.put, self.wall
        )
        return self._public() | {
            "/-/reload": [Place("operator", reload, (*_READ, "POST"), operators=True, changes=True)],
            "/-/drain": [Place("operator", drain, ("POST",), operators=True, changes=True)],
            "/-/services": [Place("operator", services, (*_READ, "POST"), operators=True, changes=True)],
            "/-/explain": [Place("operator", explain, ("POST",), operators=True)],
            **self._cache_places(),
            "/-/metrics": [Place("operator", MetricsDoor(self.rendered_metrics), _READ, operators=True)],
            "/-/status": [Place("operator", StatusDoor(self.member.status), _READ, operators=True)],
            "/-/refresh": [
                Place(
                    "operator", RefreshDoor(self.discovery.refresh), ("POST",), operators=True, changes=True
                )
            ],
            "/-/switches": [Place("operator", switches, (*_READ, "POST"), operators=True, changes=True)],
            **self._console(),
            **operators_places(
                self.settings,
                self.relay,
                self.identities.signing,
                self.member.numbers,
                self.wall,
                self.usage,
                self.method_book.told,
            ),
        }

    def _console(self) -> dict[str, list[Place]]:
        """The page at the operator's address, and what it alone asks for."""
        page = [Place("console", ConsoleDoor(), _READ, open=True)]
        about = ConsoleAboutDoor(self.relay, self.origin)
        return {"/": page, f"{BELOW}**": page, "/-/console": [Place("console", about, _READ)]}

    def _cache_places(self) -> dict[str, list[Place]]:
        """Where operators look into the cache, and have it forget."""

        def catalog() -> Catalog:
            return self.relay.catalog

        entries = EntriesDoor(self.tier, self.generations, catalog, self.wall)
        alone = isinstance(self.member, Alone) and self.redis is None
        purge = PurgeDoor(
            self.tier,
            self.generations,
            catalog,
            self._may_come,
            far=self.shelves.tiers,
            alone=alone,
        )
        return {
            "/-/cache": [Place("operator", CacheDoor(self.member.status), _READ, operators=True)],
            "/-/cache/entries": [Place("operator", entries, _READ, operators=True)],
            "/-/cache/purge": [Place("operator", purge, ("POST",), operators=True, changes=True)],
        }

    def _may_come(self, key: bytes) -> bool:
        """Whether an entry may still come under this key that was made before now."""
        return self.shelves.storing > 0 or self.relay.flies(key)
