"""Has an async client everything that the others have, by the same names?"""

from __future__ import annotations

import inspect

import pytest

import labgate
from tests.sdk.conftest import TOKEN, Gate, running

PAIRS = (
    "Batch",
    "Client",
    "Live",
    "Namespace",
    "RawResponse",
    "Source",
    "Table",
    "Tables",
    "Volume",
    "VolumeClient",
)
# dask's workers wait for what they read: they have a client of their own.
ONLY_OF_OTHERS = {("Source", "to_dask")}


def names(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_awaited_has_the_names_and_parameters_of_what_waits(name: str) -> None:
    waiting, awaited = getattr(labgate, name), getattr(labgate, f"Async{name}")
    lacking = {(name, one) for one in names(waiting) - names(awaited)}
    assert (lacking, names(awaited) - names(waiting)) == (ONLY_OF_OTHERS & lacking, set())
    for one in names(waiting) & names(awaited):
        mine, other = getattr(awaited, one), getattr(waiting, one)
        if inspect.isfunction(mine):
            assert list(inspect.signature(mine).parameters) == list(inspect.signature(other).parameters)


def test_both_are_connected_by_the_same_words() -> None:
    waiting, awaited = (inspect.signature(one).parameters for one in (labgate.connect, labgate.aconnect))
    assert {name: one.default for name, one in awaited.items()} == {
        name: one.default for name, one in waiting.items()
    }


def test_every_public_kind_of_handle_has_its_pair_here() -> None:
    known = {name for name in labgate.__all__ if name.startswith("Async")}
    assert known == {f"Async{name}" for name in PAIRS}


async def test_the_doctor_looks_for_an_async_client_beside_its_event_loop() -> None:
    with running(Gate()) as gate:
        gate.add("runs.get", 7)
        lab = await labgate.aconnect(gate.url, token=TOKEN)
        found = await labgate.doctor(lab, timeout=60)
        assert (found["catalog"].state, found["services"].state) == ("ok", "ok")
        assert "the client's token" in found["token"].text
    gone = await labgate.doctor(lab, timeout=5)
    assert not gone.ok
    assert gone["connection"].state == "wrong"
    await labgate.aclose(lab)
