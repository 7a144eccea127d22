"""How are servers of Intake's protocol understood and spoken to, and how does the gate speak it itself?"""

from __future__ import annotations

from typing import Final

from gateway.core.assembling import MountAsk, Parts, Ready
from gateway.core.call import Call
from gateway.core.faults import Fault
from gateway.core.intake.ids import SourceIds
from gateway.core.intake.refusals import Refusal, refused_for
from gateway.core.method import Method
from gateway.core.paths import Steps
from gateway.core.ports import Messenger, Route
from gateway.core.reply import Reply, Whole
from gateway.core.service import Description, Service
from gateway.core.upstream import Upstream
from gateway.core.verdict import Pass
from gateway.dialects.intake.again import Again
from gateway.dialects.intake.calling import Calling, error_of
from gateway.dialects.intake.describing import describe
from gateway.dialects.intake.errands import Errand, Ids
from gateway.dialects.intake.mounted import INFO, SOURCE, Mounted

_TRIP: Final = Pass("trip")  # The relay knows the verdict, and puts it here.


class IntakeDialect:
    """The dialect `intake`: catalog servers of Intake 0.7.

    Its methods and its mount are made of the same hidden calls, which `perform` carries out; see `hidden`.
    """

    kind = "intake"

    def __init__(self, secret: bytes) -> None:
        """`secret` signs the ids that callers are given; replicas have the same."""
        self._source_ids = SourceIds(secret)
        self._ids = Ids()
        self._again = Again()

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        """What every catalog server offers, if the service is one. Raises UpstreamBroken where it is none."""
        return await describe(service, upstream, deadline)

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:  # noqa: ARG002 - a port
        """Carry out a hidden call. What the service refuses is an error with its status and reason."""
        try:
            body = await Errand(self._ids, call, service, upstream).run()
        except Refusal as refusal:
            return error_of(refusal)
        return Reply("result", Whole(body), _TRIP)

    async def assemble(self, call: Call, route: Route, parts: Parts) -> Reply:
        """Carry out a call of a method of the catalog. Raises InvalidParams, and the faults of its parts."""
        return await Calling(call, route.service, parts).reply()

    def takes(self, service: Service, verb: str, inner: Steps) -> bool:  # noqa: ARG002 - a port
        """Whether a path is one of the protocol's two."""
        return inner in (INFO, SOURCE)

    def reads(self, service: Service, verb: str, inner: Steps) -> bool:  # noqa: ARG002 - a port
        """Whether the question stands in the body."""
        return verb == "POST" and inner == SOURCE

    async def inbound(self, ask: MountAsk, route: Route, parts: Parts) -> Ready:
        """Answer a request of the protocol. Raises the faults of its parts."""
        return await Mounted(ask, route.service, parts, self._source_ids, self._again).answer()

    def refused(self, fault: Fault) -> Ready:
        """A fault as Intake's client can show it."""
        return refused_for(fault)

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:  # noqa: ARG002 - a port
        """None: a call takes more than one request."""
        return None
