"""What does labgate's SDK get from the sources of a catalog, where pandas and dask are? See telling.py for what is printed.

`python source_client.py SDK ADDRESS TOKEN`, where SDK is the folder that labgate is in.
"""

import os
import sys
import warnings
from typing import Any

import dask
import numpy as np
from telling import call

warnings.simplefilter("ignore")
NAMES = ("runs", "frames", "notes", "detectors.back", "by_sample")


def computed(source: Any) -> Any:
    """What dask makes of all partitions."""
    return source.to_dask().compute(scheduler="threads")


def main() -> None:
    """Read every source in every way."""
    sys.path.insert(0, sys.argv[1])
    import labgate

    lab = labgate.connect(sys.argv[2], token=sys.argv[3])
    dask.config.set(scheduler="threads")
    for name in NAMES:
        source = lab.data[name]
        call(f"{name}.read", source.read)
        call(f"{name}.to_dask", computed, source)
    first = lab.data["runs"].to_dask()
    call("runs.lazily", lambda: first.score.mean().compute(scheduler="threads"))
    # Pickled handles have no token: processes find it where any program does.
    os.environ["LABGATE_TOKEN"] = sys.argv[3]
    os.environ["PYTHONPATH"] = sys.argv[1]
    for name in ("runs", "frames", "notes"):
        call(f"{name}.processes", lambda name=name: lab.data[name].to_dask().compute(scheduler="processes"))
    call("frames.lazily", lambda: int(np.asarray(lab.data["frames"].to_dask()[3:5, :10].sum())))


if __name__ == "__main__":
    main()
