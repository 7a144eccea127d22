"""How does a caller tell what its library gave? A line of JSON for each call: its name and its outcome.

An outcome is `["value", …]` with digests in place of data, or `["error", text]`; two runs against the same data are equal.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd


def call(name: str, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Call, tell the outcome, and give what was got; None for an error. What is printed meanwhile is no answer."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            value = function(*args, **named)
    except Exception as error:
        failed(name, error)
        return None
    told(name, value)
    return value


def told(name: str, value: Any) -> None:
    """Tell a value."""
    print(json.dumps({"call": name, "outcome": ["value", shown(value)]}), flush=True)


def failed(name: str, error: Exception) -> None:
    """Tell an error."""
    text = f"{type(error).__name__}: {error}"[:300]
    print(json.dumps({"call": name, "outcome": ["error", text]}), flush=True)


def shown(value: Any) -> Any:
    """A value as two runs of it are compared: exact, and short."""
    if isinstance(value, pd.DataFrame):
        kinds = {str(name): str(kind) for name, kind in value.dtypes.items()}
        return ["frame", kinds, len(value), digest(value.to_csv().encode())]
    if isinstance(value, np.ndarray):
        return ["array", str(value.dtype), list(value.shape), digest(np.ascontiguousarray(value).tobytes())]
    if isinstance(value, bytes):
        return ["bytes", len(value), digest(value)]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [shown(one) for one in value]
    return type(value).__name__


def digest(data: bytes) -> str:
    """A short name of the bytes."""
    return hashlib.sha256(data).hexdigest()[:16]
