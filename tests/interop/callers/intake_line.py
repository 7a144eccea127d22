"""What does a line of Python give that reads a source with the real Intake client? See telling.py for what is printed.

`python intake_line.py LINE`
"""

import sys
import warnings
from typing import Any

import dask
import intake
from pasted import value_of
from telling import call

dask.config.set(scheduler="threads")
warnings.simplefilter("ignore")


def read(line: str) -> Any:
    """What the line gives, all of it."""
    found = value_of(line, {"intake": intake})
    return found.compute() if hasattr(found, "compute") else found


if __name__ == "__main__":
    call("line", read, sys.argv[1])
