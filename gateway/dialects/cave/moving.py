"""How does a datastack's record lead to the gate, and not past it?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core.places import normal_origin

_source = re.compile(
    r"((?:[a-z0-9+.-]+://)?(?:middleauth\+)?)(https?://[^/?#]+)(.*)", re.IGNORECASE | re.DOTALL
)
"""What comes before the address of a server in a source of images, the server's origin, and the rest."""
_SOURCES: Final = ("segmentation_source", "skeleton_source")
_LOCAL: Final = "local_server"
_PARTS: Final = ("/segmentation", "/meshing", "/skeletoncache")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


def moved(body: bytes, public: bytes, datastack: bytes) -> bytes:
    """The record with its local server, and sources there, at the gate; other bytes of it stay as they are.

    `public` is where callers see the root of the deployment, `datastack` the path of the local server below it. A source
    keeps no such path: cloud-volume finds `/segmentation` at the root of a host only, and a segmentation by its name.
    Raises ValueError for a body that is no JSON object.
    """
    try:
        record = _members.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("the record is no JSON object") from error
    server = _said(record, _LOCAL)
    if server is None:
        return body
    scheme, _, rest = public.partition(b"://")
    host = scheme + b"://" + rest.partition(b"/")[0]
    body = _put(body, _LOCAL, record[_LOCAL], (public + datastack).decode("latin-1"))
    for name in _SOURCES:
        source = _said(record, name)
        found = None if source is None else _moved_source(source, server, host.decode("latin-1"))
        if found is not None:
            body = _put(body, name, record[name], found)
    return body


def _said(record: Mapping[str, msgspec.Raw], name: str) -> str | None:
    raw = record.get(name)
    try:
        return None if raw is None else _text.decode(raw)
    except msgspec.DecodeError:
        return None


def _moved_source(source: str, server: str, host: str) -> str | None:
    """A source at the local server, by the path that cloud-volume looks for; None for a source elsewhere."""
    found = _source.fullmatch(source)
    here = _source.fullmatch(server)
    if found is None or here is None or _origin(found[2]) != _origin(here[2]):
        return None
    path = found[3]
    at = min((path.find(part) for part in _PARTS if part in path), default=0)
    return f"{found[1]}{host}{path[at:]}"


def _origin(written: str) -> bytes:
    return normal_origin(written.encode("utf-8"))


def _put(body: bytes, name: str, raw: msgspec.Raw, value: str) -> bytes:
    """The body with another text as the value of this member."""
    member = re.compile(rb'("%b"\s*:\s*)%b' % (re.escape(name.encode()), re.escape(bytes(raw))))
    return member.sub(lambda found: found[1] + json.dumps(value).encode(), body)
