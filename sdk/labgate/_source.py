"""What is a source in the user's hands? An entry of a catalog that was opened: it says what it consists of, and is read.

    run = lab.data["runs"]
    run.read()                    # a data frame, an array, or what the entry holds
    run.read(partition=3)
    run(sample="b").read()        # the same entry with other parameters
    lab.data["detectors"]["back"] # in a catalog of its own
    run.to_dask()

The method is marked `result: source` and names the one that reads. numpy, pandas and dask are loaded when they are needed.
"""

from __future__ import annotations

from labgate._method import Method
from labgate._names import printable
from labgate._volume_found import wire_of
from labgate.errors import BadReply, MissingExtra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._client import Client
    from labgate._session import Session

_AT_ONCE = (
    64 * 1024 * 1024
)  # bytes of an array that are asked for in one reply; larger ones come block by block


class Source:
    """An opened entry of a catalog.

    Attributes:
        name: of the entry; dots lead into catalogs.
        container: what it is: `dataframe`, `ndarray`, `python`, or `catalog`.
        npartitions: how many parts it has that can be read by themselves; None if nobody says.
        shape, dtype, chunks: as the service says them; None where it does not.
        metadata: what the service says beside.
        arguments: the parameters that it was opened with, defaults included.
    """

    __slots__ = ("__weakref__", "_about", "_method", "_session")

    def __init__(self, session: Session, method: Method, about: dict[str, Any]) -> None:
        """Not made by users: a gate's method answers it."""
        self._session = session
        self._method = method
        self._about = about

    @property
    def name(self) -> str:
        name: str = self._about["name"]
        return name

    @property
    def container(self) -> str:
        return str(self._about.get("container", ""))

    @property
    def npartitions(self) -> int | None:
        found = self._about.get("npartitions")
        return found if type(found) is int else None

    @property
    def shape(self) -> tuple[Any, ...] | None:
        found = self._about.get("shape")
        return tuple(found) if isinstance(found, list) else None

    @property
    def dtype(self) -> Any:
        return self._about.get("dtype")

    @property
    def chunks(self) -> tuple[Any, ...] | None:
        found = self._about.get("chunks")
        return (
            tuple(tuple(one) if isinstance(one, list) else one for one in found)
            if isinstance(found, list)
            else None
        )

    @property
    def metadata(self) -> dict[str, Any]:
        found = self._about.get("metadata")
        return found if isinstance(found, dict) else {}

    @property
    def arguments(self) -> dict[str, Any]:
        found = self._about.get("arguments")
        return dict(found) if isinstance(found, dict) else {}

    def describe(self) -> dict[str, Any]:
        """All that the gate says of it; `parameters` are those that it takes."""
        return dict(self._about)

    def __call__(self, **parameters: Any) -> Source:
        """The same entry with other parameters; those that are not given stay what they are."""
        asked = {"name": self.name, "parameters": self.arguments | parameters}
        found: Source = self._session.call(self._method, asked)
        return found

    def __getitem__(self, name: str) -> Source:
        """The entry of this name in a catalog."""
        if not isinstance(name, str):
            raise TypeError(f"an entry is named by a str, not by {type(name).__name__}")
        found: Source = self._session.call(self._method, {"name": f"{self.name}.{name}"})
        return found

    __iter__ = None  # else Python would try `self[0]`, `self[1]`, …

    def read(self, partition: int | list[int] | tuple[int, ...] | None = None) -> Any:
        """A partition, or the whole: a pandas data frame (a pyarrow table without pandas), a numpy array, or what it holds.

        Args:
            partition: its number; for an array the index of the block along each axis.

        Raises:
            InvalidParams: there is no such partition.
            MissingExtra: what came needs a package that is not installed.
        """
        if partition is not None:
            return self._part(list(partition) if isinstance(partition, (list, tuple)) else partition)
        count = self.npartitions or 0
        if self.container == "dataframe" and count > 1:
            return _joined([self._part(at) for at in range(count)])
        if self.container == "ndarray" and count > 1 and self._size() > _AT_ONCE:
            return self._by_blocks()
        return self._part(None)

    def to_dask(self) -> Any:
        """The same as a dask data frame, array or bag, whose partitions are read when they are needed.

        Raises:
            MissingExtra: dask is not installed.
        """
        try:
            import dask  # noqa: F401
        except ImportError as error:
            raise MissingExtra("dask is not installed", hint="Install it with: pip install dask") from error
        from labgate._source_dask import as_dask

        return as_dask(self)

    def __repr__(self) -> str:
        shape = f" {self.shape}" if self.shape else ""
        kind = f" {self.dtype}" if isinstance(self.dtype, str) else ""
        count = self.npartitions
        parts = "" if count is None else f", {count} partition{'s' if count != 1 else ''}"
        return printable(f"<labgate source {self.name}: {self.container}{kind}{shape}{parts}>", 300)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_")]

    def __reduce__(self) -> tuple[Any, ...]:
        link = self._session.link
        client = link.root.own_class()(self._session, link.root)
        return _remade, (client, self._method.name, self._about)

    # How it is done.

    def _part(self, partition: int | list[int] | None) -> Any:
        wire = wire_of(self._session, self._method, "read")
        asked: dict[str, Any] = {"name": self.name, "parameters": self.arguments}
        if partition is not None:
            asked["partition"] = partition
        return self._session.call(Method(wire, self._session.link.catalog.text(wire)), asked)

    def _size(self) -> int:
        import math

        import numpy as np

        try:
            size: int = math.prod(self.shape or ()) * np.dtype(self.dtype).itemsize
        except (TypeError, ValueError):
            return 0
        return size

    def _by_blocks(self) -> Any:
        """The whole array, one block after the other."""
        import itertools

        import numpy as np

        starts = self._starts()
        if starts is None:
            return self._part(None)
        whole = np.empty([ends[-1] for ends in starts], np.dtype(self.dtype))
        for at in itertools.product(*(range(len(ends) - 1) for ends in starts)):
            box = tuple(slice(ends[one], ends[one + 1]) for ends, one in zip(starts, at, strict=True))
            whole[box] = self._part(list(at))
        return whole

    def _starts(self) -> list[list[int]] | None:
        """Where the blocks begin along each axis, and where the last one ends; None where the service says no lengths."""
        import itertools

        if self.chunks is None or not all(isinstance(along, tuple) for along in self.chunks):
            return None
        return [list(itertools.accumulate(along, initial=0)) for along in self.chunks]


def _joined(parts: list[Any]) -> Any:
    """The rows of all of them: data frames, or pyarrow tables."""
    try:
        import pandas
    except ImportError:
        import pyarrow

        return pyarrow.concat_tables(parts)
    return pandas.concat(parts)


def source_of(result: Any, session: Session, method: Method) -> Source:
    """The source that a method has answered.

    Raises:
        BadReply: it is none.
    """
    if not isinstance(result, dict) or not isinstance(result.get("name"), str):
        raise BadReply(f"{method.name} answered what is no source", method=method.name, hint="")
    return Source(session, method, result)


def _remade(client: Client, wire: str, about: dict[str, Any]) -> Source:
    from labgate._target import session_of

    session, _ = session_of(client)
    return Source(session, Method(wire, session.link.catalog.text(wire)), about)
