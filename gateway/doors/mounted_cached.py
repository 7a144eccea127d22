"""What part has the cache in a request through a mount? It is looked up, asked about, stored, or answers for the service."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.core.heads import AnswerHead
from gateway.core.http_fields import length_of
from gateway.core.http_judging import Found
from gateway.core.http_storing import BY_THE_REPLY
from gateway.core.introducing import Introduction
from gateway.core.max_forwards import one_less
from gateway.core.method import Method
from gateway.core.ports import Shared
from gateway.core.principal import Principal
from gateway.core.reply import Fields, Reply, Whole
from gateway.core.serving import SPECIAL
from gateway.core.validators import (
    conditions,
    confirms,
    etag_of,
    has_validator,
    others_asked,
    same_body,
    weakly_equal,
)
from gateway.core.verdict import Entry, Hit, Miss, Pass, Stale, pass_for
from gateway.doors.answer_stream import AnswerStream, seal
from gateway.doors.keeping import Keeping, Kept
from gateway.doors.mounted_shared import MountedShared
from gateway.doors.part_keeping import PartKeeping
from gateway.doors.renewal import Errand, Renewal
from gateway.doors.wanting import wanted_of
from gateway.doors.way import Settled
from gateway.http_parts import is_part

FAILURES: Final = frozenset((500, 502, 503, 504))
"""Statuses instead of which a stale reply may serve (RFC 5861 section 4)."""

_NO_STORE: Final = ((b"Content-Type", b"text/plain; charset=utf-8"), (b"Cache-Control", b"no-store"))


class MountedCached(MountedShared):
    """A request below a mount, as far as the cache has a part in it."""

    _entry: Entry | None = None
    _spare: Entry | None = None
    _requested = 0.0
    _then: Entry | None = None  # the stored reply that is the answer when the service's has come to its end
    _again = False
    _sealed = False
    _body = b""
    _stream: AnswerStream | None = None
    _disk_waits = False

    # --- look up

    def was_not_looked_up(self, settled: Settled, mark: tuple[int, ...], requested: float) -> None:
        """Go on with a request that was sent because memory has nothing like it; `mark` was read before (see `HttpBook`)."""
        wanted = wanted_of(self._way, self.notes, settled.method, self._principal, self.query, None)
        verdict = self.tools.relay.book.since(wanted, settled.watched, mark, settled.epoch)
        if verdict is not None:
            self.wanted, self.verdict, self._requested = wanted, verdict, requested

    def consult(self, method: Method, body: bytes) -> None:
        """Answer from memory where that is right, else send the request on, as the cache wants it sent."""
        self.wanted = wanted_of(self._way, self.notes, method, self._principal, self.query, body or None)
        self._body = body
        self.look()

    def look(self) -> None:
        """Judge what memory has now."""
        wanted, tools = self._wanted, self.tools
        book = tools.relay.book
        found = book.find(wanted, tools.wall())
        if book.may_recall(wanted, found, self._way.service.qualified):
            self.later(self._recall())
        else:
            self._judge_as(found)

    async def _recall(self) -> None:
        """Ask the farther tiers."""
        found = await self.tools.relay.book.recall(self._wanted, self.tools.wall)
        if not (self.over or self.left):
            self._judge_as(found)

    def _judge_as(self, found: Found) -> None:
        """Do what was found right."""
        self.verdict = verdict = found.verdict
        match verdict:
            case Hit(entry):
                self.serve(entry)
            case Stale(entry):
                if found.refresh:
                    self._renew(verdict)
                doing = f"{verdict.why}, refreshing" if found.refresh else verdict.why
                self.serve_stale(entry, doing)
            case Pass():
                self.wanted = None
                self.go_or_say_no()
            case Miss():
                self._missed(verdict, found)

    def _missed(self, verdict: Miss, found: Found) -> None:
        if self._wanted.special and self.serve_part():
            return
        self._entry, self._spare = found.entry, found.spare
        self.candidate = self._askable(found.entry)
        if self._shares(verdict) and self._follow(verdict):
            return
        self.go_or_say_no()

    def _askable(self, entry: Entry | None) -> Entry | None:
        """The stored reply, if the service can be asked whether it still holds."""
        if entry is None or entry.head is None or self._way.verb != "GET":
            return None
        return entry if has_validator(entry.head.fields, self.tools.wall()) else None

    def go_or_say_no(self) -> None:
        """Send the request on, unless its caller wants what is stored or nothing (RFC 9111 section 5.2.1.7)."""
        if self.notes.demand.only_cached and self.safe:
            self.fault = "NotStored"
            text = b"Nothing that is stored here answers this request, and it says only-if-cached: ask without.\n"
            self._answer(504, _NO_STORE, text)
            self.land(shared=False)
            return
        self.depart()

    # --- beside

    def _renew(self, verdict: Stale) -> None:
        """Have the stale reply renewed, for whoever asks next."""
        way, tools = self._way, self.tools
        if way.service.introduced and self.introduction_at_hand() is None:
            who = self._principal
            tools.relay.beside(
                ("introduction", way.service.qualified, who), lambda: self._introduce_beside(who)
            )
            return
        stored = verdict.entry.head
        miss = Miss(verdict.key, verdict.generations, verdict.epoch, verdict.rule, verdict.why)
        asked = tuple(
            field
            for field in self.seen.fields
            if field[0].lower() not in SPECIAL | {b"cache-control", b"pragma"}
        )
        now = tools.wall()
        if stored is not None and way.verb in ("GET", "HEAD") and has_validator(stored.fields, now):
            asked = conditions(stored.fields, asked, now)
        errand = Errand(
            replace(self._wanted, demand=type(self.notes.demand)(), special=False),
            miss,
            verdict.entry,
            way.carrier,
            b"GET" if way.verb == "HEAD" else way.verb.encode(),
            way.rest,
            self.query,
            self.notes.first.get(b"host") if way.service.keep_host else None,
            self.lines_of(asked) + self.framing() + b"X-Request-Id: %b\r\n" % self.id.encode("ascii"),
            self._body,
            way.service.timeout,
        )
        key = ("renewal", verdict.key, verdict.epoch, verdict.generations)
        tools.relay.beside(key, lambda: Renewal(tools.relay, errand, tools.wall).fly())

    async def _introduce_beside(self, who: Principal) -> Reply:
        """Have what tells the service who asks, for the next renewal."""
        await self.tools.relay.introducer.obtain(self._way.service, who)
        return Reply("http", Whole(b""), pass_for("an introduction"))

    def introduction_at_hand(self) -> Introduction | None:
        """What tells the service who asks, if nobody has to be asked for it."""
        raise NotImplementedError

    def lines_of(self, passed: Fields) -> bytes:
        """The lines for the service that are made of these fields."""
        raise NotImplementedError

    def framing(self) -> bytes:
        """The line that frames the request's body, where it is not Content-Length as it was sent."""
        raise NotImplementedError

    # --- the way there

    @property
    def passed_fields(self) -> Fields:
        """The fields of the request, before any of them is left out; they ask about the stored reply, if there is one."""
        stored = None if self.candidate is None else self.candidate.head
        if stored is None:
            return one_less(self._way.verb, self.seen.fields)
        return conditions(stored.fields, self.seen.fields, self.tools.wall())

    def leaves(self) -> None:
        """The request is sent now."""
        self._requested = self.tools.wall()

    # --- the way back

    def answer_head(self, head: AnswerHead) -> bytes | None:
        """The head for the caller; None where a stored reply is the answer."""
        if self.wanted is not None and isinstance(self.verdict, Miss):
            if self.candidate is not None:
                self._asked_status = head.status
                if head.status == 304 and self._is_confirmed(head):
                    return None
            if head.status in FAILURES and self._spare is not None:
                self._then = self._spare
                return None
            self._plan(head, self.verdict)
        return self.passed_head(head)

    def _is_confirmed(self, head: AnswerHead) -> bool:
        """Whether the answer is kept back because the stored reply holds still, or because it says nothing of it."""
        candidate, book, now = self.candidate, self.tools.relay.book, self.tools.wall()
        if candidate is None or candidate.head is None or not isinstance(self.verdict, Miss):
            return False
        others = others_asked(candidate.head.fields, self.seen.fields)
        if confirms(candidate.head.fields, head.fields, alone=not others):
            entry = book.freshen(self._wanted, self.verdict, candidate, head.fields, self._requested, now)
            self._then = entry or candidate
            self.land(shared=True)
            return True
        book.drop(candidate)
        tag = etag_of(head.fields)
        if tag is not None and any(weakly_equal(tag, one) for one in others):
            return False  # what the caller has is what holds
        self._again = True
        return True

    def _plan(self, head: AnswerHead, verdict: Miss) -> None:
        """Decide whether the reply is stored."""
        wanted, book, now = self._wanted, self.tools.relay.book, self.tools.wall()
        if self._way.verb == "HEAD":
            self._learn(head, verdict, now)
            return
        part = is_part(wanted, head)
        status = 200 if part else head.status
        lasting = wanted.lasting
        how = book.how(lasting, status, head.fields, self._requested, now)
        most = min(wanted.rule.max_size, self.tools.relay.store.largest)
        if not isinstance(how, str) and length_of(head.fields) > most:
            how = "larger than may be stored"
        if isinstance(how, str):
            if self._trip is not None and head.status < 400:
                book.in_vain(wanted.root, now)
            if how != "no rule":
                self.verdict = replace(verdict, why=how)
            elif self._entry is None:
                self.verdict = pass_for(how)
            if (
                self._entry is not None
                and head.status < 500
                and not (wanted.special or wanted.demand.no_store)
            ):
                book.drop(self._entry)
            self.land(shared=False)
            return
        kept = Kept(wanted, verdict, how, head, self._requested, now, lasting.rule)
        self._keeping = (PartKeeping if part else Keeping)(self.tools.relay, kept, self._pace)
        self.trip_begins(head, self._share)

    @property
    def hands_over(self) -> bool:
        """Whether the answer is for others as it comes, and nothing but them and its store has a part in it."""
        return self.held is None

    def _share(self) -> Shared | None:
        """Have others read the answer while it comes, and go on as one of them; None where that cannot be."""
        keeping, trip, lease = self._keeping, self._trip, self.lease
        if keeping is None or trip is None or lease is None or not self.begun or not self.hands_over:
            return None
        if self._bodiless or not keeping.share():
            return None
        self._keeping = self._trip = self.lease = None
        self._stop_timer()
        self._stream = stream = AnswerStream(self, keeping, trip, lease, self.length, self.sent)
        if not self._disk_waits:
            stream.pace(False)  # its caller may have been slow
        trip.share = lambda: stream
        self.read_on(stream.reader(self.sent))
        return stream

    def is_over(self) -> None:
        """Nothing more comes of the answer that others read, too."""
        self._stream = None

    def _pace(self, wait: bool) -> None:
        """Have the service wait for the disk, or go on."""
        self._disk_waits = wait
        if self._stream is not None:
            self._stream.pace(wait)
        if self.lease is None:
            return
        if wait:
            self.lease.connection.pause_reading()
        elif not self.caller.out.paused:
            self.lease.connection.resume_reading()

    def _learn(self, head: AnswerHead, verdict: Miss, now: float) -> None:
        """Let the reply to a HEAD say what it says of the reply that is stored for GET (RFC 9111 section 4.3.5)."""
        entry, book = self._entry, self.tools.relay.book
        if entry is None or entry.head is None:
            if self._wanted.rule is BY_THE_REPLY and not head.traits.says_freshness:
                self.verdict = pass_for("no rule")
            return
        if head.status == entry.head.status and same_body(entry.head, entry.length, head.fields, now):
            book.freshen(self._wanted, verdict, entry, head.fields, self._requested, now)
        elif head.status < 500:
            book.drop(entry)

    def tee(self, data: bytes) -> None:
        """Keep what is to be stored, and nothing of what nobody gets."""
        if self.held is not None:
            self.held.clear()
        self.note(data)
        if self._keeping is not None and not self._keeping.write(data):
            self._keeping = None
            self.is_not_kept()
            self.land(shared=False)

    def note(self, data: bytes) -> None:
        """Some of the body passes."""

    def is_spoilt(self, size: int) -> bool:
        """Whether the body, which is whole with so many bytes, is none that may be stored."""
        return False

    def is_not_kept(self) -> None:
        """The answer will not be stored after all."""
        self.tools.relay.book.in_vain(self._wanted.root, self.tools.wall())

    def answered(self) -> None:
        """The service's answer is whole: store it, or give the one that it stands for."""
        if self._then is not None:
            self.sent = 0
            self._give(self._then)
        elif self._again:
            self._ask_anew()
        elif self._keeping is not None:
            self._sealed = not self.is_spoilt(self.sent)

    def _give(self, entry: Entry) -> None:
        if entry is self._spare and self._asked_status != 304:
            self.serve_stale(entry, "the service fails")
        else:
            self.serve(entry)

    def _ask_anew(self) -> None:
        """A 304 came that speaks of nothing that is here: ask for the whole."""
        self.candidate = self._entry = self._spare = None
        self._again, self.held = False, None
        self.put_early(self._body)
        self.depart()

    def stands_in(self) -> bool:
        """Answer with the stale reply, where the service cannot be reached and it may; whether it did."""
        if self._spare is None or self.begun:
            return False
        self.serve_stale(self._spare, f"{self._why()}, the service cannot be reached")
        return True

    def _why(self) -> str:
        return self.verdict.why if isinstance(self.verdict, Miss) else "expired"

    # --- the end

    def closed(self) -> None:
        """It is over: nobody waits for it, and what did not come to its end is not stored."""
        if self._keeping is not None:
            if self._sealed:
                trip, self._trip = self._trip, None
                seal(self._keeping, trip, self.id)
            else:
                self._keeping.abandon()
        self.land(shared=False, deserted=self.left)
        super().closed()
