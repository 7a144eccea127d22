"""What does the access log say of every request through a mount, whoever answered it?"""

from __future__ import annotations

from gateway.core.cache_status import in_a_word, reason
from gateway.core.ports import Visit
from gateway.core.verdict import Verdict
from gateway.doors.mount_tools import MountTools
from gateway.doors.notes import Notes
from gateway.doors.way import Settled, Way
from gateway.wire.connection import Connection
from gateway.wire.lane import Seen


def begun(line: bytes, number: str, client: str, way: Way | None) -> Visit:
    """What is said of any of them: `line` is how it began, `client` the caller's address as the gate believes it."""
    verb, _, target = line.decode("latin-1").partition(" ")
    visit = Visit(number, "mount", verb, target.partition("?")[0], client)
    visit.service = None if way is None else way.service.qualified
    return visit


def settled_visit(
    tools: MountTools,
    caller: Connection,
    line: bytes,
    seen: Seen,
    way: Way,
    settled: Settled,
    number: bytes,
    verdict: Verdict,
) -> Visit:
    """What is said of one that everything was decided about before it came."""
    notes: Notes = seen.notes
    visit = begun(line, number.decode("ascii"), tools.proxies.client(seen.fields, caller.peer), way)
    visit.subject = None if notes.caller is None else notes.caller.subject
    visit.method = settled.method.qualified
    visit.cache, visit.reason = in_a_word(verdict), reason(verdict)
    return visit
