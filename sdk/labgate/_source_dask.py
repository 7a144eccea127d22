"""How is a source one of dask's collections? Imported only where dask is installed."""

from __future__ import annotations

from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._source import Source


def as_dask(source: Source) -> Any:
    """A data frame, an array or a bag, by what the source is.

    Raises:
        SetupError: it is a catalog, or of a kind that dask has no collection for.
    """
    made = {"dataframe": _frame, "ndarray": _array, "python": _bag}.get(source.container)
    if made is None:
        raise SetupError(
            f"{source.name} is a {source.container}, and no collection of dask's", hint="Use read()."
        )
    return made(source)


def _frame(source: Source) -> Any:
    import dask.dataframe
    from dask import delayed

    parts = [delayed(source.read)(at) for at in range(source.npartitions or 1)]
    return dask.dataframe.from_delayed(parts, meta=source.read(0).iloc[:0], verify_meta=False)


def _array(source: Source) -> Any:
    import dask.array
    import numpy as np

    dtype = np.dtype(source.dtype)
    if source.chunks is None:
        return dask.array.from_array(source.read())
    chunks = dask.array.core.normalize_chunks(source.chunks, source.shape, dtype=dtype)
    meta = np.empty((0,) * len(chunks), dtype)
    return dask.array.map_blocks(_block, source=source, chunks=chunks, dtype=dtype, meta=meta)


def _block(source: Source, block_info: Any = None) -> Any:
    return source.read([int(at) for at in block_info[None]["chunk-location"]])


def _bag(source: Source) -> Any:
    import dask.bag
    from dask import delayed

    return dask.bag.from_delayed([delayed(source.read)(at) for at in range(source.npartitions or 1)])
