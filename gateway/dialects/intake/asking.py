"""What does the gate know of a service's catalogs, for one caller? From memory where that is right, else by asking."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.core.assembling import Parts
from gateway.core.call import Call, Params
from gateway.core.faults import DeadlineExceeded, Unavailable, UpstreamBroken, UpstreamUnreachable
from gateway.core.intake import schema
from gateway.core.intake.chains import Chain
from gateway.core.intake.encodings import MSGPACK
from gateway.core.intake.entries import Entry, entry_of
from gateway.core.intake.refusals import Refusal
from gateway.core.intake.wire import unpack
from gateway.core.method import Method
from gateway.core.reply import Reply, Whole
from gateway.core.service import Service
from gateway.core.verdict import Hit, Miss, Stale, Verdict
from gateway.dialects.intake import hidden
from gateway.dialects.intake.again import Ground, Made
from gateway.dialects.intake.errands import DRIFTED
from gateway.dialects.intake.hidden import Asker, Wanted
from gateway.dialects.intake.packs import Listing

_NO_ANSWER: Final = (UpstreamUnreachable, UpstreamBroken, Unavailable)
PATIENCE: Final = 30.0
"""Seconds that a service has to bring what is stale, before that is answered."""


class Found(Struct, frozen=True):
    """Some bytes, and what the cache did for them."""

    body: bytes
    verdict: Verdict


class Asking:
    """Asks for the parts that one caller's request takes; each is one call, shared with whoever wants the same."""

    def __init__(self, asker: Asker, service: Service, parts: Parts) -> None:
        self._asker = asker
        self._service = service
        self._parts = parts
        self.grounds: list[Ground] | None = []
        """What memory had of all that was asked for so far, None where it had not all."""

    async def listing(self, chain: Chain) -> tuple[Listing, Verdict]:
        """The entries of a catalog. Raises Refusal and faults, like all of these."""
        try:
            found = await self._obtained(Wanted(hidden.LIST, chain))
        except Refusal as refusal:
            await self._check_catalog(chain, refusal)
            raise
        return Listing(found.body), found.verdict

    async def _check_catalog(self, chain: Chain, refusal: Refusal) -> None:
        """Its service fails in one way at what is no catalog and at what is broken: say which it is."""
        if refusal.status >= 500 and chain.steps and not chain.is_search:
            said, _ = await self.opened(chain)
            if said.get("container") != "catalog":
                raise Refusal(400, f"{chain.dotted} is no catalog") from refusal

    async def entry(self, chain: Chain, name: str) -> tuple[Entry, Verdict]:
        """An entry of a catalog; a dotted name leads into others."""
        found = await self._obtained(Wanted(hidden.TELL, chain, name))
        return entry_of(unpack(found.body)), found.verdict

    async def opened(self, chain: Chain) -> tuple[dict[str, Any], Verdict]:
        """What the service says of what the chain opens: its schema and metadata."""
        found = await self._obtained(Wanted(hidden.OPEN, chain))
        return unpack(found.body), found.verdict

    async def direct(self, chain: Chain, driver: str) -> Found:
        """The entry with the arguments by which the caller's own driver reads it."""
        return await self._obtained(Wanted(hidden.GO, chain, driver))

    async def read(self, chain: Chain, partition: Any, form: str = MSGPACK) -> Found:
        """A partition, as the service would answer a read that asks for no compression."""
        said, _ = await self.opened(chain)
        try:
            return await self._part(chain, said, partition, form)
        except Refusal as refusal:
            if refusal.status != DRIFTED:
                raise
        # It is another source by now; what memory has of it is of the one before.
        asker = self._asker
        self._asker = replace(asker, demand=replace(asker.demand, max_age=-1.0))
        try:
            said, _ = await self.opened(chain)
        finally:
            self._asker = asker
        return await self._part(chain, said, partition, form)

    async def _part(self, chain: Chain, said: dict[str, Any], partition: Any, form: str) -> Found:
        checked = schema.checked(said, chain.dotted, partition)
        mark = schema.mark_of(said)
        return await self._obtained(
            Wanted(hidden.READ, chain, partition=checked, format=form, mark=mark), patient=False
        )

    # --- one call

    def still(self, made: Made) -> Found | None:
        """The answer that was made before, if memory still has all that it was made of."""
        hit: Hit | None = None
        for ground in made.grounds:
            hit = self._hit(ground.method, ground.ask)
            if hit is None or hit.entry is not ground.entry:
                return None
        if made.part is not None:
            hit = self._hit(*made.part)
        if hit is None:
            return None
        return Found(hit.entry.body if made.body is None else made.body, hit)

    def _hit(self, method: Method, ask: Params) -> Hit | None:
        asker = self._asker
        call = Call(asker.id, asker.principal, method, ask, asker.deadline, asker.demand)
        verdict = self._parts.judge(call)
        if not isinstance(verdict, Hit) or verdict.entry.extent is not None or verdict.entry.kind == "error":
            return None
        return verdict

    async def _obtained(self, wanted: Wanted, *, patient: bool = True) -> Found:
        call = hidden.call_for(wanted, self._asker, self._service)
        verdict = self._parts.judge(call)
        if isinstance(verdict, Hit) and verdict.entry.extent is None:
            self._note(call, verdict, verdict.entry.body)
            return _found(Reply(verdict.entry.kind, Whole(verdict.entry.body), verdict))
        if isinstance(verdict, Miss) and self._asker.demand.only_cached:
            raise Refusal(504, "not in the gate's memory, and only-if-cached was asked for")
        if isinstance(verdict, Stale) and (not patient or wanted.what == hidden.OPEN):
            reply = await self._renewed(call, verdict)
        else:
            reply = await self._parts.obtain(call)
        self._note(call, self._parts.judge(call), reply.body.data)
        return _found(reply)

    def _note(self, call: Call, verdict: Verdict, body: bytes) -> None:
        """Remember that memory has, or has not, what this call brought."""
        if not isinstance(verdict, Hit) or verdict.entry.body is not body:
            self.grounds = None
        elif self.grounds is not None:
            self.grounds.append(Ground(call.method, call.ask, verdict.entry))

    async def _renewed(self, call: Call, verdict: Stale) -> Reply:
        """A new reply, where there is one soon: old data are better than none, and new ones better than old.

        What takes longer is brought for whoever asks next.
        """
        stale = Reply(verdict.entry.kind, Whole(verdict.entry.body), verdict)
        until = min(call.deadline, asyncio.get_running_loop().time() + PATIENCE)
        newer = replace(call, demand=replace(call.demand, max_age=0.0), deadline=until)
        try:
            reply = await self._parts.obtain(newer)
        except DeadlineExceeded:
            return await self._parts.obtain(call)
        except _NO_ANSWER:
            return stale
        if reply.kind == "error" and _refusal(reply).status >= 500:
            return stale
        return reply


def _found(reply: Reply) -> Found:
    if reply.kind == "error":
        raise _refusal(reply)
    return Found(reply.body.data, reply.verdict)


def _refusal(reply: Reply) -> Refusal:
    said = json.loads(reply.body.data)
    return Refusal(said["data"]["status"], said["data"]["reason"], upstream=True)
