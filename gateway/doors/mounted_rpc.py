"""How does a JSON-RPC body pass through a mount? Each call in it is the method that it names."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from gateway.core import rpc_mount
from gateway.core.call import Call, Demand, Http, Params
from gateway.core.conditions import in_force, named_in_result, named_params
from gateway.core.faults import (
    BadRequest,
    Fault,
    Forbidden,
    InternalFault,
    InvalidRequest,
    TooLarge,
    Unavailable,
    UpstreamBroken,
)
from gateway.core.heads import AnswerHead
from gateway.core.listing import Listing
from gateway.core.method import Method
from gateway.core.naming import is_introspection, shown
from gateway.core.repeats import by_id
from gateway.core.reply import Fields
from gateway.core.rpc_mount import RpcBody, RpcCall
from gateway.core.storing import why_not_kept, why_not_shared
from gateway.core.verdict import Hit, HttpHead, Miss, Pass, Stale, Verdict
from gateway.doors.mounted_rpc_shared import MountedRpcShared
from gateway.wire.head import CHUNKED
from gateway.wire.passage_there import EARLY

LARGE = 1 << 20
"""Bytes beyond which a body is read beside the event loop."""


class MountedRpc(MountedRpcShared):
    """One request with a JSON-RPC body. It is read whole before anything is sent, and sent as it came."""

    wants_bare = True

    _ready = False
    _said = b""
    _single: RpcCall | None = None
    _lists = False
    _stale: Stale | None = None
    _parts: list[bytes] | None = None
    _head: HttpHead | None = None

    @property
    def call_id(self) -> bytes | None:
        return None if self._single is None else self._single.id

    # --- the body comes before anything is judged

    def body(self, data: bytes) -> None:
        """Some of the body; more of it is taken when its sender is known."""
        if self.over:
            return
        super().body(data)
        if not self._ready:
            if self.received > EARLY:
                self.caller.pause_behind(True)
        elif self.lease is None:
            self._limit(self.received)

    def _limit(self, size: int) -> None:
        limit = self.tools.limits.body
        if size > limit:
            self.refuse(TooLarge(f"The body is larger than {limit} bytes: send less at once.", limit=limit))

    def admitted(self) -> None:
        """The path is allowed; what is called stands in the body."""
        self._ready = True
        if b"content-encoding" in self.notes.first and not _is_plain(self.seen.fields):
            raise BadRequest(
                "A JSON-RPC body with a Content-Encoding cannot be read here, so nobody knows what it calls: send it as it is."
            )
        self._limit(max(self.received, self.caller.head.length))
        if self.complete:
            self.asked()
        elif not self.over:
            self.caller.invite_body()
            self.caller.pause_behind(False)

    def asked(self) -> None:
        """The body is here."""
        if not self._ready or self.over:
            return
        self._said = self.early
        self.put_early(self._said)
        if len(self._said) > LARGE:
            self.later(self._read_aside())
            return
        try:
            self._read(self._calls())
        except Fault as fault:
            self.refuse(fault)
        except Exception as mistake:  # noqa: BLE001 - else the caller would wait for ever
            self.mistaken(mistake)

    def let_in_again(self) -> None:
        """Go on, now that it is decided whether all that is called may be."""
        self.asked()

    def _calls(self) -> RpcBody:
        limits = self.tools.limits
        return rpc_mount.read(self._said, max_batch=limits.batch, max_depth=limits.depth)

    async def _read_aside(self) -> None:
        self._read(await asyncio.to_thread(self._calls))

    def _read(self, said: RpcBody) -> None:
        """Judge every call of the body."""
        if not said.batch and said.calls:
            self._single = said.calls[0]
        listing = self._way.listing
        if listing.offer.description is None:
            raise Unavailable(
                f"The service {self._way.service.qualified!r} has not told its methods yet: try again in a moment.",
                retry_after=2,
            )
        found = [self._method_of(call, listing) for call in said.calls]
        methods = [one for one in found if one is not None]
        if self._lists and len(said.calls) > 1:
            raise InvalidRequest(
                "Ask for a list of methods in a request of its own: what you may not call is left out."
            )
        if not said.calls:
            methods.append(listing.undescribed(self._way.verb, safe=False))
        self.let_in(methods)
        self.methods = tuple(methods)
        self.safe = all(method.safe for method in methods)
        if not self.safe:
            self.begin_line()
        self._go(methods)

    def _go(self, methods: list[Method]) -> None:
        single, self.method = self._single, methods[0] if methods else None
        if single is None or self.method is None:
            why: str | None = "unsafe" if not self.safe else "a batch" if methods else "a list of methods"
        elif single.id is None:
            why = "a notification"
        else:
            why = why_not_shared(self._way.verb, self.notes.first, self.method)
        if why is None and self.method is not None and single is not None:
            self.look_up()
            return
        self.verdict = Pass(why or "unsafe")
        if not self.safe and single is not None and not self._is_first(single):
            self.drop_line()
            return
        self.depart()

    def _is_first(self, single: RpcCall) -> bool:
        """Whether the call is not the repetition of one that is under way, or ended a moment ago: that is answered so."""
        way = self._way
        once = self.once_by_key(self._said) or by_id(
            self._principal, way.service.qualified, way.verb, way.rest + self.query, self._said, single.id
        )
        return once is None or self.is_first(once)

    def _method_of(self, call: RpcCall, listing: Listing) -> Method | None:
        """The method that an entry calls; None for those by which a service describes itself."""
        name = call.method
        method = listing.by_rpc_name.get(name)
        if method is not None:
            return method
        if not is_introspection(name):
            return listing.undescribed(self._way.verb, safe=False)
        if rpc_mount.is_list(name):
            self._lists = True
            return None
        if name in rpc_mount.ONE_METHOD:
            asked = rpc_mount.named_method(call)
            if asked is not None and (is_introspection(asked) or self._may_call(asked)):
                return None
            raise Forbidden(f"{self._principal.subject!r} may not call {shown(asked or 'that method')}.")
        # What calls other methods by their names would evade every policy.
        raise Forbidden(f"{shown(name)} is not called through the gate.")

    def _may_call(self, name: str) -> bool:
        """Whether the caller may call the upstream's method of this name."""
        listing = self._way.listing
        method = listing.by_rpc_name.get(name) or listing.undescribed(self._way.verb, safe=False)
        return self.tools.relay.policies.access(self._principal).allows(method.qualified)

    def look_up(self) -> None:
        """Answer from memory where it has the reply; a stale one only if the service cannot be reached."""
        way, method, single = self._way, self.method, self._single
        if method is None or single is None:
            raise InternalFault("There is no single call to be looked up.")
        body = rpc_mount.without_id(self._said, single)
        choosing = self.notes.choosing
        if way.service.keep_host:
            choosing = (*choosing, self.notes.first.get(b"host", b""))
        asked = Http(way.verb, way.rest + self.query, choosing, body or None)
        deadline = self.loop.time() + self._seconds
        params = Params(single.params)
        call = Call(self.id, self._principal, method, params, deadline, self.notes.demand, http=asked)
        self.verdict = self.tools.relay.judge(call, self.tools.wall())
        if isinstance(self.verdict, Miss) and self.tools.relay.afar.may_have(self.verdict, call.demand):
            self.later(self._recall_call(self.verdict, call.demand))
            return
        self._settle(method)

    async def _recall_call(self, miss: Miss, wanted: Demand) -> None:
        """Ask the farther tiers."""
        relay = self.tools.relay
        verdict: Verdict = await relay.afar.recall(miss, self.tools.wall(), wanted)
        if isinstance(verdict, Hit | Stale) and verdict.entry.extent is not None:
            # The caller's id goes into the middle of it.
            entry = await relay.store.in_memory(verdict.entry)
            verdict = miss if entry is None else replace(verdict, entry=entry)
        if self.over or self.left or self.method is None:
            return
        self.verdict = verdict
        self._settle(self.method)

    def _settle(self, method: Method) -> None:
        """Do what was found right."""
        if isinstance(self.verdict, Hit):
            hit = self.verdict
            if self._joined is not None:
                self.say_joined(self._joined, hit.entry)
            if self._from_memory(hit):
                return
        if isinstance(self.verdict, Stale):
            self._stale = stale = self.verdict
            self.verdict = Miss(
                stale.key, stale.generations, stale.epoch, stale.rule, stale.why, lineage=stale.lineage
            )
        if isinstance(self.verdict, Miss) and method.cache is not None:
            if self.follow_call(self.verdict, method):
                return
            self._parts = []
        self.depart()

    # --- sent as it came

    @property
    def passed_fields(self) -> Fields:
        """The fields of the request; a list of methods is asked for in plain, because it is read here."""
        fields = self.seen.fields
        if not self._lists:
            return fields
        kept = tuple(field for field in fields if field[0].lower() != b"accept-encoding")
        return (*kept, (b"Accept-Encoding", b"identity"))

    def framing(self) -> bytes:
        """The body is whole: its length is known, whether it was sent or not."""
        return b"Content-Length: %d\r\n" % len(self._said) if self.caller.head.length == CHUNKED else b""

    # --- the way back

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller; a list of methods is kept back until it is whole."""
        if self._lists:
            self._head = HttpHead(head.status, head.reason, head.fields)
            return None
        self.note_head(head)
        if self._parts is not None and self.method is not None:
            self._head = HttpHead(head.status, head.reason, head.fields)
            why = why_not_kept(head.status, head.fields, self.method)
            if why is None:
                self.trip_begins(head, lambda: None)
            else:
                self._parts = None
                if isinstance(self.verdict, Miss):
                    if head.status < 400:
                        self.call_in_vain()
                    self.verdict = replace(self.verdict, why=why)
        return self.passed_head(head)

    def tee(self, data: bytes) -> None:
        """Some of the answer: one that is kept back is no larger than a description may be."""
        limit = self._way.service.max_describe
        if self.held is not None and self.sent > limit:
            self._give_up()
            self.refuse(TooLarge(f"The list of methods is larger than {limit} bytes.", limit=limit))
            return
        self.keep(data)
        if self._parts is not None:
            self._parts.append(data)
            rule = self.method.cache if self.method is not None else None
            if rule is None or self.sent > rule.max_size:
                self._parts = None
                self.call_in_vain()

    def answered(self) -> None:
        """The answer is whole: store what may serve again, let the caller see what they may."""
        self.settle()
        if self._lists and self.held is not None and self._head is not None:
            self._show(self._head, b"".join(self.held))
            return
        if self._parts is None or self._single is None or self._single.id is None or self._head is None:
            return
        split = rpc_mount.split_answer(b"".join(self._parts), self._single.id)
        if split is not None and isinstance(self.verdict, Miss):
            before, after = split
            verdict = self._in_force(self.verdict, before + b"null" + after)
            kept = self.tools.relay.keep(verdict, self._head, b"%d:%b%b" % (len(before), before, after))
            self.land(shared=kept)

    def _in_force(self, verdict: Miss, answer: bytes) -> Miss:
        """The verdict with the rule as it holds for this call and its result."""
        if not verdict.rule.when or self._single is None or self.method is None:
            return verdict
        result = named_in_result(answer).get("result")
        named = named_params(self._single.params, self.method)
        return replace(
            verdict,
            rule=in_force(verdict.rule, named, result if isinstance(result, dict) else {}, self.tools.wall()),
        )

    def _show(self, head: HttpHead, body: bytes) -> None:
        """Write an answer that lists methods, without those that the caller may not call."""
        shown_part = rpc_mount.filtered(body, self._may_call) if body else body
        if shown_part is None:
            if not 200 <= head.status < 300:
                shown_part = body  # an error page lists nothing that a call would not have told
            else:
                self.refuse(
                    UpstreamBroken(
                        f"The service {self._way.service.qualified!r} described itself in no JSON."
                    )
                )
                return
        self.write_stored(head, shown_part)

    def stands_in(self) -> bool:
        """Answer with the stale reply, where the service cannot be reached; whether it did."""
        if self._stale is None:
            return False
        self.verdict = self._stale
        return self._from_memory(self._stale)

    def _from_memory(self, verdict: Hit | Stale) -> bool:
        """Write the stored answer around the caller's own id."""
        head, single = verdict.entry.head, self._single
        if head is None or single is None or single.id is None:
            return False
        size, _, rest = verdict.entry.body.partition(b":")
        at = int(size)
        self.write_stored(head, rest[:at] + single.id + rest[at:])
        return True


def _is_plain(fields: Fields) -> bool:
    """Whether the body is sent as it is."""
    codings = [value for name, value in fields if name.lower() == b"content-encoding"]
    return all(coding.strip().lower() == b"identity" for coding in codings)
