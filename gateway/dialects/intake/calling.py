"""How is a method of a catalog carried out? By the same parts that Intake's own client is answered with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson

from gateway.core import arrays
from gateway.core.assembling import Parts
from gateway.core.call import Call
from gateway.core.faults import InvalidParams, UpstreamBroken
from gateway.core.intake import encodings, firewall, schema
from gateway.core.intake.chains import ROOT, Chain
from gateway.core.intake.entries import Entry
from gateway.core.intake.refusals import Refusal
from gateway.core.intake.wire import UnreadableError, unpack
from gateway.core.naming import shown
from gateway.core.reply import Reply, Whole
from gateway.core.service import Service
from gateway.core.verdict import Pass, Verdict
from gateway.dialects.intake import gathering
from gateway.dialects.intake.asking import Asking, Found
from gateway.dialects.intake.describing import PAGE
from gateway.dialects.intake.hidden import Asker
from gateway.dialects.intake.values import as_json, packed_as_json
from gateway.dialects.openapi.requests import arguments

_TRIP: Final = Pass("trip")  # The relay knows the verdict of a hidden call, and puts it here.


class Calling:
    """One call of a catalog's method."""

    def __init__(self, call: Call, service: Service, parts: Parts) -> None:
        self._call = call
        self._service = service
        self._asking = Asking(Asker(call.id, call.principal, call.deadline, call.demand), service, parts)

    async def reply(self) -> Reply:
        """The result, or the error of the service. Raises InvalidParams, and other faults."""
        steps: Mapping[str, Callable[[dict[str, Any]], Awaitable[Reply]]] = {
            "entries": self._entries,
            "describe": self._describe,
            "search": self._search,
            "source": self._source,
            "read": self._read,
        }
        service, _, name = self._call.method.name.partition(".")
        given = self._given()
        try:
            return await steps[name](given)
        except Refusal as refusal:
            if refusal.status == 404 and "name" in given:
                which = shown(str(given["name"]))
                raise InvalidParams(
                    f"{refusal.reason}: `{which}`. {service}.entries lists those there are."
                ) from refusal
            if not refusal.upstream or refusal.status == 404:
                raise InvalidParams(f"{refusal.reason}.") from refusal
            return error_of(refusal)
        except UnreadableError as problem:
            raise UpstreamBroken(
                f"The service {self._service.qualified!r} answered with what cannot be said in JSON: {problem}."
            ) from problem

    def _given(self) -> dict[str, Any]:
        try:
            return {name: json.loads(raw) for name, raw in arguments(self._call, "lists").items()}
        except (ValueError, RecursionError) as problem:
            raise InvalidParams("The params are no JSON that can be read.") from problem

    # --- catalogs

    async def _entries(self, given: dict[str, Any]) -> Reply:
        size, offset = _natural(given, "page_size", PAGE), _natural(given, "page_offset", 0)
        listing, verdict = await self._asking.listing(await self._catalog(given))
        said = {
            "entries": listing.entries(size, offset),
            "length": len(listing),
            "metadata": listing.metadata,
        }
        return _result(as_json(said), verdict)

    async def _describe(self, given: dict[str, Any]) -> Reply:
        entry, verdict = await self._asking.entry(await self._place(given), _name(given))
        return _result(as_json(entry.said), verdict)

    async def _search(self, given: dict[str, Any]) -> Reply:
        query = given.get("query")
        if not isinstance(query, str):
            raise InvalidParams("The parameter 'query' must be a text.")
        chain = (await self._catalog(given)).searched([query], {})
        listing, verdict = await self._asking.listing(chain)
        said = {
            "entries": listing.entries(None, 0),
            "length": len(listing),
            "catalog": given.get("catalog") or "",
            **_where(given),
        }
        return _result(as_json(said), verdict)

    async def _catalog(self, given: dict[str, Any]) -> Chain:
        name = given.get("catalog")
        place = await self._place(given)
        return place if name is None or name == "" else await self._nested(place, name, {})

    async def _place(self, given: dict[str, Any]) -> Chain:
        """The catalog that the nested ones of `within` lead to."""
        steps = given.get("within") or []
        if not isinstance(steps, list) or not all(isinstance(one, dict) for one in steps):
            raise InvalidParams(
                "The parameter 'within' must be a list of objects with `name` and `parameters`."
            )
        place = ROOT
        for step in steps:
            place = await self._nested(place, step.get("name"), _parameters(step, ("name", "parameters")))
        return place

    async def _nested(self, place: Chain, name: object, parameters: dict[str, Any]) -> Chain:
        entry, chain = await self._chain(place, _name({"name": name}), parameters)
        if not entry.nested:
            raise InvalidParams(f"{shown(str(name))} is no catalog.")
        return chain

    # --- sources

    async def _source(self, given: dict[str, Any]) -> Reply:
        name = _name(given)
        own = ("name", "parameters", "within")
        entry, chain = await self._chain(await self._place(given), name, _parameters(given, own))
        said, verdict = await self._asking.opened(chain)
        kept = ("npartitions", "shape", "dtype", "chunks", "metadata")
        told = {
            "name": name,
            "container": entry.container,
            "nested": entry.nested,
            "description": entry.said.get("description", ""),
            "parameters": entry.said.get("user_parameters", []),
            "arguments": chain.steps[-1][2],
            **_where(given),
            **{key: said.get(key) for key in kept},
        }
        return _result(as_json(told), verdict)

    async def _chain(self, place: Chain, name: str, parameters: dict[str, Any]) -> tuple[Entry, Chain]:
        entry, _ = await self._asking.entry(place, name)
        return entry, place.opened(name, firewall.checked(entry, parameters))

    async def _read(self, given: dict[str, Any]) -> Reply:
        name = _name(given)
        own = ("name", "parameters", "partition", "within")
        entry, chain = await self._chain(await self._place(given), name, _parameters(given, own))
        if entry.nested:
            raise InvalidParams(f"{shown(name)} is a catalog: read one of its entries.")
        partition = given.get("partition")
        if partition is None:
            said, verdict = await self._asking.opened(chain)
            blocks = schema.lengths(said)
            many = (schema.count(said) or 0) > 1
            if said.get("container") == "ndarray" and blocks and many:
                composed = await gathering.whole(blocks, lambda at: self._block(chain, at))
                return Reply("result", Whole(b""), verdict, composed=composed)
            if said.get("container") == "ndarray" and blocks:
                # Of one block, too: the whole of a numpy file has an axis more than its schema says.
                partition = [0] * len(blocks)
            if said.get("container") == "python" and many:
                return await self._joined(chain, schema.count(said) or 0, verdict)
        return _read_result(await self._asking.read(chain, partition))

    async def _block(self, chain: Chain, at: list[int]) -> arrays.Array:
        try:
            found = await self._asking.read(chain, at)
            return encodings.array_of(unpack(found.body)["data"])
        except (Refusal, UnreadableError) as problem:
            raise UpstreamBroken(f"Block {at} of {chain.dotted} could not be read: {problem}.") from problem

    async def _joined(self, chain: Chain, count: int, verdict: Verdict) -> Reply:
        """The items of all partitions of a sequence, one after the other."""
        items: list[bytes] = []
        for at in range(count):
            found = await self._asking.read(chain, at)
            text = packed_as_json(unpack(found.body)["data"])
            if text[:1] != b"[":
                raise InvalidParams(
                    f"{chain.dotted} has {count} partitions that are no lists: say which one."
                )
            items.append(text[1:-1])
        return _result(b"[%b]" % b",".join(filter(None, items)), verdict)


def _read_result(found: Found) -> Reply:
    said = unpack(found.body)
    container, data = said["container"], said["data"]
    if container == "dataframe":
        return Reply("result", Whole(b""), found.verdict, composed=gathering.plain(data))
    if container == "ndarray":
        array = encodings.array_of(data)
        if array.dtype.names is not None:
            return _result(arrays.as_json(array), found.verdict)
        return Reply("result", Whole(b""), found.verdict, composed=gathering.single(array))
    return _result(packed_as_json(data), found.verdict)


def error_of(refusal: Refusal) -> Reply:
    """What the service refuses, as a call's error."""
    said = {
        "code": -32000,
        "message": f"{refusal.status} {refusal.reason}",
        "data": {"status": refusal.status, "reason": refusal.reason},
    }
    return Reply("error", Whole(orjson.dumps(said)), _TRIP)


def _result(body: bytes, verdict: Verdict) -> Reply:
    return Reply("result", Whole(body), verdict)


def _name(given: Mapping[str, Any]) -> str:
    name = given.get("name")
    if name is None:
        raise InvalidParams("The parameter 'name' is missing: the name of an entry.")
    if not isinstance(name, str) or not name:
        raise InvalidParams("The parameter 'name' is the name of an entry: a text that is not empty.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidParams("The parameter 'name' holds what is no character.") from None
    return name


def _where(given: Mapping[str, Any]) -> dict[str, Any]:
    """What says in which catalogs it is, where that was said."""
    return {"within": given["within"]} if given.get("within") else {}


def _parameters(given: Mapping[str, Any], own: tuple[str, ...]) -> dict[str, Any]:
    """The entry's parameters: those of the object, and those beside it."""
    said = given.get("parameters")
    if said is None:
        said = {}
    if not isinstance(said, dict):
        raise InvalidParams("The parameter 'parameters' must be an object.")
    return {**said, **{name: value for name, value in given.items() if name not in own}}


def _natural(given: Mapping[str, Any], name: str, usual: int) -> int:
    value = given.get(name)
    if value is None:
        return usual
    if type(value) is not int or value < 0:
        raise InvalidParams(f"The parameter {name!r} must be a number of entries.")
    return value
