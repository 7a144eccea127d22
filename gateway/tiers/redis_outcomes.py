"""How do replicas know of each other's calls that are made once? By a record in Redis for each, from before it sets out.

Whoever makes the record makes the call; what came of it takes the place of the claim. A gate says again and again that it
lives as long as calls of its own are under way: the call of one that is gone has ended, and nobody knows how. What cannot be told
while Redis is away is told when it is there again; a call that cannot be claimed is not made.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from secrets import token_hex
from typing import Any, Final

from msgspec import Struct

from gateway.core.outcome_record import Record, Told, line, read, written

LIFE: Final = 20.0
"""Seconds after which a gate that was not heard of is gone."""
_AGAIN: Final = 0.5
"""Seconds until it is tried again to tell what Redis has not heard."""
_MOST_UNTOLD: Final = 10_000
_MAC: Final = 16

CLAIM: Final = """
local have = redis.call('GET', KEYS[1])
if have and have ~= ARGV[4] then return have end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], 1, 'PX', ARGV[3])
return false
"""
"""Make the record unless there is one, but for the fourth argument, a claim in vain; and say that its writer lives."""

TELL: Final = """
local have = redis.call('GET', KEYS[1])
if have and string.sub(have, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
"""Put another record into the place of one that begins in this way, or of none; an empty one forgets it."""

Ask = Callable[..., Awaitable[list[Any] | None]]


class Claim(Struct, frozen=True):
    """A call that is ours to make: `writer` is this gate's name and the claim's own, which nobody takes for another claim."""

    key: bytes
    said: bytes
    writer: str


class RedisOutcomes:
    """The calls that all gates of one Redis make once."""

    def __init__(self, ask: Ask, key: Callable[[str], str], secret: bytes) -> None:
        """`ask` sends commands and gives their replies, None where that fails; `key` is what Redis calls a name.

        `secret` is what the gates have in common: nobody else makes records, nor learns from their names whose they are.
        """
        self._ask = ask
        self._key = key
        self._secret = blake2b(secret, digest_size=32, person=b"labgate-once").digest()
        self._name = token_hex(8)
        self._closed = False
        self._running: set[str] = set()
        self._untold: dict[str, tuple[Claim, bytes, float]] = {}
        """By writer what is to be said of a claim, and for how many seconds it counts; nothing forgets it."""
        self._living: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None

    async def claim(self, key: bytes, said: bytes, seconds: float) -> Claim | Record:
        """Claim a call, of which nobody need know after so many seconds; or what is known of it already.

        Raises OSError where Redis is away.
        """
        claim = Claim(key, said, f"{self._name}-{token_hex(6)}")
        record = self._sealed(key, line(claim.writer, said))
        self._running.add(claim.writer)
        in_vain = b""
        while True:
            names = (self._named(key), self._life_of(claim.writer))
            times = (round(1000 * seconds), round(1000 * LIFE))
            replies = await self._ask(("EVAL", CLAIM, 2, *names, record, *times, in_vain))
            if replies is None:
                # It may be there all the same, and must not keep anybody from the call.
                self.forget(claim)
                raise ConnectionError("redis is away")
            if replies[0] is None:
                self._live()
                return claim
            found = self._opened(key, said, replies[0])
            if found.ended or found.writer in self._running or not found.writer.startswith(self._name):
                self._running.discard(claim.writer)
                return (
                    found
                    if found.ended or await self._lives(found.writer)
                    else Record(found.writer, found.said, ended=True)
                )
            in_vain = replies[0]

    def tell(self, claim: Claim, answer: Told | None, seconds: float) -> None:
        """The call has ended so, which counts for so long; None where the answer is not kept."""
        record = line(claim.writer, claim.said) + written(answer)
        self._tell(claim, self._sealed(claim.key, record), seconds)

    def forget(self, claim: Claim) -> None:
        """The call may be made anew."""
        self._tell(claim, b"", 0.0)

    async def close(self) -> None:
        """Tell what is untold, if Redis is there; what is under way will never be known."""
        self._closed = True
        for task in (self._living, self._telling):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        await self._told()
        await self._ask(("DEL", self._life_of(self._name)))

    # --- what is told beside the calls

    def _tell(self, claim: Claim, record: bytes, seconds: float) -> None:
        self._running.discard(claim.writer)
        if self._closed:
            return
        if len(self._untold) >= _MOST_UNTOLD:
            self._untold.pop(next(iter(self._untold)))  # its claim says that nobody knows, soon
        self._untold[claim.writer] = (claim, record, seconds)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(
                self._go_on_telling(), name="tell outcomes"
            )

    async def _go_on_telling(self) -> None:
        while self._untold:
            if not await self._told():
                await asyncio.sleep(_AGAIN)

    async def _told(self) -> bool:
        """Tell what there is to tell; whether Redis has heard it."""
        taken, self._untold = self._untold, {}
        if not taken:
            return True
        commands = (
            (
                "EVAL",
                TELL,
                1,
                self._named(one.key),
                line(one.writer, one.said),
                record,
                max(1, round(1000 * seconds)),
            )
            for one, record, seconds in taken.values()
        )
        heard = await self._ask(*commands) is not None
        if not heard:
            self._untold = taken | self._untold  # what was said meanwhile holds
        return heard

    def _live(self) -> None:
        if self._living is None or self._living.done():
            self._living = asyncio.get_running_loop().create_task(self._go_on_living(), name="live in redis")

    async def _go_on_living(self) -> None:
        while self._running:
            await asyncio.sleep(LIFE / 4)
            await self._ask(("SET", self._life_of(self._name), 1, "PX", round(1000 * LIFE)))

    async def _lives(self, writer: str) -> bool:
        """Whether the gate that made a claim is there. Raises OSError."""
        if writer.startswith(self._name):
            return True
        replies = await self._ask(("EXISTS", self._life_of(writer)))
        if replies is None:
            raise ConnectionError("redis is away")
        return bool(replies[0])

    # --- names and seals

    def _named(self, key: bytes) -> str:
        return self._key(f"once:{blake2b(key, digest_size=20, key=self._secret).hexdigest()}")

    def _life_of(self, writer: str) -> str:
        return self._key(f"alive:{writer.partition('-')[0]}")

    def _sealed(self, key: bytes, text: bytes) -> bytes:
        return text + self._mac(key, text)

    def _mac(self, key: bytes, text: bytes) -> bytes:
        return blake2b(key + text, digest_size=_MAC, key=self._secret).digest()

    def _opened(self, key: bytes, said: bytes, sealed: bytes) -> Record:
        """What a record says. Of one that no gate wrote nothing is believed but that there is one."""
        text, mac = sealed[:-_MAC], sealed[-_MAC:]
        found = read(text) if hmac.compare_digest(self._mac(key, text), mac) else None
        return Record("", said, ended=True) if found is None else found
