"""How is what Intake says told as a result? As JSON, moments as texts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.core.intake.wire import UnreadableError, pack
from gateway.core.transcode import NotSayable, msgpack_to_json


def as_json(value: Any) -> bytes:
    """The value as JSON; moments are texts in ISO 8601, keys are texts. Raises UnreadableError."""
    return packed_as_json(pack(_plain(value)))


def packed_as_json(packed: bytes) -> bytes:
    """The same for a value in msgpack, whose moments stay the maps that they are."""
    try:
        return msgpack_to_json(packed)
    except NotSayable as problem:
        raise UnreadableError(str(problem)) from problem


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {_key(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _key(key: Any) -> Any:
    return str(key) if isinstance(key, int | float) else key
