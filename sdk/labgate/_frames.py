"""How does a table that came as an Arrow stream become a data frame? Imported only where one came."""

from __future__ import annotations

import json
import sys
from functools import lru_cache

from labgate.errors import BadReply, MissingExtra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARROW = b"application/vnd.apache.arrow.stream"
_CAVES_ARROW = b"data.arrow"
_START = b"\xff\xff\xff\xff"  # a message of a stream begins so (Arrow format, "Encapsulated message format")
_OTHERS = (b"pandas", b"ARROW:schema")


@lru_cache(maxsize=1)
def can_arrow() -> bool:
    """True when pyarrow is installed; it is not imported for the answer."""
    from importlib.util import find_spec

    return "pyarrow" in sys.modules or find_spec("pyarrow") is not None


def is_arrow(content_type: bytes) -> bool:
    """Whether a body of this type is an Arrow stream."""
    return content_type.partition(b";")[0].strip().lower() in (ARROW, _CAVES_ARROW)


def is_stream(result: object) -> bool:
    """Whether a result is the bytes of an Arrow stream."""
    return isinstance(result, (bytes, bytearray)) and result[:4] == _START


def frame_of(body: bytes | bytearray) -> Any:
    """A pandas data frame, or a pyarrow table where pandas is not installed.

    Integers stay integers where values are missing, and what the stream says of itself stands in the frame's `attrs`.

    Raises:
        BadReply: it is no Arrow stream, or one that was cut.
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra(
            "the reply is an Arrow stream, and pyarrow is not installed",
            hint="Install it with: pip install pyarrow pandas",
        ) from error
    try:
        with pyarrow.ipc.open_stream(pyarrow.py_buffer(body)) as stream:
            table = stream.read_all()
    except (pyarrow.ArrowException, OSError) as error:
        raise BadReply("the reply is no Arrow stream that can be read") from error
    try:
        import pandas  # noqa: F401
    except ImportError:
        return table
    return framed(table)


def framed(table: Any) -> Any:
    """The data frame of a pyarrow table."""
    # Otherwise a column of ids in which one is missing would be one of floats, and the ids others.
    frame = table.to_pandas(integer_object_nulls=True)
    frame.attrs.update(_said(table.schema.metadata or {}))
    return frame


def _said(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """The stream's metadata as Python values: JSON where it is JSON, else text."""
    found = {}
    for name, value in metadata.items():
        if name in _OTHERS:
            continue
        text = value.decode("utf-8", "replace")
        try:
            found[name.decode("utf-8", "replace")] = json.loads(text)
        except (ValueError, RecursionError):
            found[name.decode("utf-8", "replace")] = text
    return found
