"""How are keys and values written in protobuf? `Keys {repeated string keys = 1}`, and KeyValues of KeyValue {key, value}."""

from collections.abc import Iterator, Mapping

from gateway.demo.dvid.errors import DvidError

_FIRST, _SECOND = 0x0A, 0x12  # fields 1 and 2, both with a length


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _field(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + _varint(len(data)) + data


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, length, shift = data[at], 0, 0
        at += 1
        while True:
            if at >= len(data) or shift > 63:
                raise DvidError("the body is no protobuf serialization")
            part = data[at]
            at += 1
            length |= (part & 0x7F) << shift
            shift += 7
            if part < 0x80:
                break
        if tag not in (_FIRST, _SECOND) or at + length > len(data):
            raise DvidError("the body is no protobuf serialization")
        yield tag, data[at : at + length]
        at += length


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise DvidError("a key in the body is not UTF-8") from None


def keys(data: bytes) -> list[str]:
    """What Keys says. Raises DvidError."""
    return [_text(value) for _, value in _fields(data)]


def key_values(data: bytes) -> dict[str, bytes]:
    """What KeyValues says. Raises DvidError."""
    found = {}
    for _, pair in _fields(data):
        parts = dict(_fields(pair))
        found[_text(parts.get(_FIRST, b""))] = parts.get(_SECOND, b"")
    return found


def from_key_values(found: Mapping[str, bytes]) -> bytes:
    """KeyValues."""
    pairs = (_field(_FIRST, key.encode()) + _field(_SECOND, value) for key, value in found.items())
    return b"".join(_field(_FIRST, pair) for pair in pairs)
