"""What does somebody else say of a call that the policies allow? Asked of a service such as Open Policy Agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from gateway.core.charging import Account, Hold
from gateway.core.faults import Forbidden, Unavailable
from gateway.core.paths import Steps
from gateway.core.principal import Principal


class Plea(Struct, frozen=True):
    """What it is asked about: who would call which method, and, through a mount, with which verb and for which path."""

    principal: Principal
    method: str
    service: str
    verb: str | None = None
    path: Steps = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What stands for it; tokens of the same person with the same rights are alike."""
        who = self.principal
        return (
            who.issuer,
            who.subject,
            who.groups,
            who.scopes,
            self.method,
            self.service,
            self.verb,
            self.path,
        )

    def said(self) -> dict[str, Any]:
        """As a value that can be written as JSON; no credential is any part of it."""
        who = self.principal
        said: dict[str, Any] = {
            "principal": {
                "subject": who.subject,
                "issuer": who.issuer,
                "groups": list(who.groups),
                "scopes": list(who.scopes),
                "anonymous": who.anonymous,
            },
            "method": self.method,
            "service": self.service,
        }
        if self.verb is not None:
            said |= {"verb": self.verb, "path": [step.decode("utf-8", "replace") for step in self.path]}
        return said


class Verdict(Struct, frozen=True, gc=False):
    """What was said: it is believed until then. `unknown` = nobody could say."""

    allowed: bool
    until: float
    reason: str = ""
    unknown: bool = False


def verdict_of(answer: object, until: float) -> Verdict | None:
    """What an answer says: `{"result": true}`, or `{"result": {"allow": true, "reason": "…"}}`; None for one that is none.

    An answer without a result is what OPA gives where no rule says anything: that is no permission.
    """
    if not isinstance(answer, dict):
        return None
    result = answer.get("result", False)
    if isinstance(result, bool):
        return Verdict(result, until)
    if isinstance(result, dict) and isinstance(result.get("allow"), bool):
        reason = result.get("reason", "")
        return Verdict(result["allow"], until, reason[:500] if isinstance(reason, str) else "")
    return None


def insist(plea: Plea, verdict: Verdict) -> None:
    """Refuse what was not allowed. Raises `Forbidden`, or `Unavailable` where nobody could say."""
    if verdict.allowed:
        return
    if verdict.unknown:
        raise Unavailable(
            f"Whether {plea.principal.subject!r} may call {plea.method!r} cannot be found out: the service that decides does not "
            "answer as it should. Call again in a moment.",
            retry_after=1,
        )
    because = f": {verdict.reason}" if verdict.reason else ""
    raise Forbidden(
        f"{plea.principal.subject!r} may not call {plea.method!r}: the lab's decision service does not allow it{because}."
    )


class Undecided(Unavailable):
    """Nobody has said yet whether these may be: ask, then try again. No caller ever sees it."""

    def __init__(self, pleas: Sequence[Plea]) -> None:
        super().__init__("It is not decided yet whether this may be called: try again.", retry_after=1)
        self.pleas = pleas

    @property
    def name(self) -> str:
        return "Unavailable"


class Decider(Protocol):
    """Who asks, and remembers what was said for a while. `now` is in seconds since 1970."""

    def known(self, plea: Plea, now: float) -> Verdict | None:
        """What was said a moment ago, None if it has to be asked."""

    async def ask(self, plea: Plea, now: float) -> Verdict:
        """The verdict, however it is had."""


class Decided:
    """An account that is only charged for what was allowed a moment ago; without one, nothing is charged."""

    __slots__ = ("_account", "_decider", "_plea", "ahead", "at_once")

    def __init__(self, account: Account | None, decider: Decider, plea: Plea) -> None:
        self._account = account
        self._decider = decider
        self._plea = plea
        self.at_once = None if account is None else account.at_once
        self.ahead = None
        """Each call is decided, whatever was charged."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decided) and (self._account, self._plea) == (other._account, other._plea)

    def __hash__(self) -> int:
        return hash(self._plea.key)

    def charge(self, now: float, cost: int = 1) -> None:
        """So many calls come. Raises `Undecided`, `Forbidden`, `RateLimited`."""
        self._insist(now)
        if self._account is not None:
            self._account.charge(now, cost)

    def pay(self, size: int, now: float) -> bytes:
        """A call comes and is answered at once. Raises `Undecided`, `Forbidden`, `RateLimited`."""
        self._insist(now)
        return b"" if self._account is None else self._account.pay(size, now)

    def _insist(self, now: float) -> None:
        verdict = self._decider.known(self._plea, now)
        if verdict is None:
            raise Undecided((self._plea,))
        insist(self._plea, verdict)

    def hold(self) -> Hold:
        """One more call is under way."""
        return NOTHING_HELD if self._account is None else self._account.hold()

    def spend(self, size: int, now: float) -> None:
        """So many bytes of an answer were sent."""
        if self._account is not None:
            self._account.spend(size, now)

    def check_bytes(self, now: float) -> None:
        """See whether an answer under way may go on. Raises `RateLimited`."""
        if self._account is not None:
            self._account.check_bytes(now)

    def lines(self, now: float) -> bytes:
        """What is said of it in every answer."""
        return b"" if self._account is None else self._account.lines(now)

    def items(self, now: float) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """The items of the fields RateLimit-Policy and RateLimit."""
        return ((), ()) if self._account is None else self._account.items(now)


class _Nothing:
    def release(self) -> None:
        """Nothing is held."""


NOTHING_HELD = _Nothing()
