"""How is it said that something cannot be had? By a status and a reason phrase: it is all that Intake's client shows."""

from __future__ import annotations

import html
import re
from typing import Final

from gateway.core.assembling import Ready
from gateway.core.faults import Fault, Unauthenticated
from gateway.core.reply import Fields
from gateway.core.verdict import Pass, Verdict

_unsayable = re.compile("[\x00-\x1f\x7f\ud800-\udfff]+")
_LONGEST: Final = 400
_REFUSED: Final = Pass("refused")
PLAIN: Final[Fields] = ((b"Content-Type", b"text/html; charset=UTF-8"), (b"Cache-Control", b"no-store"))


class Refusal(Exception):  # noqa: N818 - what is answered instead
    """A status and its reason; `upstream` = it is the service that says so."""

    def __init__(self, status: int, reason: str, *, upstream: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = _unsayable.sub(" ", reason)[:_LONGEST].strip() or "Bad Request"
        self.upstream = upstream


def refused(refusal: Refusal, verdict: Verdict = _REFUSED, fields: Fields = ()) -> Ready:
    """The answer, as Intake's own server writes it: a short page, and the reason in the status line."""
    text = html.escape(f"{refusal.status}: {refusal.reason}")
    page = f"<html><title>{text}</title><body>{text}</body></html>"
    return Ready(
        refusal.status, (*PLAIN, *fields), page.encode(), verdict, refusal.reason.encode("utf-8", "replace")
    )


def refused_for(fault: Fault) -> Ready:
    """The gate's own reason to give nothing; its client takes nothing but 403 for a matter of who is asking."""
    status = 403 if isinstance(fault, Unauthenticated) else fault.plain_status
    retry = fault.data.get("retry_after")
    fields: Fields = ()
    if retry is not None and status in (429, 503):
        fields = ((b"Retry-After", b"%d" % max(1, round(retry))),)
    return refused(Refusal(status if status >= 400 else 500, fault.message), fields=fields)
