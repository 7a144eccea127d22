"""What do the farther tiers, and the processes that share them, have for a call that memory cannot answer?"""

from __future__ import annotations

from msgspec.structs import replace

from gateway.core.call import NO_DEMAND, Call, Demand
from gateway.core.conditions import may_keep
from gateway.core.freshness import judge
from gateway.core.keys import service_of
from gateway.core.ports import Generations, Lead, Sought
from gateway.core.verdict import Hit, Miss, Stale
from gateway.store import Store


class Afar:
    """Looks for replies farther away, and agrees with others on who goes for one."""

    def __init__(self, store: Store, generations: Generations) -> None:
        self._store = store
        self._generations = generations

    def may_have(self, verdict: Miss, demand: Demand = NO_DEMAND) -> bool:
        """Whether farther tiers may have the reply that memory has not: it is worth waiting for `look`."""
        return (
            (verdict.rule.fresh > 0 or verdict.rule.negative > 0)
            and (demand.max_age is None or demand.max_age >= 0)
            and self._store.reaches(service_of(verdict.key))
        )

    async def recall(self, verdict: Miss, now: float, demand: Demand = NO_DEMAND) -> Hit | Stale | Miss:
        """What they have, where it is worth asking."""
        return await self.look(verdict, now, demand) if self.may_have(verdict, demand) else verdict

    async def look(
        self, verdict: Miss, now: float, demand: Demand, sought: Sought | None = None
    ) -> Hit | Stale | Miss:
        """What they have, judged as memory's entries are at `now`; a long body stays in its file.

        The generations are those of the miss: an entry that a write has ended since it was stored is none. With `sought`, a
        tier that has nothing may say by the same answer who goes for it: `lead` is to be asked for, at once.
        """
        found = await self._store.from_afar(verdict.key, sought)
        if found is None:
            return verdict
        entry, tier = found
        judged = judge(
            verdict.rule,
            verdict.key,
            entry,
            demand,
            epoch=verdict.epoch,
            generations=verdict.generations,
            now=now,
            lineage=verdict.lineage,
        )
        if isinstance(judged, Hit | Stale):
            return replace(judged, tier=tier)
        return judged if isinstance(judged, Miss) else verdict

    # --- other processes

    def agrees(self, verdict: Miss | Stale) -> bool:
        """Whether others may be on the way for the same: a reply that is not stored reaches nobody else."""
        return self._store.agrees and (may_keep(verdict.rule) or verdict.rule.negative > 0)

    def sought(self, call: Call, verdict: Miss | Stale) -> Sought | None:
        """What the call's trip is to bring, None where nobody has to agree."""
        if not self.agrees(verdict):
            return None
        writes = call.method.writes
        generations = (*verdict.generations, *self._generations.read(writes))
        return Sought(verdict.key, (*verdict.lineage, *writes), generations, verdict.epoch)

    async def lead(self, sought: Sought, patience: float) -> Lead | None:
        """The lead among all processes for such a trip; see `FarTiers.lead`."""
        return await self._store.lead(sought, patience)

    async def brought(self, verdict: Miss | Stale, now: float, demand: Demand) -> tuple[Miss, Hit] | None:
        """What another process's trip has left, with what was missing; None if that is not fresh, or it has failed."""
        missing = Miss(
            verdict.key, verdict.generations, verdict.epoch, verdict.rule, verdict.why, verdict.lineage
        )
        found = await self.look(missing, now, demand)
        return (missing, found) if isinstance(found, Hit) else None
