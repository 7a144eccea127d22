"""Two hosts and a Redis, step by step in any order: nothing from before a write is served after it was heard of."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.verdict import Entry
from gateway.tiers.bumps import EPOCH, Bumps
from gateway.tiers.generations import SLOTS, slot_names, slots
from gateway.tiers.replication import Replicated, rows_of
from tests.tiers.own_generations import OwnGenerations


def lineage_of(tag: str) -> tuple[str, ...]:
    return ("service:lab", "method:lab.get", tag)


def test_there_is_a_name_for_every_slot():
    assert [slots((name,))[0] for name in slot_names()] == list(range(SLOTS))


def test_reading_costs_nothing_more_than_on_one_host_alone():
    local = OwnGenerations()
    assert Replicated(local, Bumps()).read == local.read


def test_bumping_nothing_is_nothing_to_send():
    generations, woken = Replicated(OwnGenerations(), Bumps()), []
    generations.wake = lambda: woken.append(1)
    generations.bump(())
    assert (generations.unsent(), woken) == ({}, [])
    generations.bump(("tag:a", "tag:a"))
    assert (list(generations.unsent().values()), woken) == ([1], [1])


def test_what_is_put_on_the_disk_is_what_holds_here_and_what_is_still_to_be_sent(monkeypatch):
    local, bumps, put = OwnGenerations(), Bumps(), []
    monkeypatch.setattr(local, "sync", lambda: put.append("generations"), raising=True)
    monkeypatch.setattr(bumps, "sync", lambda: put.append("bumps"), raising=True)
    Replicated(local, bumps).sync()
    assert put == ["generations", "bumps"]


def test_bumps_that_wait_are_merged_so_that_there_are_never_more_than_slots():
    generations = Replicated(OwnGenerations(), Bumps())
    for number in range(20_000):
        generations.bump((f"tag:{number}",))
    generations.advance()
    assert len(generations.unsent()) <= SLOTS + 1
    assert generations.unsent()[EPOCH] == 1


def test_a_counter_that_rose_by_more_than_our_own_bump_is_ended_here_too():
    local = OwnGenerations()
    generations = Replicated(local, Bumps())
    (row,) = slots(("tag:a",))
    generations.bump(("tag:a",))
    before = local.read(("tag:a",))
    generations.sent(generations.unsent(), {row: 1})
    assert local.read(("tag:a",)) == before
    generations.bump(("tag:a",))
    before = local.read(("tag:a",))
    generations.sent(generations.unsent(), {row: 3})
    assert local.read(("tag:a",)) != before


def test_another_incarnation_voids_what_lies_here_and_forgets_no_bump():
    local = OwnGenerations()
    generations = Replicated(local, Bumps())
    assert not generations.meet(b"one", {5: 9})
    generations.bump(("tag:a",))
    epoch = local.epoch
    assert generations.meet(b"one", {5: 9})
    assert local.epoch == epoch
    assert not generations.meet(b"two", {})
    assert local.epoch == epoch + 1
    assert list(generations.unsent()) == list(slots(("tag:a",)))


def entry_of(generations: Replicated, body: bytes = b"old") -> Entry:
    """An answer whose trip begins now."""
    lineage = lineage_of("tag:a")
    numbers = generations.read(lineage)
    return Entry(b"k", "result", body, 0, 9, 9, generations.epoch, numbers, lineage=lineage)


def met(local: OwnGenerations, bumps: Bumps) -> Replicated:
    generations = Replicated(local, bumps)
    generations.meet(b"one", {})
    return generations


def test_an_answer_that_left_before_a_write_ended_elsewhere_is_stored_under_numbers_that_are_past():
    (row,) = slots(("tag:a",))
    generations = met(OwnGenerations(), Bumps())
    entry = entry_of(generations)
    # The write has ended elsewhere, its message is under way: the number in Redis is 1 now.
    assert generations.before(entry) == (b"one", (0, 0, 0, 0))
    generations.hear({row: 1}, own=False)
    assert generations.before(entry) is None
    assert generations.before(entry_of(generations)) == (b"one", (0, 0, 1, 0))


def test_an_answer_that_left_before_a_write_ended_here_is_not_stored_sent_or_not():
    generations = met(OwnGenerations(), Bumps())
    entry = entry_of(generations)
    generations.bump(("tag:a",))
    assert generations.before(entry) is None
    assert generations.before(entry_of(generations)) is None, "Redis does not know yet"
    generations.sent(generations.unsent(), dict.fromkeys(generations.unsent(), 1))
    assert generations.before(entry) is None
    assert generations.before(entry_of(generations)) == (b"one", (0, 0, 1, 0))


def test_a_value_is_not_used_while_another_worker_has_a_bump_that_is_not_sent():
    local, bumps = OwnGenerations(), Bumps()
    one, other = met(local, bumps), met(local, bumps)
    one.bump(("tag:a",))
    assert other.now(lineage_of("tag:a"), b"one", other.moment) is None
    assert other.now(lineage_of("tag:b"), b"one", other.moment) is not None, (
        "others have nothing to do with it"
    )
    one.sent(one.unsent(), dict.fromkeys(one.unsent(), 1))
    assert other.now(lineage_of("tag:a"), b"one", other.moment) == (local.epoch, (0, 0, 1))


def test_a_value_is_not_used_if_a_bump_was_made_and_sent_while_it_was_asked_for():
    generations = met(OwnGenerations(), Bumps())
    since = generations.moment
    # Redis has answered already, by its counters from before this.
    generations.bump(("tag:a",))
    generations.sent(generations.unsent(), dict.fromkeys(generations.unsent(), 1))
    assert generations.now(lineage_of("tag:a"), b"one", since) is None
    assert generations.now(lineage_of("tag:a"), b"one", generations.moment) is not None


def test_a_value_is_not_used_if_an_end_elsewhere_was_heard_of_while_it_was_asked_for():
    local = OwnGenerations()
    generations = met(local, Bumps())
    since, before = generations.moment, local.read(("tag:a",))
    generations.hear({slots(("tag:a",))[0]: 1, EPOCH: 1}, own=False)
    assert generations.now(lineage_of("tag:a"), b"one", since) is None
    assert local.read(("tag:a",)) != before


def test_an_epoch_that_advances_on_one_host_advances_on_another():
    one, other = OwnGenerations(), OwnGenerations()
    from_here, to_there = met(one, Bumps()), met(other, Bumps())
    from_here.advance()
    before = other.epoch
    to_there.hear(dict.fromkeys(from_here.unsent(), 1), own=False)
    assert (list(from_here.unsent()), other.epoch) == ([EPOCH], before + 1)


def test_what_was_heard_twice_or_late_ends_nothing_again():
    local = OwnGenerations()
    generations = met(local, Bumps())
    (row,) = slots(("tag:a",))
    generations.hear({row: 5}, own=False)
    now = local.read(("tag:a",))
    for late in (5, 4, 1):
        generations.hear({row: late}, own=False)
    assert local.read(("tag:a",)) == now


@dataclass
class Host:
    """Workers that share their counters and numbers, as files let them do."""

    local: OwnGenerations = field(default_factory=OwnGenerations)
    bumps: Bumps = field(default_factory=Bumps)
    ended: int = 0
    """The newest version whose write this host did or heard of: older answers must not be served here any more."""
    memory: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workers = [Replicated(self.local, self.bumps) for _ in range(2)]


class Replicas(RuleBasedStateMachine):
    """What a service says is a version; a write makes the next one. Every answer, message and reply may be late."""

    HOSTS = st.integers(0, 1)
    WORKERS = st.integers(0, 1)
    LATE = st.booleans()

    def __init__(self) -> None:
        super().__init__()
        self.names = count()
        self.version = 0
        self.hosts = [Host(), Host()]
        self.value: tuple[Entry, bytes, tuple[int, ...]] | None = None
        self.trips: list[tuple[int, Entry]] = []
        self.asked: list[tuple[Any, ...]] = []
        self.answered: list[tuple[Any, ...]] = []
        self.replies: list[tuple[Any, ...]] = []
        self.told: list[tuple[bytes, int, dict[int, int], int]] = []
        self.begin()
        for host in self.hosts:
            for worker in host.workers:
                worker.meet(self.incarnation, self.table)

    def begin(self) -> None:
        self.incarnation = b"%d" % next(self.names)
        self.table: dict[int, int] = {}

    @rule(host=HOSTS, worker=WORKERS)
    def write(self, host, worker):
        self.version += 1
        self.hosts[host].workers[worker].bump(("tag:a",))
        self.hosts[host].ended = self.version

    # --- a trip, and storing what it brought

    @rule(host=HOSTS, worker=WORKERS, late=LATE)
    def leave(self, host, worker, late):
        self.trips.append((host, entry_of(self.hosts[host].workers[0], b"%d" % self.version)))
        if not late:
            self.arrive(-1, worker)

    @precondition(lambda self: self.trips)
    @rule(which=st.integers(0, 9), worker=WORKERS)
    def arrive(self, which, worker):
        host, entry = self.trips.pop(which % len(self.trips))
        self.hosts[host].memory.append(entry)
        mark = self.hosts[host].workers[worker].before(entry)
        if mark is not None:
            self.value = (entry, *mark)

    # --- reading: asked, answered by Redis, and taken by the worker that asked

    @rule(host=HOSTS, worker=WORKERS, late=LATE)
    def ask(self, host, worker, late):
        self.asked.append((host, worker, self.hosts[host].workers[worker].moment, self.hosts[host].ended))
        if not late:
            self.answer(-1, late=False)

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 9), late=LATE)
    def answer(self, which, late):
        now = tuple(self.table.get(row, 0) for row in rows_of(lineage_of("tag:a")))
        asked = self.asked.pop(which % len(self.asked))
        self.answered.append((*asked, self.value, self.incarnation, now))
        if not late:
            self.take(-1)

    @precondition(lambda self: self.answered)
    @rule(which=st.integers(0, 9))
    def take(self, which):
        """What serves must not be older than what had ended here before it was asked for."""
        found = self.answered.pop(which % len(self.answered))
        host, worker, since, ended, value, incarnation, now = found
        if value is None or (value[1], value[2]) != (incarnation, now):
            return
        entry, lineage = value[0], value[0].lineage
        numbers = self.hosts[host].workers[worker].now(lineage, incarnation, since)
        if numbers is None:
            return
        assert int(entry.body) >= ended
        self.hosts[host].memory.append(
            Entry(entry.key, "result", entry.body, 0, 9, 9, *numbers, lineage=lineage)
        )

    # --- bumps on their way

    @rule(host=HOSTS, worker=WORKERS, late=LATE)
    def send(self, host, worker, late):
        """Redis gets what is unsent, and tells everybody; the reply may come later."""
        made = dict(self.hosts[host].workers[worker].unsent())
        for row in made:
            self.table[row] = self.table.get(row, 0) + 1
        counters = {row: self.table[row] for row in made}
        self.told.append((self.incarnation, host, counters, self.hosts[host].ended))
        self.replies.append((host, worker, made, self.incarnation, counters))
        if not late:
            self.hear_reply(-1)

    @precondition(lambda self: self.replies)
    @rule(which=st.integers(0, 9))
    def hear_reply(self, which):
        host, worker, made, incarnation, counters = self.replies.pop(which % len(self.replies))
        if incarnation == self.hosts[host].bumps.incarnation:
            self.hosts[host].workers[worker].sent(made, counters)

    @precondition(lambda self: self.told)
    @rule(host=HOSTS, worker=WORKERS, which=st.integers(0, 9))
    def hear(self, host, worker, which):
        """Any of the latest messages, in any order, also twice."""
        incarnation, origin, counters, version = self.told[-1 - which % len(self.told)]
        if incarnation != self.hosts[host].bumps.incarnation:
            return
        self.hosts[host].workers[worker].hear(counters, own=host == origin)
        if counters:
            self.hosts[host].ended = max(self.hosts[host].ended, version)

    @rule(host=HOSTS, worker=WORKERS)
    def connect_again(self, host, worker):
        """Everything is taken over: what Redis knows of now, this host knows."""
        self.hosts[host].workers[worker].meet(self.incarnation, dict(self.table))
        known = [version for name, _, counters, version in self.told if name == self.incarnation and counters]
        self.hosts[host].ended = max(self.hosts[host].ended, *known, 0)

    @rule(sure=st.integers(0, 9))
    def lose_everything_but_values(self, sure):
        if not sure:
            self.begin()

    @invariant()
    def memory_serves_nothing_from_before_an_end_that_this_host_knows_of(self):
        for host in self.hosts:
            now = (host.local.epoch, host.local.read(lineage_of("tag:a")))
            assert all(
                int(entry.body) >= host.ended
                for entry in host.memory
                if (entry.epoch, entry.generations) == now
            )


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(max_examples=300, stateful_step_count=40)
