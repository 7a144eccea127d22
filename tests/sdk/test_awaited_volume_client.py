"""Does the contract of dvidclient hold for async clients, too? The tests are those of the others."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import numpy as np
import pytest

import labgate
from tests.sdk import test_sdk_volume_client as others
from tests.sdk.awaiting import Awaiting, awaited, bare, laws_of  # noqa: F401 - a fixture
from tests.sdk.voxels import Voxels

Real = labgate.VolumeClient


class Client:
    """A volume client whose host is an async one, and which looks as if it waited."""

    awaiting: Awaiting

    def __new__(cls, host: Any, *given: Any, token: Any = None, **options: Any) -> Any:
        return cls._driven(Real, host, given, token, options)

    @classmethod
    def create_volume(cls, host: Any, *given: Any, token: Any = None, **options: Any) -> Any:
        return cls._driven(Real.create_volume, host, given, token, options)

    @classmethod
    def query_datasets_info(cls, host: Any, *given: Any, token: Any = None, **options: Any) -> Any:
        return cls._driven(Real.query_datasets_info, host, given, token, options)

    @classmethod
    def _driven(cls, work: Any, host: Any, given: Any, token: Any, options: Any) -> Any:
        own = {name: options.pop(name) for name in ("service",) if name in options}
        if isinstance(host, str):
            host = cls.awaiting.connect(host, token=token, **options)
        return cls.awaiting.run(lambda: work(bare(host), *given, **own))


@pytest.fixture(autouse=True)
def volume_clients(awaited: Awaiting, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(Client, "awaiting", awaited, raising=False)
    for place in (labgate, others):
        monkeypatch.setattr(place, "VolumeClient", Client)


BUT = (
    "test_a_client_can_be_pickled_without_its_token",
    "test_channels_that_are_no_axis_of_the_service_are_the_last_one_of_the_volume",  # it assigns to parts
)
globals().update(laws_of("test_sdk_volume_client", *BUT))


def test_it_has_the_names_of_the_others_and_those_that_ask_are_awaited() -> None:
    def names(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert names(labgate.AsyncVolumeClient) == names(Real)
    for name in ("retrieve_subvolume", "modify_subvolume"):
        assert inspect.iscoroutinefunction(getattr(labgate.AsyncVolumeClient, name))
        assert inspect.signature(getattr(labgate.AsyncVolumeClient, name)) == inspect.signature(
            getattr(Real, name)
        )


def test_a_reading_that_is_cancelled_leaves_the_client_as_it_was(voxels: Voxels, awaited: Awaiting) -> None:  # noqa: F811
    async def go() -> None:
        async with labgate.aconnect(voxels.gate.url) as lab:
            client = await Real(lab, "a1b2c3", "grayscale")
            reading = asyncio.ensure_future(client.retrieve_subvolume((0, 40, 20, -6), (1, 90, 60, 30)))
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            cutout = await client.retrieve_subvolume((0, 40, 20, -6), (1, 90, 60, 30))
            np.testing.assert_array_equal(cutout[0].transpose(), voxels.array[10:46, 20:60, 8:58])

    awaited.runner.run(go())
