"""What does memory have for a call, and what does it keep of what calls brought?"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from msgspec.structs import replace

from gateway.admission import Admission
from gateway.core.audit import Auditor
from gateway.core.call import Call
from gateway.core.charging import Account, Accounts
from gateway.core.conditions import may_keep
from gateway.core.decisions import Decider
from gateway.core.freshness import entry_of, judge, rule_of, serves
from gateway.core.keys import key as key_of
from gateway.core.keys import parameters
from gateway.core.keys import prefix as key_prefix
from gateway.core.method import CacheRule, Method
from gateway.core.policy import Policies
from gateway.core.ports import Generations, Tally
from gateway.core.principal import Principal
from gateway.core.switches import SWITCHED_OFF, Switches
from gateway.core.tracing import current, step
from gateway.core.verdict import Entry, Extent, HttpHead, Miss, Pass, Stale, Verdict
from gateway.store import Store


class Quick:
    """A method whose calls memory may answer: its rule, what their keys begin with, and what entries must agree with.

    `epoch` and `generations` are those of the last change that was looked at. `results` and `errors` count what was
    answered, for whoever asks. `account` says what is charged to whom, by the caller's address; None = nothing limits them.
    """

    __slots__ = (
        "account",
        "changes",
        "epoch",
        "errors",
        "generations",
        "method",
        "prefix",
        "results",
        "rule",
    )

    def __init__(self, method: Method, rule: CacheRule, prefix: bytes) -> None:
        self.method = method
        self.rule = rule
        self.prefix = prefix
        self.changes = self.epoch = -1
        self.generations: tuple[int, ...] = ()
        self.results = self.errors = Tally()
        self.account: Callable[[str], Account | None] | None = None


class Judging(Admission):
    """Judges entries by the rules of methods; the generations are what an entry must still agree with."""

    def __init__(
        self,
        store: Store,
        generations: Generations,
        policies: Policies,
        switches: Switches,
        wall: Callable[[], float],
        accounts: Accounts | None,
        auditor: Auditor | None,
        decider: Decider | None,
    ) -> None:
        super().__init__(policies, switches, wall, accounts, auditor, decider)
        self.store = store
        self._generations = generations

    def judge(self, call: Call, now: float) -> Verdict:
        """What the cache can do for this call at `now` (seconds since 1970)."""
        if not self.switches.cache:
            return SWITCHED_OFF
        rule = rule_of(call.method)
        if isinstance(rule, Pass):
            return rule
        key = key_of(call, rule)
        lineage = call.method.lineage
        generations = self._generations.read(lineage)
        entry = self.store.get(key)
        return judge(
            rule,
            key,
            entry,
            call.demand,
            epoch=self._generations.epoch,
            generations=generations,
            now=now,
            lineage=lineage,
        )

    def quick(self, method: Method, principal: Principal) -> Quick | None:
        """What the lanes need to ask memory for calls of a method; None where it has to be asked otherwise.

        Admits: it holds for this catalog, epoch and principal, as long as the service takes calls.
        """
        self.permit(principal, method)
        rule = rule_of(method)
        if isinstance(rule, Pass) or not (may_keep(rule) or rule.negative):
            return None
        if rule.share == "authorized":  # whose entry it is depends on the parameters
            return None
        return Quick(method, rule, key_prefix(method, principal, rule))

    def ready(self, quick: Quick, params: bytes | None, now: float) -> Entry | None:
        """The fresh entry for a call with these parameters, if memory has it; none while its service or the cache is off."""
        entry = self.store.get(quick.prefix + parameters(params, quick.rule))
        return entry if entry is not None and self.serves(quick, entry, now) else None

    @property
    def changes(self) -> int:
        """As long as it stays, no generation or epoch has ended."""
        return self._generations.changes

    def serves(self, quick: Quick, entry: Entry, now: float) -> bool:
        """Whether the entry is fresh and agrees with what has ended since."""
        generations, switches = self._generations, self.switches
        changes = generations.changes
        if changes != quick.changes:
            quick.epoch, quick.generations = generations.epoch, generations.read(quick.method.lineage)
            quick.changes = changes
        if (switches.closed and quick.method.service in switches.closed) or not switches.cache:
            return False
        return serves(entry, quick.epoch, quick.generations, now)

    def keep(self, verdict: Miss | Stale, head: HttpHead, body: bytes | Extent) -> bool:
        """Store the whole reply to a request through a mount, if the rule lets it; whether it was."""
        return self._keep(verdict, "http", body, head)

    def keep_part(self, missing: Miss, body: bytes | memoryview) -> bool:
        """Store a part of an assembled reply that came with others; whether it was."""
        # No call is answered by a part alone: whoever puts it together with others takes it as it is.
        return self._keep(missing, "result", cast(bytes, body))

    def _keep(
        self, verdict: Miss | Stale, kind: str, body: bytes | Extent, head: HttpHead | None = None
    ) -> bool:
        if not self.switches.cache:  # switched off while the trip went on
            return False
        if current.get() is None:
            return self._put(verdict, kind, body, head)
        with step("store") as recorded:
            stored = self._put(verdict, kind, body, head)
            recorded.set("labgate.stored", stored)
            return stored

    def _put(self, verdict: Miss | Stale, kind: str, body: bytes | Extent, head: HttpHead | None) -> bool:
        if not isinstance(body, Extent):
            entry = entry_of(verdict, kind, body, self.wall(), head)
        elif body.length > verdict.rule.max_size:
            return False
        else:
            entry = entry_of(verdict, kind, b"", self.wall(), head)
            entry = entry if isinstance(entry, Pass) else replace(entry, extent=body)
        return not isinstance(entry, Pass) and self.store.put(entry)
