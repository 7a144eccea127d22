"""What do key-value instances answer?"""

import io
import json
import tarfile
from collections.abc import Iterable

from gateway.demo.dvid import protobuf
from gateway.demo.dvid.asking import Ask, Calls
from gateway.demo.dvid.errors import DvidError, PlainError
from gateway.demo.dvid.http import JSON, OCTETS, Answer, as_json
from gateway.demo.dvid.keyvalues import KeyValues


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
    return Answer([value], OCTETS)


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
