"""What is said to a caller whose request through a mount fails, and by what is it known why?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from gateway.core.assembling import Ready
from gateway.core.decisions import Undecided
from gateway.core.faults import (
    BadRequest,
    DeadlineExceeded,
    Fault,
    Forbidden,
    InternalFault,
    Unauthenticated,
    Unavailable,
    UpstreamBroken,
    UpstreamUnreachable,
)
from gateway.core.reply import Fields
from gateway.core.tracing import within
from gateway.doors.mounted_cached import MountedCached
from gateway.doors.mounted_reply import INVITES_A_RETRY
from gateway.doors.refusal import refused, scope_fields
from gateway.doors.resource import METADATA
from gateway.wire.answer import Answer
from gateway.wire.upstream_answer import AnswerTooLargeError

log = logging.getLogger("labgate.doors")

_NO_ANSWER: Final = (UpstreamUnreachable, DeadlineExceeded, UpstreamBroken, Unavailable)


class MountedRefused(MountedCached):
    """A request below a mount, as far as it may fail."""

    _task: asyncio.Task[None] | None = None

    def refuse(self, fault: Fault) -> None:
        """Answer with a fault, unless there is something better."""
        if self.over:
            return
        if isinstance(fault, Undecided):
            self.later(self._decide(fault))
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
            fields += self.tools.entrance.challenge(fault, self._metadata())
        if isinstance(fault, Forbidden):
            fields += scope_fields(fault, self.principal, self._metadata())
        answer = self.refusal(fault, fields)
        self._answer(answer.status, answer.fields, answer.body)

    @property
    def call_id(self) -> bytes | None:
        """The id of the one JSON-RPC call that it is, as it was spelled; None where it is none."""
        return None

    def refusal(self, fault: Fault, fields: Fields) -> Answer:
        """The answer to a fault; of what may have been carried out its status does not invite to try again."""
        answer = refused(fault, self.id, fields, reading=True, id=self.call_id)
        if answer.status in INVITES_A_RETRY and fault.data.get("maybe_executed"):
            return Answer(500, None, answer.fields, answer.body)
        return answer

    def _metadata(self) -> str | None:
        """Where it is told where tokens come from; a port of a service's own carries nothing that is the gate's."""
        if self.tools.own_port:
            return None
        origin = self._origin()
        public = self.tools.public_origin or b"%b://%b" % (origin.scheme, origin.host)
        mount = b"" if self.way is None else self.way.places.mount
        return f"{public.decode('latin-1')}{METADATA}{mount.decode('ascii')}"

    def said_of(self, fault: Fault) -> Ready | None:
        """A fault as the callers of this service have to be told it; None where the usual way will do."""
        return None

    def _fault_of(self, failure: Exception) -> Fault:
        if isinstance(failure, BadRequest):
            return failure
        way = self._way
        if isinstance(failure, AnswerTooLargeError):
            most = f"{self.most:.0f} bytes, the most that `limits.mount_reply` lets through"
            doubt = {} if self.safe else {"maybe_executed": True}
            return UpstreamBroken(
                f"The answer of the service {way.service.qualified!r} is larger than {most}.", **doubt
            )
        if isinstance(failure, TimeoutError):
            doubt = {} if self.safe else {"maybe_executed": True}
            return DeadlineExceeded(
                f"The service {way.service.qualified!r} did not answer within the call's time.", **doubt
            )
        return way.carrier.fault(failure, safe=self.safe)

    def mistaken(self, mistake: Exception) -> None:
        """Answer that the gate made a mistake, and write its story into the log."""
        log.error(
            "request failed by a mistake of the gate's", exc_info=mistake, extra={"request_id": self.id}
        )
        if self.begun:
            self.cut()
        else:
            self.refuse(InternalFault("The gate made a mistake; its log tells more, under this request id."))

    async def _decide(self, undecided: Undecided) -> None:
        """Have somebody else say whether the request may be, and go on where it was left."""
        await self.tools.relay.decide(undecided.pleas)
        if not (self.over or self.left):
            self.let_in_again()

    def let_in_again(self) -> None:
        """Go on, now that it is decided."""
        raise NotImplementedError

    # --- what waits

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what has to wait for something."""
        self._task = self.loop.create_task(self._done(work))
        # One that ends before it has begun leaves the work behind, and Python would complain of it.
        self._task.add_done_callback(lambda _: work.close())

    async def _done(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            if self.trace is None:
                await work
            else:
                with within(self.trace):
                    await work
        except Fault as fault:
            self.refuse(fault)
        except Exception as mistake:  # noqa: BLE001 - as above
            self.mistaken(mistake)
