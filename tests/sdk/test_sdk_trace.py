"""Is a service's traceback shown to those who ask for it, and to nobody else?"""

from __future__ import annotations

import pickle  # noqa: TID251 - the law is that errors can be pickled
import traceback
from typing import Any

import pytest

import labgate
from labgate.errors import RemoteError
from tests.sdk.conftest import Gate, ScriptedError

TRACE = 'Traceback (most recent call last):\n  File "/srv/secret.py", line 7, in work\nKeyError: 3'


def failed(gate: Gate, data: Any) -> RemoteError:
    """The error of a method that fails with these data."""

    def broken(_: Any) -> Any:
        raise ScriptedError(-32000, "it broke", data=data)

    gate.answers["jobs.list_lanes"] = broken
    with pytest.raises(RemoteError, match="it broke") as caught:
        labgate.connect(gate.url).jobs.list_lanes()
    return caught.value


@pytest.mark.parametrize("name", ["traceback", "stack", "stacktrace", "stack_trace"])
@pytest.mark.parametrize("form", [TRACE, TRACE.splitlines()])
def test_a_services_traceback_is_a_note_in_debug_and_stays_one_in_a_pickle(
    gate: Gate, name: str, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABGATE_DEBUG", "1")
    error = failed(gate, {name: form})
    assert error.__notes__ == [f"In the service, which is another program:\n{TRACE}"]
    assert "secret.py" in "".join(traceback.format_exception(error))
    assert pickle.loads(pickle.dumps(error)).__notes__ == error.__notes__


@pytest.mark.parametrize("value", [None, "", "0"])
def test_without_debug_it_is_in_the_data_only(
    gate: Gate, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABGATE_DEBUG", raising=False)
    if value is not None:
        monkeypatch.setenv("LABGATE_DEBUG", value)
    error = failed(gate, {"traceback": TRACE})
    assert not hasattr(error, "__notes__")
    assert "secret.py" not in "".join(traceback.format_exception(error))
    assert error.data == {"traceback": TRACE}


@pytest.mark.parametrize(
    "data", [None, 7, [TRACE], {"traceback": 7}, {"stack": ["a", 1]}, {"trace": TRACE}, {"stack": " "}]
)
def test_what_is_no_traceback_is_no_note(gate: Gate, data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABGATE_DEBUG", "1")
    assert not hasattr(failed(gate, data), "__notes__")


def test_a_traceback_cannot_steer_a_terminal_and_is_cut_at_its_beginning(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABGATE_DEBUG", "1")
    (note,) = failed(gate, {"traceback": "x" * 100_000 + "\x1b[31m\nKeyError: the end"}).__notes__
    assert "\x1b" not in note
    assert note.endswith("KeyError: the end")
    assert len(note) < 17_000
