"""Where in the service did it break? Shown to those who look for faults, and to nobody else."""

from __future__ import annotations

from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgate.errors import Error

# What services call it in the `data` of their errors.
_MEMBERS = ("traceback", "stacktrace", "stack_trace", "stack")
_LONGEST = 16 * 1024


def note_trace(error: Error, environ: Mapping[str, str]) -> None:
    """Add the traceback that a service has sent to its error as a note, where LABGATE_DEBUG=1 asks for it.

    Otherwise it stays in the error's `data`: it is long, it is of other people's code, and it may hold what is in their files.
    """
    if environ.get("LABGATE_DEBUG", "0") in ("", "0"):
        return
    text = _trace_in(error.data)
    if text:
        error.add_note(f"In the service, which is another program:\n{text}")


def _trace_in(data: object) -> str:
    if not isinstance(data, dict):
        return ""
    for name in _MEMBERS:
        found = data.get(name)
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            found = "\n".join(one.rstrip("\n") for one in found)
        if isinstance(found, str) and found.strip():
            # Its end tells most.
            return printable(found[-_LONGEST:].rstrip(), _LONGEST, lines=True)
    return ""
