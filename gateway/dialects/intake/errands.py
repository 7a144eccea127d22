"""How is a hidden call carried out? By a request or two, with the service's own ids, which may be gone at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlencode
from weakref import WeakValueDictionary

from cachetools import LRUCache
from msgspec import Struct

from gateway.core.call import Call
from gateway.core.faults import DeadlineExceeded, UpstreamBroken
from gateway.core.intake import encodings, schema, searching
from gateway.core.intake.chains import Chain
from gateway.core.intake.entries import entry_of, is_run_by_the_client, told
from gateway.core.intake.refusals import Refusal
from gateway.core.intake.wire import UnreadableError, pack, unpack
from gateway.core.reply import Fields
from gateway.core.service import Service
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.vouching import bearer_fields, told_apart
from gateway.dialects.intake import hidden, packs
from gateway.dialects.intake.hidden import Wanted
from gateway.dialects.openapi.coding import UnreadableCodingError, plain

_MOST_IDS: Final = 4096
_FIELDS: Final[Fields] = ((b"Accept-Encoding", b"identity"), (b"User-Agent", b"labgate"))
_OFF_THE_LOOP: Final = 1 << 18
DRIFTED: Final = 409
"""The status of a read whose source has another schema by now than the caller's."""

_Key = tuple[str, str, bytes]


class Known(Struct, frozen=True):
    """The service's id for what was opened, and what stands for its schema."""

    id: str
    mark: str


class Ids:
    """The service's ids for what was opened of it, by what the gate calls it; forgotten when they no longer hold."""

    def __init__(self) -> None:
        self.known: LRUCache[_Key, Known] = LRUCache(_MOST_IDS)
        self._turns: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()

    def turn(self, key: _Key) -> asyncio.Lock:
        """Whoever opens this; others wait for what comes of it."""
        return self._turns.setdefault(key, asyncio.Lock())


class Errand:
    """One hidden call, and what it takes to answer it."""

    def __init__(self, ids: Ids, call: Call, service: Service, upstream: Upstream) -> None:
        self._ids = ids
        self._call = call
        self._service = service
        self._upstream = upstream
        self._wanted = hidden.wanted_by(call)
        self._relied = False
        """Whether an id was used that an earlier call was given: the service may have forgotten it."""

    async def run(self) -> bytes:
        """What is stored and answered. Raises Refusal for what the service refuses, and faults."""
        wanted = self._wanted
        steps: dict[str, Callable[[Wanted], Awaitable[bytes]]] = {
            hidden.LIST: self._list,
            hidden.TELL: self._tell,
            hidden.OPEN: self._open,
            hidden.GO: self._go,
            hidden.READ: self._read,
        }
        try:
            try:
                return await steps[wanted.what](wanted)
            except Refusal as refusal:
                if refusal.status < 500 or not self._relied:
                    raise
            # A service that was started anew knows none of its ids, and says so as it says everything.
            self._forget(wanted.chain)
            self._relied = False
            return await steps[wanted.what](wanted)
        except UnreadableError as problem:
            raise UpstreamBroken(
                f"The service {self._service.qualified!r} answered with what cannot be read: {problem}."
            ) from problem

    # --- the five

    async def _list(self, wanted: Wanted) -> bytes:
        return await self._listing_of(wanted.chain)

    async def _listing_of(self, chain: Chain) -> bytes:
        if chain.is_search and not searching.is_sayable(chain.steps[-1]):
            return await self._found(chain)
        answer = await self._ask("GET", "/v1/info", await self._id_of(chain))
        return await _worked(packs.listing_packed, answer)

    async def _found(self, chain: Chain) -> bytes:
        """What a search finds that the service cannot be asked for: the entries of the catalog and of those in it."""
        whole = packs.Listing(await self._listing_of(chain.parent))
        words = searching.words_of(chain.steps[-1])
        found: dict[str, Any] = {}
        for entry in whole.entries(None, 0):
            name = entry["name"]
            if entry.get("container") == "catalog" and "." not in name:
                for one in await self._within(chain.parent.opened(name, {})):
                    if searching.finds(words, one):
                        found[f"{name}.{one['name']}"] = one | {"name": f"{name}.{one['name']}"}
            if searching.finds(words, entry):
                found[name] = entry
        return packs.packed(whole.version, whole.metadata, found.values())

    async def _within(self, chain: Chain) -> list[Any]:
        """The entries of a nested catalog; none of one that cannot be opened."""
        try:
            return packs.Listing(await self._listing_of(chain)).entries(None, 0)
        except Refusal:
            return []

    async def _tell(self, wanted: Wanted) -> bytes:
        target = "/v1/source?" + urlencode({"name": wanted.name})
        said = unpack(await self._ask("GET", target, await self._id_of(wanted.chain)))
        return pack(entry_of(said.get("source") if isinstance(said, dict) else None).said)

    async def _open(self, wanted: Wanted) -> bytes:
        return pack((await self._opened(wanted.chain))[1])

    async def _go(self, wanted: Wanted) -> bytes:
        """The entry for a caller who goes to its data themselves, as the one driver that it names allows."""
        parent = await self._id_of(wanted.chain.parent)
        _, name, parameters = wanted.chain.steps[-1]
        said = await self._post(
            parent, action="open", name=name, parameters=parameters, available_plugins=[wanted.name]
        )
        if "source_id" in said or is_run_by_the_client(said.get("args")):
            raise Refusal(400, f"{name} cannot be read from where it lies")
        return pack(told({"direct_access": "allow", **said}))

    async def _read(self, wanted: Wanted) -> bytes:
        await self._id_of(wanted.chain)
        known = self._ids.known[self._key(wanted.chain)]
        if known.mark != wanted.mark:
            raise Refusal(DRIFTED, f"{wanted.chain.dotted} has changed: open it again")
        asked: dict[str, Any] = {
            "action": "read",
            "source_id": known.id,
            "accepted_formats": [wanted.format],
            "accepted_compression": [encodings.PLAIN],
        }
        if wanted.partition is not None:
            asked["partition"] = wanted.partition
        answer = await self._ask("POST", "/v1/source", await self._id_of(wanted.chain.parent), pack(asked))
        return await _worked(lambda body: encodings.stored(body, wanted.format), answer)

    # --- ids

    def _key(self, chain: Chain) -> _Key:
        # Who may open something is the service's to say, where it sees who asks.
        return self._service.qualified, told_apart(self._service, self._call), chain.packed

    async def _id_of(self, chain: Chain) -> str | None:
        """The service's id for what the chain leads to, None for its outermost catalog.

        Names that a search finds lead there from where it was made, too.
        """
        while chain.is_search and not searching.is_sayable(chain.steps[-1]):
            chain = chain.parent
        if not chain.steps:
            return None
        key = self._key(chain)
        known = self._ids.known.get(key)
        if known is not None:
            self._relied = True
            return known.id
        turn = self._ids.turn(key)
        async with turn:
            known = self._ids.known.get(key)
            if known is not None:
                return known.id
            if not chain.is_search:
                return (await self._opened(chain))[0]
            parent = await self._id_of(chain.parent)
            _, words, named = chain.steps[-1]
            said = await self._post(parent, action="search", query=[words, named])
            found = self._ids.known[key] = Known(_id_in(said), "")
            return found.id

    async def _opened(self, chain: Chain) -> tuple[str, dict[str, Any]]:
        """Open it: the service's id, and what else it says."""
        parent = await self._id_of(chain.parent)
        _, name, parameters = chain.steps[-1]
        said = await self._post(parent, action="open", name=name, parameters=parameters, available_plugins=[])
        number = _id_in(said)
        del said["source_id"]
        self._ids.known[self._key(chain)] = Known(number, schema.mark_of(said))
        return number, said

    def _forget(self, chain: Chain) -> None:
        while chain.steps:
            self._ids.known.pop(self._key(chain), None)
            chain = chain.parent

    # --- requests

    async def _post(self, source_id: str | None, **asked: Any) -> dict[str, Any]:
        said = unpack(await self._ask("POST", "/v1/source", source_id, pack(asked)))
        if not isinstance(said, dict):
            raise UnreadableError("it is no map")
        return said

    async def _ask(self, verb: str, target: str, source_id: str | None, body: bytes | None = None) -> bytes:
        call, service = self._call, self._service
        left = call.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise DeadlineExceeded(f"The call's time was over before {service.qualified!r} was asked.")
        fields = (
            *_FIELDS,
            *bearer_fields(call.bearer),
            (b"X-Request-Id", call.id.encode("ascii", "replace")),
        )
        if source_id is not None:
            fields = (*fields, (b"source-id", source_id.encode("latin-1", "replace")))
        answer = await self._upstream.exchange(
            Request(
                verb,
                target,
                fields,
                body,
                deadline=call.deadline,
                max_reply=service.max_reply,
                repeatable=True,
                principal=call.principal,
            )
        )
        return self._body_of(answer)

    def _body_of(self, answer: Answer) -> bytes:
        service = self._service
        if answer.status == 200:
            try:
                return plain(answer, service.max_reply)
            except UnreadableCodingError as problem:
                raise UnreadableError(str(problem)) from problem
        if answer.status < 400:
            raise UpstreamBroken(f"The service {service.qualified!r} answered with HTTP {answer.status}.")
        if answer.status in (401, 403) and not service.introduced:
            raise UpstreamBroken(
                f"The service {service.qualified!r} refuses the gate itself (HTTP {answer.status}): check `headers` of the service."
            )
        raise Refusal(answer.status, _reason(answer), upstream=True)


def _id_in(said: dict[str, Any]) -> str:
    found = said.get("source_id")
    if not isinstance(found, str) or not found:
        raise UnreadableError("it gives no source_id")
    if any(char in found for char in "\r\n\0"):
        raise UnreadableError("its source_id fits into no header field")
    return found


def _reason(answer: Answer) -> str:
    reason = answer.reason
    try:
        return reason.encode("latin-1").decode()
    except UnicodeError:
        return reason


async def _worked(work: Callable[[bytes], bytes], body: bytes) -> bytes:
    """The work is done beside the loop where there is much of it."""
    return await asyncio.to_thread(work, body) if len(body) > _OFF_THE_LOOP else work(body)
