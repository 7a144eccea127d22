"""What is the body of a raw request, how long is it, and can it be sent a second time?"""

from __future__ import annotations

import os

from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO, Any

    Data = bytes | bytearray | memoryview | IO[bytes] | Iterable[bytes]

_PIECE = 256 * 1024


class Outgoing:
    """A request's body.

    Attributes:
        length: its bytes; None where that is not known before, so that it travels in chunks.
        again: it can be sent a second time.
        begun: pieces of it were taken.
        file: it is read from one.
    """

    __slots__ = ("_data", "_start", "again", "begun", "file", "length")

    def __init__(self, data: Data | None, length: int | None = None) -> None:
        """
        Args:
            data: bytes, an array's memory, a binary file (from where it stands), or pieces; None is no body.
            length: what the caller says of it, who then has to keep it.

        Raises:
            TypeError: it is none of these.
        """
        _refuse_likely_mistakes(data)
        memory = data is None or _has_memory(data)
        self._data: Any = data
        self.file = not memory and hasattr(data, "read")
        self._start = 0
        self.begun = False
        self.length: int | None = None
        if memory:
            self._data = bytes_of(b"" if data is None else data)
            self.length = len(self._data)
        elif self.file:
            self._start, self.length = _extent(data)
        else:
            self._data = iter(data)  # type: ignore[arg-type]
        self.again = self.length is not None
        if length is not None and self.length is None:
            self.length = length

    def pieces(self) -> Iterator[memoryview]:
        """The body, from its beginning; none of the pieces is empty.

        Raises:
            SetupError: it is not as long as was announced.
            TypeError: a piece is no bytes.
        """
        self.begun = True
        if self.file and self.again:
            self._data.seek(self._start)
        left = self.length
        for piece in self._parts():
            view = bytes_of(piece)
            if left is not None:
                if self.file:
                    view = view[:left]  # it may have grown since
                left -= len(view)
                if left < 0:
                    raise SetupError("the body is longer than its Content-Length says")
            if view:
                yield view
            if left == 0 and self.file:
                return
        if left:
            raise SetupError(f"the body ended {left} bytes before the length that was announced for it")

    def _parts(self) -> Iterator[Any]:
        if self.file:
            while (piece := self._data.read(_PIECE)) or piece is None:
                yield piece  # None, of a file that does not wait, is refused as every other piece that is no bytes
        elif isinstance(self._data, memoryview):
            for at in range(0, len(self._data), _PIECE):
                yield self._data[at : at + _PIECE]
        else:
            yield from self._data


def _refuse_likely_mistakes(data: object) -> None:
    if isinstance(data, (str, os.PathLike)):
        raise TypeError("data is bytes, a binary file or an iterable of bytes: encode text, and open files")
    if hasattr(data, "keys"):
        raise TypeError("data is bytes: write a form as urllib.parse.urlencode(data).encode(), or give json=")


def _has_memory(data: object) -> bool:
    """True for arrays, mmaps and whatever else lends its bytes."""
    try:
        with memoryview(data) as view:  # type: ignore[arg-type]
            if view.c_contiguous:
                return True
    except TypeError:
        return False
    raise TypeError(
        "data is memory in pieces: give a contiguous copy of it, like numpy.ascontiguousarray(data)"
    )


def bytes_of(piece: object) -> memoryview:
    """A piece of a body, byte by byte.

    Raises:
        TypeError: it is no bytes.
    """
    try:
        view = memoryview(piece)  # type: ignore[arg-type]
        return view.cast("B") if view.nbytes else memoryview(b"")
    except (TypeError, ValueError):
        raise TypeError(
            f"a piece of the body is {type(piece).__name__}, not bytes: open files in binary mode, and encode text"
        ) from None


def _extent(file: Any) -> tuple[int, int | None]:
    """Where the file stands, and how much follows; None where it cannot tell."""
    try:
        start = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(start)
        if end == start and file.read(1):
            # A file of the system's own, which has a content but no length.
            file.seek(start)
            return start, None
    except (OSError, AttributeError, ValueError):
        return 0, None
    return (start, max(end - start, 0)) if isinstance(end, int) else (start, None)
