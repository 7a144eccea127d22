"""Which calls belong together, so that the same replica carries them out?"""

from __future__ import annotations

from gateway.core.call import Call
from gateway.core.conditions import named_params


def key_of(call: Call, param: str) -> bytes | None:
    """What calls that belong together have in common: the value of this parameter, as it was written; None where there is none."""
    if not param:
        return None
    value = named_params(call.ask.raw, call.method).get(param)
    return None if value is None else repr(value).encode()
