"""The gate without its metrics, for comparison: `uncounted_gate.py serve --config FILE`."""

import sys

from gateway.cli import main
from gateway.telemetry.metrics import Metrics


def _nothing(*_: object, **__: object) -> None:
    return None


for _name in ("called", "visited", "passed", "counted", "moved"):
    assert hasattr(Metrics, _name)
    setattr(Metrics, _name, _nothing)

if __name__ == "__main__":
    sys.exit(main())
