"""How is a source opened and read? By calls of the methods that it names, each as if its caller had made it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

import numpy as np
from msgspec.structs import replace

from gateway.core import arrays
from gateway.core.arrays import Array
from gateway.core.cache_status import outcome, worst
from gateway.core.call import Call, Params
from gateway.core.faults import Fault, Forbidden, TooLarge, UnknownMethod
from gateway.core.intake.refusals import Refusal
from gateway.core.method import Method
from gateway.core.ports import Observer
from gateway.core.reply import Composed, Reply
from gateway.core.source_ids import Opened
from gateway.core.source_layout import (
    Layout,
    TooManyParts,
    arguments,
    corners,
    of_array,
    of_page,
    of_rows,
    of_volume,
)
from gateway.core.sources import Blocks, Boxes, Cut, Reader, Rows, Source, Unfit, Values, reader_of
from gateway.core.verdict import Verdict
from gateway.doors import source_results as results
from gateway.doors.asked import Asked, demand, patience
from gateway.doors.gathering import MOST
from gateway.doors.plain import as_taken
from gateway.relay import Relay


class Reading:
    """The calls that one request takes."""

    def __init__(
        self,
        relay: Relay,
        observer: Observer,
        asked: Asked,
        monotonic: Callable[[], float],
        *,
        refused: Callable[[Call, Fault], None] | None = None,
    ) -> None:
        """`refused` is told of a call that ends in a fault, where nobody else writes down that it was refused."""
        self._refused = refused
        self.calls: list[Call] = []
        """Those that were made, in their order."""
        self._relay = relay
        self._observer = observer
        self._asked = asked
        self._monotonic = monotonic
        self._until = monotonic() + patience(asked.request)
        self._replies: list[Reply] = []
        self._made: dict[tuple[str, bytes | None], Reply] = {}

    @property
    def worst(self) -> Reply | None:
        """The reply that the cache helped least."""
        return worst(self._replies)

    def reader(self, source: Source) -> Reader:
        """How the source is read. Raises Refusal where it cannot be, or not by this caller, and other faults."""
        principal = self._asked.principal
        try:
            method = self._relay.find(source.method, source.datastack, principal)
            self._relay.permit(principal, method)
            reader = reader_of(source, method, self._relay.catalog)
            for one in reader.methods:
                self._relay.permit(principal, one)
        except UnknownMethod as fault:
            raise Refusal(
                404, f"{source.name}: the gate knows no method {source.method} at present"
            ) from fault
        except Forbidden as fault:
            raise Refusal(403, f"{source.name}: {fault.message}") from fault
        except Unfit as problem:
            raise Refusal(400, f"{source.name}: {problem}") from problem
        return reader

    def readable(self, source: Source) -> Reader | None:
        """The same, None where it cannot be read by this caller now."""
        try:
            return self.reader(source)
        except (Refusal, Fault):
            return None

    # --- open

    async def layout(
        self, source: Source, reader: Reader, chosen: Mapping[str, Any]
    ) -> tuple[Layout, dict[str, Any]]:
        """What the source is, and what Intake's clients are told of it. Raises Refusal and faults."""
        given = source.given(chosen)
        try:
            if reader.describes is not None:
                return await self._of_volume(source, reader.describes, given)
            if reader.container == "dataframe":
                return await self._of_table(source, reader, given)
            layout = await self._of_array(source, reader, given)
        except TooManyParts as problem:
            raise Refusal(400, f"{source.name}: {problem}; cut it into larger ones") from problem
        return layout, layout.said()

    async def _of_volume(
        self, source: Source, describes: Method, given: Mapping[str, Any]
    ) -> tuple[Layout, dict[str, Any]]:
        reply = await self._call(describes, _taken(describes, given))
        await _give_up(reply.composed)
        try:
            said = json.loads(reply.body.data or b"null")
            chunks = source.cut.chunks if isinstance(source.cut, Blocks) else ()
            layout = of_volume(said, given.get("scale"), chunks)
        except TooManyParts:
            raise
        except ValueError as problem:
            raise Refusal(502, f"{describes.name}: {problem}") from problem
        about = {name: said[name] for name in ("axes", "resolution", "units") if name in said}
        return layout, {**layout.said(), "metadata": about | {"offset": list(layout.origin)}}

    async def _of_table(
        self, source: Source, reader: Reader, given: Mapping[str, Any]
    ) -> tuple[Layout, dict[str, Any]]:
        cut = source.cut
        stream, raw = await self._table(source, reader.reads, {**given, **_first(cut)})
        parts = 1
        if isinstance(cut, Values):
            parts = len(cut.values)
        elif isinstance(cut, Rows):
            parts = of_rows(cut, _count(cut, raw, reader.reads.name))
        layout = Layout("dataframe", parts)
        return layout, layout.said(dict(results.columns_of(stream)))

    async def _of_array(self, source: Source, reader: Reader, given: Mapping[str, Any]) -> Layout:
        cut = source.cut
        if isinstance(cut, Boxes):
            origin = cut.origin or (0,) * len(cut.shape)
            layout = of_array(cut.dtype or None, cut.shape, cut.chunks, origin=origin)
            if cut.dtype:
                return layout
            box = {**given, **arguments(cut, layout, [0] * len(cut.shape))}
            dtype, _, _ = await self._first_part(source, reader.reads, box)
            return of_array(dtype, cut.shape, cut.chunks, origin=origin)
        dtype, shape, raw = await self._first_part(source, reader.reads, {**given, **_first(cut)})
        if isinstance(cut, Values):
            return of_array(dtype, (len(cut.values), *shape), (1, *shape))
        if isinstance(cut, Rows):
            if not shape:
                raise Refusal(502, f"the result of {reader.reads.name} is one number, and has no rows")
            count = _count(cut, raw, reader.reads.name)
            return of_array(dtype, (count, *shape[1:]), (cut.size, *shape[1:]))
        return of_array(dtype, shape, shape)

    async def _first_part(
        self, source: Source, method: Method, given: Mapping[str, Any]
    ) -> tuple[str | list[Any], tuple[int, ...], bytes]:
        """The dtype and the shape of a part, and the result that it stood in; of what is made while it is sent, no part is."""
        reply = await self._call(method, given)
        made = await self._array_of(reply, source, method)
        if isinstance(made, Composed):
            await _give_up(made)
            return made.dtype, made.shape, b"{}"
        return made.dtype_name, made.shape, reply.body.data

    async def _array_of(self, reply: Reply, source: Source, method: Method) -> Array | Composed:
        made = reply.composed
        if made is None:
            return await results.array_in(reply.body.data, source.items, method.name)
        if not made.dtype:
            await _give_up(made)
            raise Refusal(502, f"the result of {method.name} is no array of numbers")
        return made

    # --- read

    async def table(self, opened: Opened, reader: Reader, at: list[int]) -> bytes:
        """A partition of a table, as an Arrow stream. Raises Refusal and faults."""
        source, method = opened.source, reader.reads
        given = {**source.given(opened.chosen), **arguments(source.cut, opened.layout, at)}
        stream, _ = await self._table(source, method, given)
        return stream

    async def array(self, opened: Opened, reader: Reader, at: list[int]) -> Array | Composed:
        """A partition of an array. Raises Refusal and faults."""
        source, layout, method = opened.source, opened.layout, reader.reads
        start, stop = layout.box(at)
        shape = tuple(b - a for a, b in zip(start, stop, strict=True))
        if 0 in shape:
            return Array(_dtype(layout.dtype), shape, b"")
        given = source.given(opened.chosen)
        if reader.describes is not None:
            given = _taken(method, given)
            given["start"], given["stop"] = corners(layout, at)
        else:
            given |= arguments(source.cut, layout, at)
        reply = await self._call(method, given)
        found = await self._array_of(reply, source, method)
        expected = shape[1:] if isinstance(source.cut, Values) else shape
        if _dtype(found.dtype) != _dtype(layout.dtype) or found.shape != expected:
            await _give_up(found)
            raise Refusal(
                502,
                f"{method.name} gave {found.dtype} {list(found.shape)} for partition {at} of {source.name} and not "
                f"{layout.dtype} {list(expected)}: open it again if it has changed",
            )
        return replace(found, shape=shape) if isinstance(found, Composed) else found._replace(shape=shape)

    # --- one call

    async def _table(self, source: Source, method: Method, given: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """A table as an Arrow stream, and the result that it stood in."""
        reply = await self._call(method, given)
        made = reply.composed
        if made is None:
            raw = reply.body.data
            return await results.table_in(raw, source.items, method.name), raw
        if made.dtype:
            await _give_up(made)
            raise Refusal(502, f"the result of {method.name} is an array, and no table")
        async with aclosing(made.pieces):
            if made.length > MOST:
                raise TooLarge(f"The result of {method.name!r} has {made.length} bytes.", limit=MOST)
            data = b"".join([piece async for piece in made.pieces])
        return results.stream_of(data, method.name), b"{}"

    async def _call(self, method: Method, given: Mapping[str, Any]) -> Reply:
        """The reply of a call of the caller's, the same one where it was made before. Raises Refusal for a service's error, and
        faults.
        """
        raw = as_taken(method, _written(given)) if given else None
        reply = self._made.get((method.qualified, raw))
        if reply is None:
            reply = await self._carried(method, raw)
            if reply.composed is None:
                self._made[method.qualified, raw] = reply
        results.check(reply, method.name)
        return reply

    async def _carried(self, method: Method, raw: bytes | None) -> Reply:
        asked, started = self._asked, self._monotonic()
        asked.visit.method = method.qualified
        timeout = self._relay.routes[method.service].service.timeout
        ended, size = "error", 0
        verdict: Verdict | None = None
        call: Call | None = None
        try:
            call = Call(
                id=asked.id,
                principal=asked.principal,
                method=method,
                ask=Params(raw),
                deadline=min(self._until, started + timeout),
                demand=demand(asked.request),
                account=asked.charged_to(self._relay.account(asked.principal, method, asked.client)),
                client=asked.client,
            )
            self.calls.append(call)
            reply = await self._relay.answer(call)
            size = len(reply.body.data) if reply.composed is None else reply.composed.length
            if call.account is not None:
                call.account.spend(size, self._relay.wall())
            ended, verdict = outcome(reply) if reply.kind == "result" else "error", reply.verdict
        except Fault as fault:
            ended = fault.name
            if call is not None and self._refused is not None:
                self._refused(call, fault)
            raise
        finally:
            self._observer.called(method, ended, self._monotonic() - started, size, verdict, asked.principal)
        self._replies.append(reply)
        return reply


async def _give_up(made: Array | Composed | None) -> None:
    """Nothing is read of what is made while it is sent."""
    if isinstance(made, Composed):
        await made.pieces.aclose()


def _taken(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that the method takes."""
    names = {param.name for param in method.params or ()}
    return {name: value for name, value in given.items() if name in names}


def _first(cut: Cut | None) -> dict[str, Any]:
    """The arguments that mean the first part, where nobody knows how many there are."""
    if isinstance(cut, Rows):
        return of_page(cut, 0, cut.count)
    return {cut.argument: cut.values[0]} if isinstance(cut, Values) else {}


def _count(cut: Rows, raw: bytes, method: str) -> int:
    return cut.count if cut.count is not None else results.count_in(raw, cut.total, method)


def _dtype(name: Any) -> np.dtype[Any]:
    return arrays.array(name, [0], b"").dtype if not isinstance(name, np.dtype) else name


def _written(given: Mapping[str, Any]) -> bytes:
    """The arguments as JSON. Raises Refusal for what has no form in it."""
    try:
        return json.dumps(given, separators=(",", ":"), default=_moment).encode()
    except (TypeError, ValueError) as problem:
        raise Refusal(400, "a parameter is of a kind that no method takes") from problem


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
