"""How does one request pass through a mount? Identify, find, admit, judge, pass on."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection
from time import perf_counter
from typing import Final

from gateway.core.cors import preflight
from gateway.core.credentials import check_fields
from gateway.core.faults import Fault, MethodNotAllowed, RateLimited, Unauthenticated, Unavailable
from gateway.core.max_forwards import left as steps_left
from gateway.core.method import Method
from gateway.core.presented import check_certificate, check_cookie
from gateway.core.principal import Principal
from gateway.core.tracing import step
from gateway.core.upstream import Lease
from gateway.core.verdict import pass_for
from gateway.doors.mounted_sent import MountedSent
from gateway.doors.notes import vet
from gateway.doors.wanting import why_not_asked
from gateway.doors.way import SAFE, Settled
from gateway.wire.passage_there import EARLY

log = logging.getLogger("labgate.doors")

_VERBS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Mounted(MountedSent):
    """One request below a mount."""

    _asking: asyncio.Task[None] | None = None
    _awaited = False  # the rest of a small body, before anything is judged

    # --- identify

    def begin(self) -> None:
        """The head is here."""
        self.trace_begins()
        try:
            self._enter()
        except Fault as fault:
            self.refuse(fault)
        except Exception as mistake:  # noqa: BLE001 - the event loop would log it, and the caller wait
            self.mistaken(mistake)

    def take_over(
        self, settled: Settled, number: str, started: float, until: float, lease: Lease | None
    ) -> None:
        """Go on with a request that was sent over this lease, or shall be sent; see `dash`."""
        self.id, self.started, self.departed = number, started, started
        self.principal = self.notes.caller
        self.accounts = () if settled.account is None else (settled.account,)
        self.judge_as(settled.method)
        self.verdict = settled.verdict
        self.safe = self.complete = True
        self._replay = b""
        self._pooled, self._sent_over = True, lease
        self._seconds = settled.seconds
        self.resumed(lease, until, settled.seconds)

    def _enter(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        tools, notes, way = self.tools, self.notes, self._way
        cors = way.service.cors
        vet(notes, self.seen.fields, tools.entrance, tools.pseudonym)
        tools.entrance.check_open()
        if way.verb == "TRACE":
            # The answer is the request as the service got it, with what the gate put into it for the service alone.
            raise MethodNotAllowed("TRACE is not passed on.", allow=", ".join(_VERBS))
        if cors is not None and (told := preflight(cors, way.verb, self.seen.fields)):
            self._answer(204, told, b"", cors=False)
            return
        if notes.fault is not None:
            raise notes.fault
        if (notes.by_cookie or notes.by_certificate) and (way.verb not in SAFE or self.upgrades):
            origin = self._origin()
            check = check_cookie if notes.by_cookie else check_certificate
            check(self.seen.fields, b"%b://%b" % (origin.scheme, origin.host), cors)
        self._check_fields()
        now = tools.wall()
        principal = notes.principal(tools.relay.epoch, now)
        if principal is None:
            epoch = tools.relay.epoch
            principal = tools.entrance.known(notes.credential, notes.certificate)
            if principal is None:
                self.later(self._identify())
                return
            notes.identified(principal, epoch, now)
        self._admit(principal)

    def _check_fields(self) -> None:
        """What a caller shows that the gate could send itself must be right; a port may want to be shown it."""
        service, notes = self._way.service, self.notes
        if not service.checked:
            return
        check_fields(service, notes.first)
        names_nobody = (
            self.tools.entrance.nobody is not None and notes.credential is None and not notes.by_certificate
        )
        if names_nobody and not service.checked <= notes.first.keys():
            wanted = " and ".join(
                sorted(name for name in service.headers if name.lower().encode() in service.checked)
            )
            raise Unauthenticated(
                f"Without a token, the service's own {wanted} is needed here.", missing=True
            )

    async def _identify(self) -> None:
        began = perf_counter()
        try:
            with step("identify"):
                principal = await self.tools.entrance.identify(self.seen.fields, self.notes.certificate)
        finally:
            self.auth = perf_counter() - began
        self._admit(principal)

    # --- find and admit

    def _admit(self, principal: Principal) -> None:
        self.principal = principal
        way, relay = self._way, self.tools.relay
        self._seconds = min(self.notes.patience, way.service.within)
        relay.permit_path(principal, way.verb, way.judged)
        if steps_left(way.verb, self.seen.fields) == 0:
            access = relay.policies.access(principal)
            allowed = b", ".join(verb.encode() for verb in _VERBS if access.allows_path(verb, way.judged))
            self._answer(204, ((b"Allow", allowed),), b"")
            return
        self.admitted()

    def admitted(self) -> None:
        """The path is allowed: find the method, and see whether it is."""
        way = self._way
        if not way.is_known:
            raise Unavailable(
                f"The service {way.service.qualified!r} has not described itself yet ({way.listing.offer.why}), so nobody "
                "knows which methods its paths are; `dialect: listed` is for services that do not describe themselves.",
                retry_after=2,
            )
        method = way.method()
        self.judge_as(method)
        self.let_in((method,))
        if self.upgrades:
            self.safe = False
            self.depart()
            return
        self.safe = method.safe
        if self.awaits_body and not self.complete and 0 < self.caller.head.length <= EARLY:
            # Clients send the head first, and the body on its heels: with it, memory may have the answer, and a
            # connection at hand may carry the question.
            self._awaited = True
            self.caller.invite_body()
            return
        self._judge(method)

    def let_in_again(self) -> None:
        """Go on, now that it is decided."""
        self.admitted()

    @property
    def awaits_body(self) -> bool:
        """Whether a small body is had before anything is judged."""
        return self.safe

    def let_in(self, methods: Collection[Method]) -> None:
        """Refuse what the caller may not ask, or not now, and charge the rest."""
        relay, way = self.tools.relay, self._way
        for method in methods:
            relay.permit(self._principal, method)
            relay.check_audit(method)
        path = (way.verb, way.judged)
        relay.check_decided(self._principal, methods, path)
        if relay.accounts is None:
            return
        client = self._origin().client if self._principal.anonymous else ""
        found = Counter(relay.account(self._principal, method, client, path) for method in methods)
        charged = {account: cost for account, cost in found.items() if account is not None}
        self.accounts = tuple(charged)
        for account, cost in charged.items():
            account.charge(self.tools.wall(), cost)

    # --- judge

    def asked(self) -> None:
        """The body is here; what waited for it goes on."""
        method = self.method
        if not self._awaited or method is None or self.over:
            return
        self._awaited = False
        try:
            self._judge(method)
        except Fault as fault:
            self.refuse(fault)
        except Exception as mistake:  # noqa: BLE001 - else the caller would wait for ever
            self.mistaken(mistake)

    def _judge(self, method: Method) -> None:
        """May memory answer? Do what is right then."""
        why = self.why_not_asked(method)
        if why is None and not self.complete:
            why = "a body under way"
        if why is None:
            self.consult(method, self.early)
            return
        self.verdict = pass_for(why)
        self.go_or_say_no()

    def why_not_asked(self, method: Method) -> str | None:
        """Why memory is not asked, by the words of the request; None if it is."""
        way = self._way
        return why_not_asked(way.service, self.notes, way.verb, method, self.query)

    def judge_as(self, method: Method) -> None:
        """This is what the request is."""
        self.method = method
        self.methods = (method,)

    # --- the end

    def gone(self) -> None:
        """The caller has gone."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
        super().gone()

    def may_go_on(self) -> bool:
        """Whether who opened a stream may still have it: their token holds, the policies let them, and so does what they had."""
        self._count()
        if self.principal is None:
            return True
        try:
            for account in self.accounts:
                account.check_bytes(self.tools.wall())
        except RateLimited as fault:
            log.warning("an answer broke off: %s", fault.message, extra={"request_id": self.id})
            self.fault = fault.name
            return False
        notes = self.notes
        if self.tools.entrance.known(notes.credential, notes.certificate) is None and not self._asking:
            # Verdicts end together, whosever token was revoked: this one is asked about anew.
            self._asking = self.loop.create_task(self._ask_again())
        access = self.tools.relay.policies.access(self.principal)
        return all(access.allows(method.qualified) for method in self.methods)

    async def _ask_again(self) -> None:
        try:
            await self.tools.entrance.identify(self.seen.fields, self.notes.certificate)
        except Unauthenticated as fault:
            self._give_up()
            self.lost(fault)
        except Fault:
            pass  # nobody can say; it is asked again in a second
        finally:
            self._asking = None
