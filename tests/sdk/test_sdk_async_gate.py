"""What becomes of a call behind a real gate when the task that awaits it is cancelled?"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import labgate
from tests.sdk.logins import SETTINGS, says, served

PATIENCE = 60.0


@pytest.fixture
def gate(gate_of: Any, issuer: Any) -> Iterator[str]:
    with served(gate_of, SETTINGS.format(issuer=issuer.url, up=issuer.url)) as url:
        labgate.login(url)
        yield url


class Upstream:
    """A path of the service behind the gate that takes a request, and lets it wait."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self.let = threading.Event()
        self.connection: Any = None

    def held(self, asked: Any) -> None:
        """Answer when it is let."""
        self.connection = asked.connection
        self.began.set()
        assert self.let.wait(PATIENCE)
        says("added")(asked)
        self.ended.set()

    def listens(self, asked: Any) -> None:
        """Answer nothing, and wait until the gate ends the connection."""
        self.began.set()
        if asked.connection.recv(1) == b"":
            self.ended.set()
        asked.close_connection = True


async def cancelled(call: Any, upstream: Upstream) -> None:
    """Begin a call, and cancel it when it has reached the service."""
    task = asyncio.create_task(call)
    assert await asyncio.to_thread(upstream.began.wait, PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_safe_call_that_is_cancelled_ends_at_the_service_too(gate: str, issuer: Any) -> None:
    upstream = Upstream()
    issuer.answers["/hello"] = upstream.listens
    async with labgate.aconnect(gate) as lab:
        await cancelled(lab.jobs.hello(), upstream)
        assert await asyncio.to_thread(upstream.ended.wait, PATIENCE)


async def test_a_call_that_writes_and_is_cancelled_goes_on_at_the_service(gate: str, issuer: Any) -> None:
    upstream = Upstream()
    issuer.answers["/add"] = upstream.held
    issuer.answers["/hello"] = says("hello")
    async with labgate.aconnect(gate) as lab:
        await cancelled(lab.jobs.add(), upstream)
        assert await lab.jobs.hello() == "hello"
        with pytest.raises(
            BlockingIOError
        ):  # the gate has not ended it: there is nothing to read, and no end
            upstream.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        upstream.let.set()
        assert await asyncio.to_thread(upstream.ended.wait, PATIENCE)
