"""What would happen to a call, and why? Asked by callers about their own (`rpc.explain`), by operators about anybody's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from gateway.core.call import Call, Demand, Params
from gateway.core.deciding import Permit, path_permit, permit, speaking
from gateway.core.explain import Case, explained
from gateway.core.faults import BadRequest, Fault, InvalidParams, Unavailable
from gateway.core.http_storing import BY_THE_REPLY
from gateway.core.method import Method
from gateway.core.naming import shown
from gateway.core.principal import Principal
from gateway.core.question import ANY, Question, question_of
from gateway.core.reply import Fields
from gateway.core.service import Service
from gateway.core.verdict import Hit, Miss, Pass, Stale, Verdict
from gateway.core.wanted import Wanted
from gateway.doors.asked import Asked, Occasion, demand
from gateway.doors.mount import MountDoor
from gateway.doors.notes import Notes
from gateway.doors.operators_json import json_answer, json_body
from gateway.doors.plain import arguments
from gateway.doors.wanting import wanted_of, why_not_asked
from gateway.doors.way import Way
from gateway.http_parts import find_part
from gateway.relay import Relay
from gateway.wire.answer import Answer

_LARGEST: Final = 16 << 20
"""Bytes of a question, which holds the call's params."""

Recall = Callable[[Miss, float, Demand], Awaitable[Verdict]]
"""What the tiers that take time make of a miss, at a time in seconds since 1970, for a caller who asks so."""


class Explainer:
    """Has everything decided about a call that would be decided if it came, and carries nothing out."""

    def __init__(self, relay: Relay, wall: Callable[[], float], recall: Recall | None = None) -> None:
        """`wall` tells seconds since 1970; `recall` asks the tiers beyond memory, None = there are none."""
        self._relay = relay
        self._wall = wall
        self._recall = recall

    async def own(self, question: Question, asked: Occasion, wanted: Demand) -> bytes:
        """The explanation of a call of the caller's own, as JSON. Raises what the call itself would raise."""
        principal = asked.principal
        method = self._find(question, asked, principal)
        self._relay.permit(principal, method)
        case = await self._judged(question, asked, wanted, principal, method)
        return orjson.dumps(explained(case, self._wall(), for_operators=False))

    async def anybody(self, question: Question, asked: Occasion, wanted: Demand) -> dict[str, Any]:
        """The explanation of a call that somebody would make, also where it would be refused."""
        principal = question.principal(asked.principal)
        method: Method | None = None
        try:
            method = self._find(question, asked, principal)
            self._relay.permit(principal, method)
            case = await self._judged(question, asked, wanted, principal, method)
        except InvalidParams:
            raise
        except Fault as fault:
            case = self._refused(principal, fault, method)
        return explained(case, self._wall(), for_operators=True)

    def _find(self, question: Question, asked: Occasion, principal: Principal) -> Method:
        return self._relay.find(question.method or "", question.datastack or asked.datastack, principal)

    async def _judged(
        self, question: Question, asked: Occasion, wanted: Demand, principal: Principal, method: Method
    ) -> Case:
        raw = question.params
        if question.arguments:
            raw = arguments(method, list(question.arguments))
        call = Call(asked.id, principal, method, Params(raw), 0.0, wanted)
        return await self.case_of(call, {"policy": self._permit(principal, method)})

    async def case_of(self, call: Call, permits: dict[str, Permit | None]) -> Case:
        """What is decided about a call that is allowed."""
        now = self._wall()
        verdict = self._relay.judge(call, now)
        flying = self._relay.under_way(call, verdict)
        if isinstance(verdict, Miss) and self._recall is not None:
            verdict = await self._recall(verdict, now, call.demand)
        return Case(
            principal=call.principal,
            permits=permits,
            method=call.method,
            service=self.service(call.method),
            verdict=verdict,
            flying=flying,
            tier=(verdict.tier or "memory") if isinstance(verdict, Hit | Stale) else None,
            speaking=self.speaking(call.principal),
            limits=tuple(self._relay.limits(call.principal, call.method)),
        )

    def _refused(self, principal: Principal, fault: Fault, method: Method | None) -> Case:
        permits = {} if method is None else {"policy": self._permit(principal, method)}
        return Case(
            principal,
            permits,
            method,
            None if method is None else self.service(method),
            refusal=fault,
            speaking=self.speaking(principal),
        )

    def _permit(self, principal: Principal, method: Method) -> Permit | None:
        return permit(self._relay.policies.listed, principal, method.qualified)

    def speaking(self, principal: Principal) -> tuple[int, ...]:
        """The numbers of the policies that speak of the principal."""
        return speaking(self._relay.policies.listed, principal)

    def service(self, method: Method) -> Service | None:
        """The service of a method."""
        listing = self._relay.catalog.listings.get(method.service)
        return None if listing is None else listing.service


class MountExplainer:
    """The same for requests through the mounts of one listener."""

    def __init__(
        self, relay: Relay, explainer: Explainer, mounts: MountDoor, wall: Callable[[], float]
    ) -> None:
        self._relay = relay
        self._wall = wall
        self._explainer = explainer
        self._mounts = mounts

    async def anybody(self, question: Question, asked: Asked) -> Case:
        """What is decided about a request that somebody would make, also where it would be refused."""
        principal = question.principal(asked.principal)
        target = (question.path or "").encode("utf-8", "surrogatepass")
        found = self._mounts.way(question.verb, target)
        if found is None:
            raise BadRequest(
                f"Nothing is mounted at {shown(question.path or '')}: /-/status names the mounts."
            )
        way, query = found
        fields = tuple((name.encode(), value.encode()) for name, value in question.fields)
        permits: dict[str, Permit | None] = {
            "path_policy": path_permit(self._relay.policies.listed, principal, way.verb, way.judged)
        }
        try:
            return await self._allowed(way, query, fields, principal, permits)
        except Fault as fault:
            method = way.method() if way.is_known and not way.is_rpc else None
            speaking = self._explainer.speaking(principal)
            return Case(principal, permits, method, way.service, refusal=fault, speaking=speaking)

    async def _allowed(
        self,
        way: Way,
        query: bytes,
        fields: Fields,
        principal: Principal,
        permits: dict[str, Permit | None],
    ) -> Case:
        """What is decided, in the order in which the mount door decides it. Raises what it would answer with."""
        relay, judged = self._relay, way.judged
        relay.permit_path(principal, way.verb, judged)
        if not way.is_known:
            raise Unavailable(f"The service {way.service.qualified!r} has not described itself yet.")
        if way.is_rpc:
            # The methods stand in the body; they can be asked about by their names.
            return Case(principal, permits, service=way.service, speaking=self._explainer.speaking(principal))
        method = way.method()
        permits["policy"] = permit(relay.policies.listed, principal, method.qualified)
        relay.permit(principal, method)
        limits = tuple(relay.limits(principal, method, (way.verb, judged)))
        notes = Notes(fields)
        why = why_not_asked(way.service, notes, way.verb, method, query)
        if why is not None:
            return Case(
                principal,
                permits,
                method,
                way.service,
                Pass(why),
                speaking=self._explainer.speaking(principal),
                limits=limits,
            )
        wanted = wanted_of(way, notes, method, principal, query, None)
        verdict, tier, flying = await self._looked_up(wanted, way, method)
        return Case(
            principal,
            permits,
            method,
            way.service,
            verdict,
            flying=flying,
            tier=tier,
            speaking=self._explainer.speaking(principal),
            lineage=wanted.lineage,
            limits=limits,
        )

    async def _looked_up(self, wanted: Wanted, way: Way, method: Method) -> tuple[Verdict, str | None, bool]:
        """What the cache has for the request, in which tier, and whether a trip for the same is under way."""
        book = self._relay.book
        found = book.find(wanted, self._wall())
        flying = isinstance(found.verdict, Miss) and book.trip(found.verdict, method) is not None
        if book.may_recall(wanted, found, way.service.qualified):
            found = await book.recall(wanted, self._wall)
        verdict = found.verdict
        part = find_part(book, wanted, self._wall()) if isinstance(verdict, Miss) else None
        if part is not None and way.verb == "GET":
            return part[0], "memory", False
        nothing = isinstance(verdict, Miss) and verdict.why == "not stored"
        if nothing and wanted.rule is BY_THE_REPLY and found.entry is None:
            # Whether its reply is stored is for the reply to say: nobody has asked for it yet.
            verdict = Pass("no rule")
        tier = (verdict.tier or "memory") if isinstance(verdict, Hit | Stale) else None
        return verdict, tier, flying


class ExplainDoor:
    """`POST /-/explain`: what would happen to a call or a request of anybody's."""

    def __init__(self, explainer: Explainer, mounts: MountExplainer, wall: Callable[[], float]) -> None:
        self._explainer = explainer
        self._mounts = mounts
        self._wall = wall

    async def answer(self, asked: Asked) -> Answer:
        """The explanation."""
        body = await json_body(asked, _LARGEST, "Ask")
        try:
            question = question_of(body, ANY)
            if question.path is None:
                said = await self._explainer.anybody(question, asked, demand(asked.request))
            else:
                case = await self._mounts.anybody(question, asked)
                said = explained(case, self._wall(), for_operators=True)
        except InvalidParams as fault:
            # On a page of its own the status says that nothing was explained.
            raise BadRequest(fault.message, **fault.data) from fault
        return json_answer(said)
