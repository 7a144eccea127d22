"""Which recording do LABGATE_RECORD and LABGATE_REPLAY mean, for a program that knows nothing of recordings?"""

from __future__ import annotations

import atexit
import os
import threading

from labgate.errors import SetupError
from labgate.testing._record import Recording
from labgate.testing._replay import Replaying

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

_lock = threading.Lock()
_recordings: dict[str, Recording] = {}
_replays: dict[tuple[str, str], Replaying] = {}
_RECORDS, _REPLAYS = "LABGATE_RECORD", "LABGATE_REPLAY"
_BY = "LABGATE_RECORDED_BY"  # tells programs that this one starts that the file is taken


def tape_of(environ: MutableMapping[str, str]) -> Recording | Replaying | None:
    """The program's recording or replay: one for all of its clients; None where another process records.

    A recording is written when the program ends.

    Raises:
        SetupError: both are named, or the file cannot be used.
    """
    records, replays = environ.get(_RECORDS), environ.get(_REPLAYS)
    if records and replays:
        raise SetupError(
            "LABGATE_RECORD and LABGATE_REPLAY are both set: a run is either recorded or replayed"
        )
    with _lock:
        if replays:
            order = "request"
            if replays.startswith("strict:"):
                order, replays = "strict", replays.removeprefix("strict:")
            if (replays, order) not in _replays:
                _replays[replays, order] = Replaying(replays, order)
                atexit.register(_replays[replays, order].close)
            return _replays[replays, order]
        if not records or environ.setdefault(_BY, str(os.getpid())) != str(os.getpid()):
            return None
        path = os.path.abspath(records)
        if path not in _recordings:
            _recordings[path] = Recording(path)
            atexit.register(_recordings[path].close)
        return _recordings[path]
