"""Are the values of the real pandas sent as what they mean, without rounding, in both encodings?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]
HERE = Path(__file__).parent
SDK = HERE.parents[1] / "sdk"
ID = 2**60 + 1
SAID: dict[str, Any] = {
    "moment": "2020-01-01T00:00:00.123456789+00:00",
    "moment with a zone": "2020-06-01T00:00:00+02:00",
    "no moment": None,
    "missing": None,
    "time": "P0DT1H0M2S",
    "ids": ["uint64", [ID, 2]],
    "ids, one missing": [ID, None],
    "words": ["a", "b"],
    "index": ["int64", [ID]],
    "rows": [{"id": ID, "at": "2020-01-01T00:00:00+00:00"}, {"id": None, "at": None}],
}


@pytest.fixture(scope="module")
def came(python_of: Callable[[str], Path]) -> dict[str, Any]:
    """What comes of each value, in JSON and in msgpack."""
    command = [python_of("intake"), HERE / "callers" / "pandas_arguments.py"]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(SDK)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", SAID)
def test_a_value_of_pandas_is_sent_as_what_it_means(name: str, came: dict[str, Any]) -> None:
    assert came[name] == [SAID[name], SAID[name]]
