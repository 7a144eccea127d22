"""What is known so far of one call of a message, on its way from the envelope to its answer?"""

from __future__ import annotations

from gateway.core.call import Call
from gateway.core.decisions import Undecided
from gateway.core.faults import Fault
from gateway.core.method import Method
from gateway.core.question import Question
from gateway.core.reply import Reply
from gateway.core.tracing import Traced
from gateway.core.verdict import Miss, Pass


class Part:
    """One entry of a message on its way to its answer."""

    __slots__ = (
        "call", "fault", "id", "method", "question", "raw", "reply", "said", "span", "undecided", "verdict",
    )  # fmt: skip

    def __init__(self, token: bytes | None) -> None:
        self.id = token
        self.method: Method | None = None
        self.call: Call | None = None
        self.reply: Reply | None = None
        self.verdict: Miss | Pass | None = None
        self.fault: Fault | None = None
        self.raw: bytes | None = None
        self.question: Question | None = None
        self.undecided: Undecided | None = None
        self.span: Traced | None = None
        self.said = False
        """Whether the reply is in the answer's encoding already."""
