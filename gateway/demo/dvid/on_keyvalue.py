"""What do key-value instances answer?"""

import io
import json
import re
import tarfile
from collections.abc import Iterable

from gateway.demo.dvid import protobuf
from gateway.demo.dvid.asking import Ask, Calls
from gateway.demo.dvid.errors import DvidError, PlainError
from gateway.demo.dvid.http import JSON, OCTETS, Answer, as_json
from gateway.demo.dvid.keyvalues import KeyValues

_RANGE = re.compile("bytes=([0-9]{0,18})-([0-9]{0,18})")


def _keys(ask: Ask[KeyValues]) -> Answer:
    return as_json(ask.instance.keys(ask.lineage))


def _range(ask: Ask[KeyValues]) -> Answer:
    first, last = ask.take(2, "keyrange/<key1>/<key2>")
    return as_json(ask.instance.keys(ask.lineage, first, last))


def _range_values(ask: Ask[KeyValues]) -> Answer:
    first, last = ask.take(2, "keyrangevalues/<key1>/<key2>")
    return _bundle(ask, ask.instance.keys(ask.lineage, first, last))


def _key(ask: Ask[KeyValues]) -> str:
    ask.take(1, "key/<key>")
    return "/".join(ask.args)


def _get(ask: Ask[KeyValues]) -> Answer:
    key = _key(ask)
    value = ask.instance.values.get(ask.lineage, key)
    if value is None:
        raise PlainError(404, f"Key {json.dumps(key)} not found")
    return _part(ask, value)


def _part(ask: Ask[KeyValues], value: bytes) -> Answer:
    """A value, or that range of it which the request wants (RFC 9110, 14; or DVID's own options)."""
    size, query = len(value), ask.request.query
    if "byte_start" in query or "byte_end" in query:
        first, last = query.get("byte_start", "0"), query.get("byte_end", str(size - 1))
    else:
        found = _RANGE.fullmatch(ask.request.fields.get("Range", ""))
        if found is None or found[1] == found[2] == "":
            return Answer([value], OCTETS, fields={"Accept-Ranges": "bytes"})
        first, last = found[1] or str(max(0, size - int(found[2]))), (found[1] and found[2]) or str(size - 1)
    if not first.isdecimal() or not last.isdecimal() or not int(first) <= int(last) or int(first) >= size:
        raise PlainError(416, f"the range {first}-{last} lies outside of {size} bytes")
    low, high = int(first), min(int(last), size - 1)
    fields = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {low}-{high}/{size}"}
    return Answer([value[low : high + 1]], OCTETS, 206, fields)


def _head(ask: Ask[KeyValues]) -> Answer:
    found = ask.instance.values.get(ask.lineage, _key(ask))
    return Answer(status=200 if found is not None else 404)


def _post(ask: Ask[KeyValues]) -> Answer:
    ask.instance.values.put(ask.lineage[0], {_key(ask): ask.request.body})
    return Answer()


def _delete(ask: Ask[KeyValues]) -> Answer:
    ask.instance.values.put(ask.lineage[0], {_key(ask): None})
    return Answer()


def _values(ask: Ask[KeyValues]) -> Answer:
    if ask.request.flag("json") or "jsontar" in ask.request.query:
        said = ask.request.said()
        if not isinstance(said, list) or not all(isinstance(key, str) for key in said):
            raise DvidError("expected a JSON array of keys")
    else:
        said = protobuf.keys(ask.request.body)
    return _bundle(ask, said)


def _put_values(ask: Ask[KeyValues]) -> Answer:
    ask.instance.values.put(ask.lineage[0], {**protobuf.key_values(ask.request.body)})
    return Answer()


def _bundle(ask: Ask[KeyValues], keys: Iterable[str]) -> Answer:
    """The values of those keys that there are: as JSON, a tar file, or protobuf."""
    lineage, query = ask.lineage, ask.request.query
    found = {key: value for key in keys if (value := ask.instance.values.get(lineage, key)) is not None}
    if ask.request.flag("json"):
        return Answer([_object(found, checked=query.get("check") != "false")], JSON)
    if ask.request.flag("tar") or "jsontar" in query:
        return Answer([_tar(found)], "application/tar")
    return Answer([protobuf.from_key_values(found)], OCTETS)


def _object(found: dict[str, bytes], *, checked: bool) -> bytes:
    members = []
    for key, value in found.items():
        if checked:
            try:
                json.loads(value)
            except ValueError:
                raise DvidError(f"bad JSON for key {key!r}") from None
        members.append(json.dumps(key).encode() + b":" + value)
    return b"{" + b",".join(members) + b"}"


def _tar(found: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for key, value in found.items():
            member = tarfile.TarInfo(key)
            member.size = len(value)
            archive.addfile(member, io.BytesIO(value))
    return stream.getvalue()


CALLS: Calls = {
    ("GET", "keys"): _keys,
    ("GET", "keyrange"): _range,
    ("GET", "keyrangevalues"): _range_values,
    ("GET", "key"): _get,
    ("HEAD", "key"): _head,
    ("POST", "key"): _post,
    ("DELETE", "key"): _delete,
    ("GET", "keyvalues"): _values,
    ("POST", "keyvalues"): _put_values,
}
