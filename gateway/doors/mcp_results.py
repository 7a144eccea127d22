"""What of a result is an agent told? Text of a bounded length, a picture of an array, the head of a table, a link to the rest."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from msgspec import Struct

from gateway.core.arrays import Array, NotSayable, from_json
from gateway.core.faults import Fault, Unrepresentable
from gateway.core.reply import Composed, Reply
from gateway.doors.arrow import is_stream, stream_as_csv
from gateway.doors.forms import as_bytes, as_csv
from gateway.doors.gathering import whole
from gateway.doors.pictures import has_picture, picture

MOST: Final = 64 << 20
"""Bytes of an array or a table that is looked at; of a larger one only its shape is told."""

_FEW: Final = 256
"""Elements of an array that are told one by one."""

_IMAGES: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))
_NDARRAY, _BINARY = b'{"$ndarray":', b'{"$binary":'
_TABLES: Final = ("table", "tables")


class Told(Struct, frozen=True):
    """What is told of a result: a text, and an image where there is one.

    `raw` is the whole result where it is JSON that agents can be given as it is. `size` is how many bytes the result has of
    which the text is the beginning, 0 where it is all of it; `form` is how the whole is best had by its plain URL.
    """

    text: str
    kind: str = "text/plain"
    image: bytes = b""
    image_kind: str = "image/png"
    raw: bytes | None = None
    size: int = 0
    form: str = "json"


async def told_of_part(found: bytes | Array | Composed, most: int) -> Told:
    """What is told of a part of a source: a table as an Arrow stream, or an array. Raises what its pieces raise."""
    if isinstance(found, bytes):
        return await asyncio.to_thread(_of_bytes, found, most)
    if isinstance(found, Composed):
        return await _of_made(found, most)
    return await asyncio.to_thread(_of_array, _as_numpy(found), most)


async def told_of(reply: Reply, most: int, result: object) -> Told:
    """What is told of a reply that is a result, in at most `most` bytes of text; `result` is what the catalog says it is.

    Raises what its pieces raise.
    """
    if reply.composed is not None:
        return await _of_made(reply.composed, most)
    return await asyncio.to_thread(_of_json, reply.body.data, most, result)


async def _of_made(made: Composed, most: int) -> Told:
    if made.length > MOST:
        await made.pieces.aclose()
        return _of_large(made)
    data = await whole(made)
    return await asyncio.to_thread(_of_composed, made, data, most)


def _of_large(made: Composed) -> Told:
    what = f"An array of {made.dtype}, shape {list(made.shape)}" if made.dtype else "Data"
    return Told(
        f"{what}: {made.length} bytes, too large to be looked at. Ask for less at once.",
        size=made.length,
        form="npy" if made.dtype else "bytes",
    )


def _of_composed(made: Composed, data: bytes, most: int) -> Told:
    if made.dtype:
        return _of_array(np.frombuffer(data, made.dtype).reshape(made.shape), most)
    return _of_bytes(data, most)


def _of_json(raw: bytes, most: int, result: object) -> Told:
    if raw.startswith(_NDARRAY):
        try:
            found = from_json(json.loads(raw)["$ndarray"])
        except (NotSayable, ValueError, RecursionError):
            found = None
        if found is not None and found.dtype.names is None:
            return _of_array(_as_numpy(found), most)
    if raw.startswith(_BINARY):
        try:
            return _of_bytes(as_bytes(raw), most)
        except (Unrepresentable, ValueError, RecursionError):
            pass
    if result in _TABLES:
        try:
            return _table(as_csv(raw), most, len(raw))
        except (Unrepresentable, ValueError, RecursionError):
            pass
    text, cut = _beginning(raw, most)
    if cut:  # no document any more
        return Told(text, size=len(raw))
    return Told(text, "application/json", raw=raw)


def _as_numpy(found: Array) -> npt.NDArray[Any]:
    return np.frombuffer(found.data, found.dtype).reshape(found.shape)


def _of_array(array: npt.NDArray[Any], most: int) -> Told:
    dtype = array.dtype.str if array.dtype.names is None else array.dtype.descr
    about: dict[str, Any] = {"dtype": dtype, "shape": list(array.shape)}
    if array.size and array.dtype.kind in "buif":
        about |= {"min": array.min().item(), "max": array.max().item()}
    few = array.size <= _FEW and array.dtype.kind in "buif"
    if few:
        about["values"] = array.tolist()
    text, _ = _beginning(json.dumps(about).encode(), most)
    size = 0 if few else array.nbytes
    if not has_picture(array):
        return Told(text, "application/json", size=size, form="npy")
    return Told(text, "application/json", image=picture(array), size=size, form="npy")


def _of_bytes(data: bytes, most: int) -> Told:
    if is_stream(data):
        try:
            return _table(stream_as_csv(data), most, len(data))
        except Unrepresentable:
            return Told(f"A table as an Arrow stream of {len(data)} bytes.", size=len(data), form="arrow")
    kind = next((kind for magic, kind in _IMAGES if data.startswith(magic)), None)
    if kind is not None and len(data) <= most:
        return Told(f"An image of {len(data)} bytes.", image=data, image_kind=kind)
    return Told(f"{len(data)} bytes that are no text.", size=len(data), form="bytes")


def _table(csv: bytes, most: int, size: int) -> Told:
    """The first rows, as many as there is room for."""
    if len(csv) <= most:
        return Told(csv.decode("utf-8", "replace"), "text/csv")
    end = csv.rfind(b"\n", 0, most)
    return Told(csv[: end if end > 0 else most].decode("utf-8", "ignore"), "text/csv", size=size, form="csv")


def _beginning(raw: bytes, most: int) -> tuple[str, bool]:
    if len(raw) <= most:
        return raw.decode("utf-8", "replace"), False
    return raw[:most].decode("utf-8", "ignore"), True


# --- as a tool's result ----------------------------------------------------------------------------------


def tool_result(told: Told, link: str | None, *, is_object: bool) -> bytes:
    """The members of a `CallToolResult`, as JSON without the braces around them; `is_object` = so it was promised."""
    blocks = [_text(told.text)]
    if told.image:
        data = base64.b64encode(told.image).decode()
        blocks.append({"type": "image", "data": data, "mimeType": told.image_kind})
    if told.size:
        advice = f"the whole is at {link}" if link else "ask for less at once"
        blocks.append(_text(f"This is not all: the result has {told.size} bytes; {advice}"))
        if link:
            blocks.append({"type": "resource_link", "uri": link, "name": "the whole result"})
    return _members(blocks, _structured(told, link, promised=is_object))


def _structured(told: Told, link: str | None, *, promised: bool) -> bytes | None:
    """The result as an object: as it came, or what takes its place where one was promised."""
    if told.raw is not None and told.raw[:1] == b"{" and _is_strict(told.raw):
        return told.raw
    if not promised:
        return None
    if told.raw is not None and _is_strict(told.raw):
        return b'{"result":%b}' % told.raw
    return orjson.dumps({"truncated": bool(told.size), "bytes": told.size, "url": link})


def _is_strict(raw: bytes) -> bool:
    """Whether every reader of JSON takes it; `NaN` and lone surrogates stay text."""
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


def error_result(words: str, most: int) -> bytes:
    """The members of a `CallToolResult` that says why there is none: what a model can do better next time."""
    return _members([_text(words[:most])], None) + b',"isError":true'


def contents_result(contents: Sequence[Mapping[str, str]]) -> bytes:
    """The same with what `contents_of` tells of a resource."""
    return _members([_block(one) for one in contents], None)


def _block(content: Mapping[str, str]) -> dict[str, Any]:
    if "blob" in content:
        return {"type": "image", "data": content["blob"], "mimeType": content["mimeType"]}
    return _text(content["text"])


def list_result(members: bytes) -> bytes:
    """The same with these members of an object, as JSON."""
    whole = b"{%b}" % members
    return _members([_text(whole.decode())], whole)


def words_of(fault: Fault) -> str:
    """A fault as a model is told it."""
    return f"{fault.name}: {fault.message}"


def words_of_error(error: bytes) -> str:
    """An upstream's JSON-RPC error as a model is told it: its text, and its data where there are any."""
    try:
        said = json.loads(error)
    except (ValueError, RecursionError):
        return "The service answered with an error."
    message = str(said.get("message", ""))
    data = said.get("data")
    more = "" if data is None else "\n" + json.dumps(data)
    return f"The service answered with an error ({said.get('code')}): {message}{more}"


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def _members(blocks: Sequence[dict[str, Any]], structured: bytes | None) -> bytes:
    said = b'"content":' + json.dumps(blocks).encode()
    return said if structured is None else said + b',"structuredContent":' + structured


# --- as a resource's contents ----------------------------------------------------------------------------


def contents_of(uri: str, told: Told) -> list[dict[str, str]]:
    """The text, and the picture where there is one."""
    found = [{"uri": uri, "mimeType": told.kind, "text": told.text}]
    if told.image:
        data = base64.b64encode(told.image).decode()
        found.append({"uri": uri, "mimeType": told.image_kind, "blob": data})
    return found
