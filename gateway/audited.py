"""How is a call written down that may change something? At its end, however it ends."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from gateway.core.audit import REFUSED, Auditor, Record
from gateway.core.call import Call
from gateway.core.conditions import named_params
from gateway.core.faults import Fault
from gateway.core.method import Method
from gateway.core.reply import Reply, error_code

_LARGEST: Final = 64 << 10
"""Bytes of params in which names are looked for."""


class Audited:
    """One write on its way: what came of it is written down when it is left."""

    def __init__(self, auditor: Auditor, call: Call, monotonic: Callable[[], float]) -> None:
        self.reply: Reply | None = None
        self.heard = True
        """Whether somebody still waits for the answer."""
        self._auditor = auditor
        self._call = call
        self._monotonic = monotonic
        self._started = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended(failure)

    def ended(self, failure: BaseException | None = None) -> None:
        """The write is over: by the reply, by this failure, or (neither) because the gate ends."""
        call, reply = self._call, self.reply
        code = None
        if isinstance(failure, Fault):
            outcome, code = failure.name, failure.code
        elif reply is None:
            outcome = "ended by the gate"
        elif reply.kind == "error":
            outcome, code = "error", error_code(reply.body.data)
        else:
            outcome = "ok"
        self._auditor.write(
            Record(
                "write",
                call.id,
                call.principal,
                call.client,
                outcome,
                method=call.method.qualified,
                service=call.method.service,
                code=code,
                seconds=self._monotonic() - self._started,
                size=0 if reply is None else len(reply.body.data),
                heard=self.heard,
                params=names_of(self._auditor, call.ask.raw, call.method),
            )
        )


def names_of(auditor: Auditor, params: bytes | None, method: Method) -> tuple[str, ...]:
    """The names of a call's parameters, where they are wanted."""
    if not auditor.names_params or params is None or len(params) > _LARGEST:
        return ()
    return tuple(named_params(params, method))


def refused_call(auditor: Auditor | None, call: Call, fault: Fault) -> None:
    """Write down a call that was refused, if it was."""
    if auditor is None or fault.name not in REFUSED:
        return
    auditor.write(
        Record(
            "refusal",
            call.id,
            call.principal,
            call.client,
            fault.name,
            method=call.method.qualified,
            service=call.method.service,
            code=fault.code,
        )
    )
