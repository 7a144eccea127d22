"""How an answer is written piece by piece to a caller who may be gone."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.wire.passage_answer import LARGE, PassageAnswer
from gateway.wire.sender import Sender


class Line(asyncio.Transport):
    """A connection that is found to be closed after some writes."""

    def __init__(self, takes: int) -> None:
        super().__init__()
        self.takes = takes
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return len(self.written) >= self.takes


@pytest.mark.parametrize(("takes", "came"), [(0, 0), (1, 1), (9, 2)])
async def test_of_a_caller_who_turns_out_to_be_gone_between_two_pieces_nobody_makes_a_mistake(takes, came):
    loop = asyncio.get_running_loop()
    line = Line(takes)
    out = Sender(line, loop)

    class Caller:
        shared = SimpleNamespace(loop=loop)
        head = SimpleNamespace(keep_alive=True, bodiless=False, minor=1)
        stayed: bool | None = None

        @property
        def over(self) -> bool:
            return line.is_closing()

        def may_stay(self) -> bool:
            return True

        def answered(self, stay: bool) -> None:
            self.stayed = stay

    caller = Caller()
    caller.out = out
    answer = PassageAnswer(caller)
    answer.complete = True
    answer.write_whole(b"HTTP/1.1 200 OK\r\n", b"x" * LARGE, 200)
    assert answer.over
    assert [len(one) for one in line.written[1:]] == [LARGE] * (came - 1)
    assert len(line.written) == came
