"""Where does a JSON-RPC upstream take calls, and by which convention does it describe itself?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.core import envelope
from gateway.core.envelope_answers import Answered
from gateway.core.faults import DeadlineExceeded, Fault, TooLarge, UpstreamBroken
from gateway.core.service import Described, Description, Service
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.vouching import bearer_fields
from gateway.dialects.jsonrpc import shapes
from gateway.dialects.jsonrpc.asking import FIELDS, NoAnswer, no_document, read
from gateway.dialects.jsonrpc.shapes import CONVENTIONS, Offer

PATHS: Final = ("/", "/api", "/rpc", "/jsonrpc")
"""Where calls are tried when the operator names no `rpc_path`; before them the service's own path, if it has one."""

DOCUMENT: Final = "/openrpc.json"
"""What is asked for by GET when no method describes the service."""

MAX_EXPLAINED: Final = 500
"""For how many methods of a bare list help and signature are asked; the others stay without."""

_EXPLAINED_AT_ONCE: Final = 8
_MAX_DETAIL: Final = 1 << 20
_HELP: Final = "system.methodHelp"
_SIGNATURE: Final = "system.methodSignature"
_OFF_THE_LOOP: Final = 256 * 1024
_INTROSPECTION: Final = ("system.", "rpc.")
_STRUCTURED: Final = (b"{", b"[")


@dataclass(frozen=True)
class _Visit:
    """What one path had to say."""

    path: str
    convention: str = ""
    offer: Offer | None = None
    spoke: bool = False
    problem: str = ""
    unread: str = ""
    """What might have been a description, and why it is none."""
    fault: Fault | None = None

    @property
    def yields(self) -> bool:
        return self.offer is not None and bool(self.offer.methods)


class Probe:
    """One round of questions to one service. All are reads.

    The paths are asked side by side, each by one convention after the other; at most 26 questions in all before
    the details. The first path in order that names methods is taken: one that hangs has half of the time, then
    those behind it do.
    """

    def __init__(self, service: Service, upstream: Upstream, deadline: float) -> None:
        self._service = service
        self._upstream = upstream
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._ids = count(1)
        self._heard = False  # whether anything came back at all

    async def describe(self) -> Description:
        """The description; raises a Fault that says what was found instead."""
        visits = await self._visit_all()
        # A list of nothing is an answer too, if nobody says more.
        described = sorted((visit for visit in visits if visit.offer), key=lambda visit: not visit.yields)
        faults = [visit.fault for visit in visits if visit.fault]
        if faults and not described:
            raise faults[0]
        visit = described[0] if described else await self._document(visits)
        if visit.offer is None:
            raise self._nothing(visits, visit.unread)
        offer = visit.offer
        if visit.convention == "system.listMethods":
            offer = replace(offer, methods=await self._explained(visit.path, offer.methods))
        return Description(
            methods=offer.methods,
            convention=visit.convention,
            address=visit.path,
            rpc_path=visit.path,
            version=offer.version,
            summary=offer.summary,
            schemas=offer.schemas,
            left_out=offer.left_out,
        )

    # paths

    def _paths(self) -> Sequence[str]:
        if self._service.rpc_path is not None:
            return (self._service.rpc_path,)
        has_path = any(urlsplit(url).path.strip("/") for url in self._service.urls)
        return ("", *PATHS) if has_path else PATHS

    async def _visit_all(self) -> Sequence[_Visit]:
        """What the paths said, in their order; those that are not needed any more are left."""
        visits = [self._loop.create_task(self._visit(path)) for path in self._paths()]
        half = (self._loop.time() + self._deadline) / 2
        try:
            while pending := [visit for visit in visits if not visit.done()]:
                patience = half - self._loop.time()
                if _decided(visits, patience=patience > 0):
                    break
                await asyncio.wait(
                    pending,
                    timeout=patience if patience > 0 else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            return [visit.result() for visit in visits if visit.done()]
        finally:
            for visit in visits:
                visit.cancel()
            await asyncio.gather(*visits, return_exceptions=True)

    async def _visit(self, path: str) -> _Visit:
        """Ask one path by one convention after the other, until one names methods."""
        visit = _Visit(path)
        for convention in CONVENTIONS:
            # What one question may take: half of what is left, so that a hanging one leaves time for the others.
            now = self._loop.time()
            try:
                found = await self._ask(path, convention, [], now + (self._deadline - now) / 2)
            except Fault as fault:
                return _Visit(path, fault=fault)  # a list of nothing before it was no last word
            if isinstance(found, NoAnswer):
                words = _in_words(found)
                unread = "" if found.status not in (0, 200) else f"{convention} gave {words}"
                visit = replace(visit, problem=visit.problem or words, unread=visit.unread or unread)
                if found.elsewhere and self._service.rpc_path is None:
                    break
                continue
            visit = replace(visit, spoke=True)
            if found.result is None:
                continue
            offer = await self._read_offer(convention, found.result)
            if offer is None and found.result[:1] in _STRUCTURED:  # a text is a way of saying no
                unread = f"{convention} gave a result that is no description"
                visit = replace(visit, unread=visit.unread or unread)
            if offer is not None and (offer.methods or visit.offer is None):
                visit = replace(visit, convention=convention, offer=offer)
            if visit.yields:
                break
        return visit

    # questions

    async def _ask(
        self, path: str, method: str, params: list[str], deadline: float, most: int | None = None
    ) -> Answered | NoAnswer:
        """One call; whatever is no answer, an expired one too, is a NoAnswer. An upstream that is away is a Fault."""
        token = b"%d" % next(self._ids)
        body = envelope.request(method, json.dumps(params).encode(), token)
        try:
            answer = await self._exchange("POST", path, body, deadline, most)
        except (UpstreamBroken, DeadlineExceeded) as fault:
            self._heard |= isinstance(fault, UpstreamBroken)
            return NoAnswer(0, fault.message)
        self._heard = True
        if len(answer.body) > _OFF_THE_LOOP:
            return await asyncio.to_thread(read, answer, token)
        return read(answer, token)

    async def _exchange(
        self, verb: str, path: str, body: bytes | None, deadline: float, most: int | None = None
    ) -> Answer:
        """One HTTP exchange, for an answer of at most `most` bytes, or as many as a description may have."""
        limit = self._service.max_describe if most is None else most
        try:
            return await self._upstream.exchange(
                Request(
                    verb,
                    path,
                    (*FIELDS, *bearer_fields(self._service.token)),
                    body,
                    deadline=deadline,
                    max_reply=limit,
                    repeatable=True,
                )
            )
        except TooLarge as fault:
            raise TooLarge(
                f"The service {self._service.qualified!r} describes itself in more than {limit} bytes, "
                "which is more than the gate reads."
            ) from fault

    async def _read_offer(self, convention: str, raw: bytes) -> Offer | None:
        if len(raw) > _OFF_THE_LOOP:
            return await asyncio.to_thread(shapes.read, convention, raw, self._service.max_methods)
        return shapes.read(convention, raw, self._service.max_methods)

    async def _document(self, visits: Sequence[_Visit]) -> _Visit:
        """The document at `/openrpc.json`, for calls at the configured path, or at the first that speaks JSON-RPC."""
        try:
            answer = await self._exchange("GET", DOCUMENT, None, self._deadline)
        except (UpstreamBroken, DeadlineExceeded) as fault:
            return _Visit("", unread=f"GET {DOCUMENT} gave {fault.message.rstrip('.')}")
        if answer.status != 200:
            return _Visit("")
        offer = await self._read_offer("rpc.discover", answer.body)
        if offer is None:
            return _Visit("", unread=f"GET {DOCUMENT} gave {no_document(answer)}")
        path = self._service.rpc_path
        if path is None:
            path = next((visit.path for visit in visits if visit.spoke), None)
        if path is None:
            raise UpstreamBroken(
                f"The service {self._service.qualified!r} describes itself at {DOCUMENT}, but takes no calls at "
                f"{_listed(self._paths())}: set its `rpc_path`."
            )
        return _Visit(path, f"GET {DOCUMENT}", offer)

    # details

    async def _explained(self, path: str, methods: tuple[Described, ...]) -> tuple[Described, ...]:
        """The methods of a bare list with their help and signatures, as far as half of the time left goes."""
        now = self._loop.time()
        deadline = now + (self._deadline - now) / 2
        wanted = [method for method in methods if not method.name.startswith(_INTROSPECTION)]
        asked = iter(wanted[:MAX_EXPLAINED])
        known: dict[str, Described] = {}
        offered = {_HELP, _SIGNATURE}

        async def ask(question: str, name: str) -> Any:
            if question not in offered:
                return None
            try:
                found = await self._ask(path, question, [name], deadline, _MAX_DETAIL)
            except TooLarge:
                return None
            if isinstance(found, NoAnswer) or found.result is None:
                offered.discard(question)
                return None
            value = shapes.parsed(found.result)
            if question == _SIGNATURE and isinstance(value, str):
                offered.discard(question)  # "signatures not supported", of any method
            return value

        async def work() -> None:
            for method in asked:
                if not offered or self._loop.time() >= deadline:
                    return
                told = await ask(_HELP, method.name)
                known[method.name] = shapes.explained(method, told, await ask(_SIGNATURE, method.name))

        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.gather(*(work() for _ in range(_EXPLAINED_AT_ONCE)))
        except (Fault, TimeoutError):
            pass  # The names are known, and stand without details.
        return tuple(known.get(method.name, method) for method in methods)

    # faults

    def _nothing(self, visits: Sequence[_Visit], document: str) -> Fault:
        """The fault; `document` = why what is at `DOCUMENT` is none."""
        name = f"The service {self._service.qualified!r}"
        spoke = [visit for visit in visits if visit.spoke]
        unread = "; ".join(filter(None, (next((one.unread for one in spoke if one.unread), ""), document)))
        if spoke:
            place = spoke[0].path or "its address"
            if unread:
                return UpstreamBroken(
                    f"{name} takes calls at {place}, but what might describe it cannot be read: {unread}. Mend that there, "
                    "or write its methods into the configuration, with `dialect: listed`."
                )
            return UpstreamBroken(
                f"{name} takes calls at {place}, but describes itself by none of "
                f"{', '.join(CONVENTIONS)}: write its methods into the configuration, with `dialect: listed`."
            )
        if not self._heard:
            return DeadlineExceeded(f"{name} did not describe itself in the time that it was given.")
        problems = "; ".join(dict.fromkeys(visit.problem for visit in visits))
        return UpstreamBroken(
            f"{name} gave no JSON-RPC answer at {_listed([visit.path for visit in visits])}: {problems}. "
            "Set its `rpc_path`, or another `dialect`."
        )


def _decided(visits: Sequence[asyncio.Task[_Visit]], *, patience: bool) -> bool:
    """Whether the first path that names methods is known; without patience, of those that have answered."""
    for visit in visits:
        if visit.done():
            if visit.result().yields:
                return True
        elif patience:
            return False
    return False


def _in_words(found: NoAnswer) -> str:
    return f"HTTP {found.status} with {found.what}" if found.status else found.what.rstrip(".")


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(path or "its address" for path in paths)
