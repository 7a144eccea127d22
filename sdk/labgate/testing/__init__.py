"""How are programs that use a gate tested without one?

gate = labgate.testing.gate(files={"get_statistics": lambda uid: {"mean": 3.5}})
with gate as lab:                                   # a client of a gate in this process
    assert analysis(lab) == 3.5
assert gate.calls == [("files.get_statistics", {"uid": "J1"})]

with labgate.testing.record("run.labgate") as lab:  # at the lab: every answer goes into one file
    analysis(lab)
with labgate.testing.replay("run.labgate") as lab:  # anywhere: the same answers, without a lab
    analysis(lab)

from labgate.testing import make_gate               # a fixture of pytest
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate.testing._answering import Call
    from labgate.testing._fixture import make_gate
    from labgate.testing._gate import ScriptedGate, gate
    from labgate.testing._listing import method
    from labgate.testing._record import Recording, record
    from labgate.testing._replay import Replaying, replay
    from labgate.testing._serving import Reply
    from labgate.testing._tape import BrokenRecording
    from labgate.testing._volume import volume

__all__ = [
    "BrokenRecording",
    "Call",
    "Recording",
    "Replaying",
    "Reply",
    "ScriptedGate",
    "gate",
    "make_gate",
    "method",
    "record",
    "replay",
    "volume",
]

_HOMES = {
    "BrokenRecording": "_tape",
    "Call": "_answering",
    "Recording": "_record",
    "Replaying": "_replay",
    "Reply": "_serving",
    "ScriptedGate": "_gate",
    "gate": "_gate",
    "make_gate": "_fixture",
    "method": "_listing",
    "record": "_record",
    "replay": "_replay",
    "volume": "_volume",
}


def __getattr__(name: str) -> object:
    # Only who asks for the fixture needs pytest; only who records needs what recordings need.
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'labgate.testing' has no attribute {name!r}")
    value = getattr(import_module(f"labgate.testing.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
