"""How does an end on one replica become an end on all of them, and which stored value still holds here?

Every host has counters of its own, and Redis has counters of which all replicas know. A bump goes to the host's own at
once, is noted as not sent, and goes to Redis when it can be reached; Redis tells the other hosts, and each bumps its own
counters for the same slots. An entry in memory or on a disk agrees with the host's own counters; a value in Redis carries
those of Redis. *No answer that left before a write ended is stored, shared or joined after it*, because

- what is stored carries the counters of Redis as this host knew them while its own counters still were what they had been
  before the trip: whatever we heard of since then would have changed those too. If a write ended elsewhere meanwhile, the
  number is an old one, and the value agrees with nothing;
- what is read agrees with the counters of Redis at the moment of reading, all bumps of this host among them (else it is
  not used), and gets the host's own counters only if none of its rows changed from before the question until then. What
  ends elsewhere later reaches us as a message, and voids it like every other entry;
- a bump is noted before anything can agree with it, and what was not sent, is sent before anything is read or stored;
- a Redis that lost what it knew (restarted, emptied, restored, replaced) has another *incarnation*: values of the one before
  are void, and so is all that lies at this host, for nobody knows which bumps were lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gateway.core.ports import Generations, Sought
from gateway.core.verdict import Entry
from gateway.tiers.bumps import EPOCH, Bumps
from gateway.tiers.generations import slot_names, slots


class Replicated:
    """A host's generations, of which other hosts hear. `read` is the host's own function, and costs nothing more."""

    def __init__(self, local: Generations, bumps: Bumps) -> None:
        self._local = local
        self._bumps = bumps
        self.read = local.read
        self.wake: Callable[[], None] = _nobody
        """Called when there is something to send."""

    @property
    def epoch(self) -> int:
        """The number that policies, revocations and reloads raise."""
        return self._local.epoch

    @property
    def changes(self) -> int:
        """Rises with everything that ends: as long as it stays, what was read before still agrees."""
        return self._local.changes

    def bump(self, *groups: tuple[str, ...]) -> None:
        """End the present generation of each name, here at once, and on every replica as soon as it can be told."""
        if not any(groups):
            return
        with self._bumps.alone():
            for names in groups:
                self._note(set(slots(names)))
            self._local.bump(*groups)
        self.wake()

    def advance(self) -> None:
        """Raise the epoch, here at once, and on every replica as soon as it can be told."""
        with self._bumps.alone():
            self._note((EPOCH,))
            self._local.advance()
        self.wake()

    def sync(self) -> None:
        """Have what was ended here outlive the machine's power, with what is still to be told to others. Raises OSError."""
        self._local.sync()
        self._bumps.sync()

    def _note(self, rows: Iterable[int]) -> None:
        self._bumps.touch(rows)
        for row in rows:
            self._bumps.made[row] += 1

    # --- for the exchange with Redis

    @property
    def host(self) -> str:
        """What the workers of this host have in common."""
        return self._bumps.host

    def unsent(self) -> Mapping[int, int]:
        """The rows of which Redis does not have every bump, with how many were made."""
        with self._bumps.alone():
            return self._bumps.unsent()

    def sent(self, made: Mapping[int, int], counters: Mapping[int, int]) -> None:
        """Redis has so many bumps of these rows, and its counters are now these."""
        bumps = self._bumps
        with bumps.alone():
            bumps.touch(made)
            for row, count in made.items():
                bumps.sent[row] = max(bumps.sent[row], count)
            self._hear(counters, own=True)

    def hear(self, counters: Mapping[int, int], *, own: bool) -> None:
        """Counters of Redis rose to this; `own` = by a bump of this host, which has ended here what it ends."""
        with self._bumps.alone():
            self._hear(counters, own=own)

    def meet(self, incarnation: bytes, counters: Mapping[int, int]) -> bool:
        """These are all the counters of Redis; a row that is absent is 0. Whether it is the Redis that was known."""
        bumps = self._bumps
        with bumps.alone():
            if known := bumps.incarnation == incarnation:
                self._hear(counters, own=False)
            else:
                bumps.touch(range(EPOCH + 1))
                self._local.advance()
                for row in range(EPOCH + 1):
                    bumps.heard[row] = counters.get(row, 0)
                bumps.incarnation = incarnation
        return known

    def _hear(self, counters: Mapping[int, int], *, own: bool) -> None:
        heard = self._bumps.heard
        risen = {row: count for row, count in counters.items() if count > heard[row]}
        if not risen:
            return
        # A counter that rose by more than our own bump rose by somebody else's too.
        others = [row for row, count in risen.items() if not (own and count == heard[row] + 1)]
        self._bumps.touch(risen)
        if EPOCH in others:
            self._local.advance()
        self._local.bump(tuple(slot_names()[row] for row in others if row != EPOCH))
        for row, count in risen.items():
            heard[row] = count

    # --- for the tier

    @property
    def moment(self) -> int:
        """The clock of changes; to be read before a value is asked for, see `now`."""
        with self._bumps.alone():
            return self._bumps.moment

    def before(self, entry: Entry | Sought) -> tuple[bytes, tuple[int, ...]] | None:
        """The incarnation and the counters of Redis from before the entry's trip; None if the entry is void."""
        rows = rows_of(entry.lineage)
        bumps = self._bumps
        with bumps.alone():
            if entry.epoch != self._local.epoch or entry.generations != self.read(entry.lineage):
                return None
            if not bumps.settled(rows, bumps.moment):
                return None
            return bumps.incarnation, tuple([bumps.heard[row] for row in rows])

    def now(
        self, lineage: tuple[str, ...], incarnation: bytes, since: int
    ) -> tuple[int, tuple[int, ...]] | None:
        """The host's own epoch and counters for a value that was asked for at `since`; None if it may not be used."""
        bumps = self._bumps
        with bumps.alone():
            if incarnation != bumps.incarnation or not bumps.settled(rows_of(lineage), since):
                return None
            return self._local.epoch, self.read(lineage)


def rows_of(lineage: tuple[str, ...]) -> tuple[int, ...]:
    """The rows that an entry of this lineage must agree with: those of its names, and the epoch's."""
    return (*slots(lineage), EPOCH)


def _nobody() -> None:
    return None
