"""Which list of methods is in a reply, and is it a gate's?"""

from __future__ import annotations

from labgate._catalog import catalog_of
from labgate._codec import decode_json
from labgate._names import printable
from labgate._outcome import refusal_of
from labgate.errors import BadReply, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._catalog import Catalog
    from labgate._wire import Response

ASKING = b"Accept: application/json\r\nAccept-Encoding: gzip\r\n"
"""The lines by which a list is asked for: packed, since one of thousands of methods is to come over slow lines, too."""

_MOST = 256 * 1024 * 1024  # bytes of a list


class Ungated(Exception):
    """What answered is no gate; it has a list of methods (`document`), or refuses to give one (`refusal`)."""

    def __init__(self, document: dict[str, Any] | None, refusal: Error) -> None:
        super().__init__(str(refusal))
        self.document = document
        self.refusal = refusal


def listed(response: Response, gate: str, *, direct: bool, shown: bool) -> Catalog | None:
    """The catalog that the gate answers, None for the one that is held.

    Args:
        response: what was answered.
        gate: the gate's address, for texts.
        direct: a server without a gate is looked for, too.
        shown: there are fields that such a server may want to see, which a gate is not told.

    Raises:
        Error: it answers none.
        Ungated: it may be no gate that has answered, but a JSON-RPC server.
    """
    if response.status == 304:
        return None
    _unpack(response, gate)
    document = _list_in(response)
    if document is not None and _is_gates(document, response):
        about = document.get("x-labgate")
        if isinstance(about, dict):
            about.pop("direct", None)  # it is none: it has answered as a gate
        return catalog_of(document, _version(response))
    refusal: Error = BadReply(f"{gate}/openrpc.json is no list of methods")
    if response.status != 200:
        refusal = refusal_of(response, None, gate, repeatable=True)
    if not direct or not _may_be_direct(response, refusal, shown=shown):
        raise refusal
    raise Ungated(document, refusal)


def _unpack(response: Response, gate: str) -> None:
    """Have the body as it was before it was packed.

    Raises:
        BadReply: it is cut, larger than any list, or not packed as it says.
    """
    coding = (response.text(b"content-encoding") or "identity").strip().lower()
    if coding == "identity":
        return
    import zlib

    unpacking = zlib.decompressobj(31)  # with gzip's head
    try:
        if coding in ("gzip", "x-gzip"):
            response.body = unpacking.decompress(response.body, _MOST)
    except zlib.error:
        pass
    if not unpacking.eof:
        raise BadReply(
            f"{gate}/openrpc.json is packed ({printable(coding, 40)}) in a way that cannot be undone, or larger than {_MOST >> 20} MiB"
        )


def _may_be_direct(response: Response, refusal: Error, *, shown: bool) -> bool:
    """Whether what answered may be a JSON-RPC server: not where a gate, or a proxy, refuses."""
    facts = refusal.data if isinstance(refusal.data, dict) else {}
    gates = isinstance(facts.get("fault"), str) or b"labgate-catalog" in response.fields
    refuses = 300 <= response.status < 400 or response.status in (429, 502, 503, 504)
    if response.status in (401, 403):
        refuses = not shown
    return not gates and not refuses


def _version(response: Response) -> str | None:
    """The version of the catalog in a reply: its own field, else its strong ETag."""
    named = response.text(b"labgate-catalog")
    if named:
        return named
    tag = response.text(b"etag") or ""
    return tag[1:-1] if len(tag) > 2 and tag[0] == tag[-1] == '"' else None


def _list_in(response: Response) -> dict[str, Any] | None:
    """The list of methods that a reply holds, a gate's or not; None where it holds none."""
    if response.status != 200 or b"json" not in response.fields.get(b"content-type", b""):
        return None
    try:
        document = decode_json(response.body)
    except BadReply:
        return None
    return document if isinstance(document, dict) and "openrpc" in document else None


def _is_gates(document: dict[str, Any], response: Response) -> bool:
    """Whether a list is a gate's: it says so; or it lacks what OpenRPC demands of others, who have to say who they are."""
    return "x-labgate" in document or b"labgate-catalog" in response.fields or "info" not in document
