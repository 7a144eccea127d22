"""Who may call what, now, and what is it charged to? What the relay and the doors ask before a call sets out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from gateway.core.audit import Auditor
from gateway.core.charging import Account, Accounts
from gateway.core.decisions import Decided, Decider, Plea, Undecided, insist
from gateway.core.faults import Forbidden
from gateway.core.limits import Named
from gateway.core.method import Method
from gateway.core.naming import shown
from gateway.core.paths import Steps, text_of
from gateway.core.policy import Policies
from gateway.core.principal import Principal
from gateway.core.switches import Switches


class Admission:
    """Everything that has a say in whether a call may be: policies and switches, and where the gate has them, others.

    `accounts` is what calls are charged to, None = nothing limits anybody; `auditor` is who writes down what may change
    something; `decider` is who else is asked about what the policies allow.
    """

    def __init__(
        self,
        policies: Policies,
        switches: Switches,
        wall: Callable[[], float],
        accounts: Accounts | None = None,
        auditor: Auditor | None = None,
        decider: Decider | None = None,
    ) -> None:
        """`wall` tells seconds since 1970."""
        self.policies = policies
        self.switches = switches
        self.wall = wall
        self.accounts = accounts
        self.auditor = auditor
        self.decider = decider
        self.charges = accounts is not None or decider is not None
        """Whether calls are charged to anything."""

    def permit(self, principal: Principal, method: Method) -> None:
        """Refuse a method that the principal may not call, or nobody at present."""
        if not self.policies.access(principal).allows(method.qualified):
            raise _forbidden(
                f"{principal.subject!r} may not call {method.name!r}: no policy allows it.",
                self.policies.scope_for(method.qualified),
            )
        self.permit_service(method.service)

    def permit_service(self, service: str) -> None:
        """Refuse what is for a service that takes no calls at present."""
        if service in self.switches.closed:
            raise self.switches.refusal(service, self.wall())

    def permit_path(self, principal: Principal, verb: str, path: Steps) -> None:
        """Refuse a path below the mounts that the principal may not ask with this verb."""
        if not self.policies.access(principal).allows_path(verb, path):
            raise _forbidden(
                f"{principal.subject!r} may not {verb} {shown(text_of(path))}: no policy allows this path.",
                self.policies.scope_for_path(verb, path),
            )

    def check_audit(self, method: Method) -> None:
        """Refuse a write that could not be written down, where that is not to be."""
        if self.auditor is not None and not method.safe:
            self.auditor.check()

    def account(
        self, principal: Principal, method: Method, client: str, path: tuple[str, Steps] | None = None
    ) -> Account | None:
        """What calls of the method by the principal are charged to; `path` has the verb and path of one through a mount."""
        account = None
        if self.accounts is not None:
            account = self.accounts.account(principal, client, self._places(principal, method, path))
        if self.decider is None:
            return account
        return Decided(account, self.decider, plea_for(principal, method, path))

    def check_decided(self, principal: Principal, methods: Iterable[Method], path: tuple[str, Steps]) -> None:
        """Refuse a request that somebody else does not allow. Raises `Undecided` where they have to be asked."""
        if self.decider is None:
            return
        now, unknown = self.wall(), []
        for plea in [plea_for(principal, method, path) for method in methods]:
            verdict = self.decider.known(plea, now)
            if verdict is None:
                unknown.append(plea)
            else:
                insist(plea, verdict)
        if unknown:
            raise Undecided(unknown)

    async def decide(self, pleas: Iterable[Plea]) -> None:
        """Have it decided whether these may be. Raises the fault of the first that may not."""
        decider = self.decider
        if decider is None:
            return
        asked = list(dict.fromkeys(pleas))
        for plea, verdict in zip(
            asked, await asyncio.gather(*(decider.ask(plea, self.wall()) for plea in asked)), strict=True
        ):
            insist(plea, verdict)

    def limits(
        self, principal: Principal, method: Method, path: tuple[str, Steps] | None = None
    ) -> Sequence[Named]:
        """What limits such calls."""
        return () if self.accounts is None else self.accounts.told(self._places(principal, method, path))

    def _places(
        self, principal: Principal, method: Method, path: tuple[str, Steps] | None
    ) -> tuple[int, ...]:
        access = self.policies.access(principal)
        of_method = access.first(method.qualified)
        return (of_method,) if path is None else (access.first_path(*path), of_method)


def _forbidden(why: str, scope: str | None) -> Forbidden:
    """The refusal of what no policy allows, with the scope for which one would."""
    if scope is None:
        return Forbidden(f"{why} Ask the lab's engineer for a group or scope that does.")
    return Forbidden(f"{why} A token with the scope {scope!r} may: ask for one.", scopes=[scope])


def plea_for(principal: Principal, method: Method, path: tuple[str, Steps] | None = None) -> Plea:
    verb, steps = path or (None, ())
    return Plea(principal, method.qualified, method.service, verb, steps)
