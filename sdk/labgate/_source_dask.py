"""How does dask read a source? By partitions, each of which a worker reads from the gate by a handle of its own."""

from __future__ import annotations

from labgate._source_about import TABLE
from labgate.errors import MissingExtra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._source import Source


class _Part:
    """Reads one partition wherever it is called; pickled, it is the handle, and no token."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(self, partition: Any = None, block_id: tuple[int, ...] | None = None) -> Any:
        """The partition; dask names a block of an array by `block_id`."""
        wanted = partition if block_id is None else [*block_id]
        return self._source.read(wanted, workers=1)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        # Two handles of one source are one to dask, and those with other parameters or another schema are not.
        source = self._source
        return "labgate", repr(source._session.link.address), source.about  # noqa: SLF001


def dask_of(source: Source) -> Any:
    """The source as dask has it.

    Raises:
        MissingExtra: dask, or what it needs for this, is not installed.
    """
    part = _Part(source)
    about = source._about  # noqa: SLF001
    dtype = about.numbers()
    if source.chunks is not None and dtype is not None:
        import numpy as np

        array, base = _module("dask.array"), _module("dask.base")
        empty = np.empty((0,) * len(source.chunks), dtype)
        name = f"labgate-{base.tokenize(part)}"
        return array.map_blocks(part, chunks=source.chunks, dtype=dtype, meta=empty, name=name)
    if source.container == TABLE:
        return _module("dask.dataframe").from_map(part, about.partitions(), label="labgate")
    bag, delayed = _module("dask.bag"), _module("dask.delayed")
    reads = delayed.delayed(part)
    return bag.from_delayed([reads(one) for one in about.partitions()])


def _module(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(
            f"{name} is not installed", hint="Install it with: pip install 'dask[array,dataframe]'"
        ) from error
