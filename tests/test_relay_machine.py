"""Whatever happens in whatever order: no reply is another caller's, torn, older than the rule or older than a write.

A slow, plain model stands beside the relay: it remembers what the service's values were, and when.
"""

import asyncio
import json
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.call import Call, Demand, Params
from gateway.core.catalog import Catalog
from gateway.core.faults import Fault, UpstreamUnreachable
from gateway.core.method import CacheRule, Method, RpcBinding
from gateway.core.policy import Policies, Policy
from gateway.core.ports import Route
from gateway.core.principal import Principal
from gateway.core.reply import Reply, Whole
from gateway.core.service import Service
from gateway.core.verdict import Hit, Pass, Stale
from gateway.flights import Flights
from gateway.relay import Relay
from gateway.tiers.memory import MemoryTier
from tests.tiers.own_generations import OwnGenerations

PEOPLE = [Principal(subject=name, issuer="labgate", groups=("lab",)) for name in ("ada", "bob")]
FRESH, STALE, NEGATIVE = 10.0, 30.0, 3.0
READS = (
    Method("jobs.mine", "jobs", RpcBinding("mine"), safe=True, cache=CacheRule(FRESH, STALE, tags=("jobs",))),
    Method(
        "jobs.all",
        "jobs",
        RpcBinding("all"),
        safe=True,
        cache=CacheRule(FRESH, share="everyone", tags=("jobs",), negative=NEGATIVE),
    ),
    Method("jobs.peek", "jobs", RpcBinding("peek"), safe=True),
)
WRITE = Method("jobs.set", "jobs", RpcBinding("set"), invalidates=("jobs",))


class Held:
    """A trip under way: what was asked, and what the service had when it was."""

    def __init__(self, call, value, now):
        self.call = call
        self.value = value
        self.left_at = now
        self.outcome = asyncio.get_running_loop().create_future()


class Asked:
    """A call under way, and what must hold for its reply."""

    def __init__(self, call, now, at_least, task):
        self.call = call
        self.asked_at = now
        self.at_least = at_least
        self.task = task


class Machine(RuleBasedStateMachine):
    """Callers, a service with one counted value, a clock, and somebody who interferes."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 1000.0
        self.value = 0
        self.settled = 0  # the value of the last write that has ended
        self.held = []
        self.asked = []
        self.made = {}  # value -> when the service first had it, and had another
        self.done(self.build())

    async def build(self):
        self.flights = Flights()
        self.generations = OwnGenerations()
        self.tier = MemoryTier(6000)  # a few entries only
        self.relay = Relay(
            SimpleNamespace(missing=lambda *_: False, suspect=lambda *_: False),
            Policies([Policy(("group:lab",), ("jobs.*",))]),
            self.tier,
            self.generations,
            self.flights,
            wall=lambda: self.now,
            monotonic=self.loop.time,
        )
        service = Service("jobs", "scripted", ("http://127.0.0.1:1",), timeout=1000.0)
        self.relay.rebind(Catalog(), {"jobs": Route(service, self, "/", None)})

    def done(self, work):
        return self.loop.run_until_complete(work)

    def turn(self):
        """Let everything go on that can."""
        for _ in range(12):
            self.done(asyncio.sleep(0))
        for one in [one for one in self.asked if one.task.done()]:
            self.asked.remove(one)
            self.judge(one)

    kind = "scripted"

    async def perform(self, call, service, address, upstream):
        held = Held(call, self.value, self.now)
        self.held.append(held)
        try:
            kind = await held.outcome
        finally:
            if held in self.held:
                self.held.remove(held)
        if kind == "fault":
            raise UpstreamUnreachable("away")
        said = {
            "who": call.principal.subject,
            "what": call.method.name,
            "value": held.value,
            "left": held.left_at,
        }
        body = {"code": -1, "message": "no", "data": said} if kind == "error" else said
        return Reply(kind, Whole(json.dumps(body).encode()), Pass("trip"))

    def judge(self, one):
        """The model: what a reply may be."""
        if one.task.cancelled():
            return
        error = one.task.exception()
        if error is not None:
            assert isinstance(error, Fault), error
            return
        reply = one.task.result()
        said = json.loads(reply.body.data)
        said = said.get("data", said)
        method = one.call.method
        assert said["what"] == method.name
        rule = method.cache
        if rule is None or rule.share != "everyone":
            assert said["who"] == one.call.principal.subject
        if not method.safe:
            return
        assert said["value"] >= one.at_least, "older than a write that had ended"
        age = one.asked_at - said["left"]
        if isinstance(reply.verdict, Hit):
            assert (
                age
                <= (NEGATIVE if reply.kind == "error" else FRESH) + reply.verdict.entry.stored - said["left"]
            )
        elif isinstance(reply.verdict, Stale):
            assert rule is not None
            assert rule.stale
            assert reply.kind == "result"
            assert one.asked_at <= reply.verdict.entry.stored + FRESH + STALE
        wanted = one.call.demand.max_age
        if wanted is not None and isinstance(reply.verdict, Hit | Stale):
            assert one.asked_at - reply.verdict.entry.stored <= wanted

    # --- what happens

    @rule(
        method=st.sampled_from(READS),
        who=st.sampled_from(PEOPLE),
        params=st.sampled_from([b"[]", b"[]", b"[1]"]),
        max_age=st.sampled_from([None, None, None, -1.0, 5.0]),
    )
    def read(self, method, who, params, max_age):
        self.set_off(Call("r", who, method, Params(params), self.loop.time() + 900, Demand(max_age)))

    def set_off(self, call):
        task = self.loop.create_task(self.relay.answer(call))
        self.asked.append(Asked(call, self.now, self.settled, task))
        self.turn()

    @rule(who=st.sampled_from(PEOPLE))
    def write(self, who):
        self.set_off(Call("w", who, WRITE, Params(None), self.loop.time() + 900))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0), kind=st.sampled_from(["result", "result", "result", "error", "fault"]))
    def answer(self, which, kind):
        held = self.held.pop(which % len(self.held))
        if not held.call.method.safe:
            # It has happened, whatever is heard of it.
            self.value += 1
            held.outcome.set_result(kind)
            self.turn()
            self.settled = self.value
        else:
            held.outcome.set_result(kind)
            self.turn()

    @rule(seconds=st.sampled_from([0.5, 2.0, 9.0, 11.0, 50.0]))
    def wait(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0))
    def leave(self, which):
        one = self.asked[which % len(self.asked)]
        one.task.cancel()
        self.turn()

    @rule()
    def revoke(self):
        self.generations.advance()

    @rule()
    def purge(self):
        self.generations.bump(("service:jobs",))

    @rule(
        method=st.sampled_from(READS[:2]),
        who=st.sampled_from(PEOPLE),
        kind=st.sampled_from(["result", "result", "result", "error"]),
    )
    def read_at_once(self, method, who, kind):
        self.read(method, who, b"[]", None)
        self.answer_all(kind)

    @rule(who=st.sampled_from(PEOPLE))
    def write_at_once(self, who):
        self.write(who)
        self.answer_all("result")

    @rule(method=st.sampled_from(READS), who=st.sampled_from(PEOPLE))
    def write_while_reading(self, method, who):
        """A read sets off, a write ends, and the same is read again."""
        self.read(method, who, b"[]", None)
        self.write(who)
        self.answer(len(self.held) - 1, "result")
        self.read(method, who, b"[]", None)

    @rule(kind=st.just("result"))
    def answer_all(self, kind):
        while self.held:
            self.answer(0, kind)

    @rule(on=st.sampled_from([True, True, True, False]))
    def switch(self, on):
        self.relay.switches.cache = on

    @invariant()
    def nothing_is_lost(self):
        assert all(not one.task.done() for one in self.asked)
        assert self.tier.bytes <= 6000

    def teardown(self):
        for held in tuple(self.held):
            held.outcome.set_result("result")
        self.turn()
        self.done(self.flights.settle(1.0))
        for one in self.asked:
            one.task.cancel()
        self.turn()
        self.loop.close()


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=50)
TestWhateverHappens = Machine.TestCase
