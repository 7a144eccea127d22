"""Laws of the sockets that workers share: who has fewest takes the next connection, and nobody waits for the dead."""

import asyncio
import os
import socket

import pytest

from gateway.wire.accepting import Accepting
from gateway.workers.listeners import ListenError, close_all, inherited, numbers, open_all
from gateway.workers.loads import Loads, make


@pytest.fixture
def loads():
    descriptor = make(3)
    yield Loads(descriptor, 3), Loads(descriptor, 3)
    os.close(descriptor)


def test_all_see_what_one_has_noted_and_who_has_more_waits(loads):
    one, other = loads
    one.note(1, 5)
    other.note(2, 7)
    assert one.patience(1, 5) == 0.0
    assert other.patience(2, 7) > 0.0
    assert other.patience(2, 5) == 0.0


def test_nobody_waits_for_a_worker_that_is_not_there(loads):
    one, other = loads
    assert one.patience(1, 1000) == 0.0
    other.note(2, 3)
    assert one.patience(1, 1000) > 0.0
    other.absent(2)
    assert one.patience(1, 1000) == 0.0


class Caller(asyncio.Protocol):
    """A connection that was taken, and who has it."""

    def __init__(self, mine):
        self.mine = mine

    def connection_made(self, transport):
        self.mine.append(transport)


async def test_connections_that_come_at_once_are_spread_over_those_who_share_the_socket(loads):
    sockets = await open_all({"a": ("127.0.0.1", 0)})
    (listener,) = sockets["a"]
    taken = {1: [], 2: []}
    for number in taken:
        loads[0].note(number, 0)

    def patience(number):
        return lambda: loads[0].patience(number, len(taken[number]))

    accepting = [
        Accepting(listener.dup(), lambda number=number: Caller(taken[number]), patience(number))
        for number in taken
    ]
    callers = []
    try:
        callers += [socket.create_connection(listener.getsockname()) for _ in range(20)]
        async with asyncio.timeout(10):
            while sum(map(len, taken.values())) < 20:
                await asyncio.sleep(0.001)
        assert abs(len(taken[1]) - len(taken[2])) <= 2
    finally:
        for one in accepting:
            one.close()
            one.close()
        for one in callers:
            one.close()
        for one in (*taken[1], *taken[2]):
            one.abort()
        close_all(sockets)
        await asyncio.sleep(0)


async def test_what_is_queued_survives_a_process_that_closes_its_copy():
    sockets = await open_all({"a": ("127.0.0.1", 0)})
    (listener,) = sockets["a"]
    copies = inherited({"a": [os.dup(number) for number in numbers(sockets)["a"]]})
    with socket.create_connection(listener.getsockname()) as caller:
        close_all(copies)
        taken, _ = listener.accept()
        with taken:
            taken.sendall(b"here")
            assert await asyncio.to_thread(caller.recv, 4) == b"here"
    close_all(sockets)


async def test_an_address_that_cannot_be_had_is_named_and_nothing_stays_open():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen at 127.0.0.1:{port}: address already in use"):
            await open_all({"free": ("127.0.0.1", 0), "taken": ("127.0.0.1", port)})
    with pytest.raises(ListenError, match=r"cannot listen at no\.such\.host\.invalid:80"):
        await open_all({"odd": ("no.such.host.invalid", 80)})
