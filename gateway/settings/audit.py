"""What can be set about the audit log: where it is, and whether nothing may change without it?"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, ValidationInfo

from gateway.settings.sections import Section
from gateway.settings.values import Flag, Word, path

STDERR = Path("stderr")
"""In the place of a file."""


def _target(value: Any, info: ValidationInfo) -> Path:
    return STDERR if value in ("stderr", STDERR) else path(value, info)


class Audit(Section):
    """The audit log: a line of JSON for each write and each refusal, in `file` (or on `stderr`).

    `required` = nothing that may change something is let through while the log cannot be written. `params` may be `names`: those
    of the parameters; what they were set to is never written.
    """

    file: Annotated[Path, PlainValidator(_target)]
    required: Flag = False
    params: Annotated[Literal["none", "names"], Word] = "none"


def audited(value: Any) -> Any:
    """A file alone is one with nothing else said; `off` is none."""
    if value is False or value == "off":
        return None
    return {"file": value} if isinstance(value, str) else value
