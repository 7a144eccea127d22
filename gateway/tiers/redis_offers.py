"""Where do gates keep which description of a service they have agreed on?

In one hash: by what stands for the settings of a service, what is agreed, and how often it was seen to go down or come back. The
text of each description has a key of its own. All of it is signed: who can write to Redis can make no methods.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.exceptions import ResponseError

from gateway.core.agreeing import Agreed
from gateway.tiers.redis_scripts import OFFER

Ask = Callable[..., Awaitable[list[Any] | None]]

FORM: Final = "1"
"""Gates of a release that writes otherwise agree among themselves."""
KEPT_SECONDS: Final = 7 * 86400
"""For how long the text of a description is kept after a gate has last heard it."""
_SIZE: Final = 32


class Seen(Struct, frozen=True):
    """What stands in Redis for a service: the agreed description, None if there is none, and how often it turned."""

    agreed: Agreed | None
    raw: bytes
    turns: int
    strange: bool
    """Whether something stands there that no gate with our key has written."""


class RedisOffers:
    """Reads and writes it. Whatever fails is None, or False: then every gate goes by what it hears itself."""

    def __init__(self, ask: Ask, key: Callable[[str], str], secret: bytes) -> None:
        """`ask` sends commands and gives their replies, None where that fails; `key` is what Redis calls a name."""
        self._ask = ask
        self._key = key
        self._secret = secret
        self._table = key(f"offered-{FORM}")

    async def seen(self) -> dict[str, Seen] | None:
        """All that is agreed, by what stands for the services."""
        replies = await self._ask(("HGETALL", self._table))
        if replies is None:
            return None
        flat = replies[0]
        table = dict(zip(flat[::2], flat[1::2], strict=True))
        names = {field.removeprefix(b"turns:").decode("ascii", "replace") for field in table}
        return {name: self._seen(table, name) for name in names}

    async def text(self, name: str, digest: str) -> str | None:
        """The description that was agreed on; None if it is not there any more, or was altered."""
        replies = await self._ask(("GET", self._text_key(name)))
        value = None if replies is None or isinstance(replies[0], ResponseError) else replies[0]
        text = None if value is None else self._opened(value, name)
        if text is None or digest_of(text) != digest:
            return None
        return text.decode("utf-8", "surrogatepass")

    async def agree(self, name: str, before: bytes, agreed: Agreed, text: str) -> bool:
        """Have all agree on this, unless what stands there is not `before` any more."""
        data = text.encode("utf-8", "surrogatepass")
        values = (self._sealed(msgspec.json.encode(agreed), name), self._sealed(data, name))
        keys = (self._table, self._text_key(name))
        replies = await self._ask(("EVAL", OFFER, 2, *keys, name, before, *values, KEPT_SECONDS))
        return replies is not None and replies[0] == 1

    async def keep(self, name: str) -> bool:
        """The description was heard again: keep its text. Whether it is there."""
        replies = await self._ask(("EXPIRE", self._text_key(name), KEPT_SECONDS))
        return replies is not None and replies[0] == 1

    async def turn(self, name: str) -> int | None:
        """Tell that the service went down or came back; how often that was seen so far."""
        replies = await self._ask(("HINCRBY", self._table, f"turns:{name}", 1))
        return None if replies is None or not isinstance(replies[0], int) else replies[0]

    async def now(self) -> float | None:
        """The clock of Redis, in seconds."""
        replies = await self._ask(("TIME",))
        return None if replies is None else int(replies[0][0]) + int(replies[0][1]) / 1e6

    def _text_key(self, name: str) -> str:
        return self._key(f"offer-{FORM}:{name}")

    def _seen(self, table: dict[bytes, bytes], name: str) -> Seen:
        raw = table.get(name.encode(), b"")
        count = table.get(b"turns:" + name.encode(), b"0")
        opened = self._opened(raw, name)
        agreed = None
        try:
            agreed = None if opened is None else msgspec.json.decode(opened, type=Agreed)
        except msgspec.DecodeError:
            opened = None
        return Seen(agreed, raw, int(count) if count.isdigit() else 0, bool(raw) and opened is None)

    def _seal(self, data: bytes, name: str) -> bytes:
        return blake2b(name.encode() + b"\n" + data, digest_size=_SIZE, key=self._secret).digest()

    def _sealed(self, data: bytes, name: str) -> bytes:
        return self._seal(data, name) + data

    def _opened(self, value: bytes, name: str) -> bytes | None:
        seal, data = value[:_SIZE], value[_SIZE:]
        return data if hmac.compare_digest(seal, self._seal(data, name)) else None


def digest_of(text: bytes) -> str:
    """What stands for a description."""
    return blake2b(text, digest_size=20).hexdigest()
