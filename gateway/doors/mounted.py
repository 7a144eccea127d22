"""How does one request pass through a mount? Identify, find, admit, judge, pass on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from time import perf_counter
from typing import Any, Final

from gateway.core.assembling import Ready
from gateway.core.cors import preflight
from gateway.core.credentials import check_fields
from gateway.core.faults import (
    BadRequest,
    DeadlineExceeded,
    Fault,
    InternalFault,
    MethodNotAllowed,
    Unauthenticated,
    Unavailable,
    UpstreamBroken,
    UpstreamUnreachable,
)
from gateway.core.forwarded import forwarded_lines, via_line
from gateway.core.method import Method
from gateway.core.passing import of_request
from gateway.core.ports import Lease
from gateway.core.presented import check_cookie, check_page
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.core.verdict import pass_for
from gateway.core.vouching import bearer_fields
from gateway.doors.mounted_cached import MountedCached
from gateway.doors.mounted_reply import INVITES_A_RETRY
from gateway.doors.notes import vet
from gateway.doors.refusal import refused
from gateway.doors.wanting import why_not_asked
from gateway.doors.way import SAFE, Settled
from gateway.wire.head import CHUNKED
from gateway.wire.passage import EARLY
from gateway.wire.upstream import ConnectionLostError, NotConnectedError
from gateway.wire.upstream_request import field_lines

log = logging.getLogger("labgate.doors")


_NO_ANSWER: Final = (UpstreamUnreachable, DeadlineExceeded, UpstreamBroken, Unavailable)


class Mounted(MountedCached):
    """One request below a mount."""

    _seconds = 0.0
    _task: asyncio.Task[None] | None = None
    _asking: asyncio.Task[None] | None = None
    _replay: bytes | None = None
    _awaited = False  # the rest of a small body, before anything is judged

    # --- identify

    def begin(self) -> None:
        """The head is here."""
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
        self.judge_as(settled.method)
        self.verdict = settled.verdict
        self.safe = self.complete = True
        self._replay = b""
        self._seconds = settled.seconds
        self.resumed(lease, until)

    def _enter(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        tools, notes, way = self.tools, self.notes, self._way
        cors = way.service.cors
        vet(notes, self.seen.fields, tools.entrance, tools.pseudonym)
        tools.entrance.check_open()
        if way.verb == "TRACE":
            # The answer is the request as the service got it, with what the gate put into it for the service alone.
            raise MethodNotAllowed(
                "TRACE is not passed on.", allow="GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
            )
        if cors is not None and (told := preflight(cors, way.verb, self.seen.fields)):
            self._answer(204, told, b"", cors=False)
            return
        if notes.fault is not None:
            raise notes.fault
        if (notes.by_cookie or notes.by_certificate) and (way.verb not in SAFE or self.upgrades):
            origin = self._origin()
            check = check_cookie if notes.by_cookie else check_page
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
        self._admit(await self.tools.entrance.identify(self.seen.fields, self.notes.certificate))

    # --- find and admit

    def _admit(self, principal: Principal) -> None:
        self.principal = principal
        way, relay = self._way, self.tools.relay
        self._seconds = min(self.notes.patience, way.service.timeout)
        relay.permit_path(principal, way.verb, way.judged)
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
        self.tools.relay.permit(self._principal, method)
        if self.upgrades:
            self.safe = False
            self.depart()
            return
        self.safe = method.safe
        if self.safe and not self.complete and 0 < self.caller.head.length <= EARLY:
            # Clients send the head first, and the body on its heels: with it, memory may have the answer, and a
            # connection at hand may carry the question.
            self._awaited = True
            self.caller.invite_body()
            return
        self._judge(method)

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

    # --- pass on

    def depart(self) -> None:
        """Send the request on: over a connection at hand where nothing can be lost by that, else over a new one."""
        if self.safe and self.complete:
            lease = self._way.carrier.at_hand()
            if lease is not None:
                self._replay = early = self.early
                try:
                    self._send(lease, self._seconds)
                except NotConnectedError:
                    self.put_early(early)
                else:
                    return
        self._replay = None
        self.later(self._depart_anew())

    async def _depart_anew(self) -> None:
        carrier = self._way.carrier
        deadline = self.loop.time() + self._seconds - (perf_counter() - self.started)
        lease = await carrier.lease(deadline)
        if self.over or self.left:
            lease.release()
            return
        try:
            self._send(lease, max(0.001, deadline - self.loop.time()))
        except NotConnectedError as failure:
            raise carrier.fault(failure, safe=True) from failure

    def _send(self, lease: Lease, seconds: float) -> None:
        """Send the request over this connection; its answer must begin within so many seconds."""
        way, notes = self._way, self.notes
        lines = self.lines_of(self.passed_fields)
        self.leaves()
        host = notes.first.get(b"host") if way.service.keep_host else None
        lines += self.framing() + b"Labgate-Timeout: %.3f\r\n" % seconds
        if notes.request_id is None:
            lines += b"X-Request-Id: %b\r\n" % self.id.encode("ascii")
        head = lease.head(way.verb.encode(), way.rest, self.query, host, lines)
        self.departed = perf_counter()
        if not self.safe and not self._unsure:
            self._unsure = True
            self._marked = self.tools.relay.sets_out(self.methods, self._changed())
        self.send(lease, head, seconds)

    def lines_of(self, passed: Fields) -> bytes:
        """The lines for the upstream but Host, the service's own, and those that differ with each request."""
        fields, notes, way = self.seen.fields, self.notes, self._way
        credential_in = None
        if notes.credential is not None and b"labgate-token" not in notes.first:
            credential_in = b"authorization"
        kept = of_request(
            passed,
            credential_in=credential_in,
            underscores=way.service.underscores,
            replaced=way.carrier.own_fields,
            upgrades=self.upgrades,
        )
        if notes.request_id is not None:
            kept = (*kept, (b"X-Request-Id", notes.request_id.encode("ascii")))
        if way.service.bearer != "none":
            kept = self._vouched(kept)
        owners = self.tools.cookies
        lines = b"".join(
            (
                field_lines(owners.own(kept, way.service.qualified)),
                b"Connection: Upgrade\r\n" if self.upgrades else b"",
                forwarded_lines(
                    self._origin(), self.caller.peer, way.places.mount, names_gate=not way.service.links
                ),
                via_line(fields, self.tools.pseudonym, self.caller.head.minor),
            )
        )

        # Whose a cookie is may change, and what a JSON-RPC body asks for differs.
        # A linked token may be another one at the next request.
        if (
            way.service.bearer != "linked"
            and b"cookie" not in notes.first
            and not way.is_rpc
            and not self.upgrades
            and passed is fields
        ):
            notes.keep_lines(way.service.qualified, self.caller.peer, lines)
        return lines

    def _vouched(self, fields: Fields) -> Fields:
        """The fields with the token that the service is sent for this caller, unless they hold one for it."""
        if any(name.lower() == b"authorization" for name, _ in fields):
            return fields
        return (*fields, *bearer_fields(self.tools.relay.bearer(self._way.service, self._principal)))

    def seconds_left(self) -> float:
        """How long the caller still waits for the answer to begin."""
        return max(0.0, self._seconds - (perf_counter() - self.started))

    def framing(self) -> bytes:
        """The line that frames the request's body, where it is not Content-Length as it was sent."""
        return b"Transfer-Encoding: chunked\r\n" if self.caller.head.length == CHUNKED else b""

    # --- when it fails

    def lost(self, failure: Exception) -> None:
        """The answer will not come, or not to its end."""
        if self.over:
            return
        if self.begun:
            log.warning("an answer broke off: %s", type(failure).__name__, extra={"request_id": self.id})
            self.fault = "BrokenOff"
            self.cut()
            return
        if isinstance(failure, ConnectionLostError) and not failure.begun and self._replay is not None:
            # The upstream had closed a connection that was kept: nothing was answered, and nothing is changed.
            self.put_early(self._replay)
            self._replay = None
            self.later(self._depart_anew())
            return
        self.refuse(self._fault_of(failure))

    def _fault_of(self, failure: Exception) -> Fault:
        if isinstance(failure, BadRequest):
            return failure
        way = self._way
        if isinstance(failure, TimeoutError):
            doubt = {} if self.safe else {"maybe_executed": True}
            return DeadlineExceeded(
                f"The service {way.service.qualified!r} did not answer within the call's time.", **doubt
            )
        return way.carrier.fault(failure, safe=self.safe)

    def refuse(self, fault: Fault) -> None:
        """Answer with a fault, unless there is something better."""
        if self.over:
            return
        if isinstance(fault, UpstreamUnreachable):
            self.tools.relay.suspect(self._way.service.qualified)
        if isinstance(fault, _NO_ANSWER) and self.stands_in():
            return
        self.fault = fault.name
        own = self.said_of(fault)
        if own is not None and isinstance(own.body, bytes):
            self._answer(own.status, own.fields, own.body, reason=own.reason)
            return
        fields: Fields = ((b"Cache-Control", b"no-store"),)
        if isinstance(fault, Unauthenticated):
            fields += self.tools.entrance.challenge(fault)
        answer = refused(fault, self.id, fields, reading=True)
        status = answer.status
        if status in INVITES_A_RETRY and fault.data.get("maybe_executed"):
            status = 500
        self._answer(status, answer.fields, answer.body)

    def said_of(self, fault: Fault) -> Ready | None:
        """A fault as the callers of this service have to be told it; None where the usual way will do."""
        return None

    def mistaken(self, mistake: Exception) -> None:
        """Answer that the gate made a mistake, and write its story into the log."""
        log.error(
            "request failed by a mistake of the gate's", exc_info=mistake, extra={"request_id": self.id}
        )
        if self.begun:
            self.cut()
        else:
            self.refuse(InternalFault("The gate made a mistake; its log tells more, under this request id."))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what has to wait for something."""
        self._task = self.loop.create_task(self._done(work))

    async def _done(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Fault as fault:
            self.refuse(fault)
        except Exception as mistake:  # noqa: BLE001 - as above
            self.mistaken(mistake)

    # --- the end

    def gone(self) -> None:
        """The caller has gone."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
        super().gone()

    def may_go_on(self) -> bool:
        """Whether who opened a stream may still have it: their token holds, and the policies let them."""
        self._count()
        if self.principal is None:
            return True
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
