"""The same request is not understood anew, and yet judged anew: by rights, purges, and what memory has."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.call import Params
from gateway.core.faults import Forbidden
from gateway.core.method import HttpBinding, Method
from gateway.core.service import Service
from gateway.core.verdict import Entry
from gateway.dialects.intake import mounted
from gateway.dialects.intake.again import Again, Ground

OPEN = {"action": "open", "name": "frames", "parameters": {}}


def reading(opened: Any, **said: Any) -> dict[str, Any]:
    asked = {"action": "read", "source_id": opened["source_id"], "accepted_formats": ["msgpack"]}
    return asked | {"partition": [0, 0, 0]} | said


async def purge(bench: Any) -> None:
    url = "http://{}:{}/-/cache/purge".format(*bench.gate.operator_address)
    fields = {"Authorization": f"Bearer {bench.token}"}
    async with bench.session.post(url, json={"all": True}, headers=fields) as response:
        assert response.status == 200


async def warm(bench: Any) -> tuple[Any, Any]:
    """What is opened and read, once."""
    opened = await bench.post(OPEN)
    return opened, await bench.post(reading(opened))


async def test_who_asks_the_same_again_gets_the_same_without_its_being_read_or_made_anew(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, read = await warm(bench)
    monkeypatch.setattr(mounted, "request_of", lambda _: pytest.fail("it was read anew"))
    bench.lab.forget()
    assert await bench.post(OPEN) == opened
    response, _ = await bench.posted(reading(opened))
    assert "; hit;" in response.headers["Cache-Status"]
    assert await bench.post(reading(opened)) == read
    assert bench.lab.asked("") == 0


async def test_what_was_purged_is_asked_for_anew(bench: Any) -> None:
    opened, read = await warm(bench)
    bench.lab.change_values("frames")
    assert await bench.post(reading(opened)) == read
    await purge(bench)
    bench.lab.restart()
    assert (await bench.post(reading(opened)))["data"] != read["data"]


async def test_a_source_that_has_another_schema_by_now_is_not_read_as_it_was(bench: Any) -> None:
    opened, _ = await warm(bench)
    bench.lab.drift("frames")
    await purge(bench)
    bench.lab.restart()
    again = await bench.post(OPEN)
    assert again["shape"] != opened["shape"]
    assert await bench.refused(reading(opened, partition=[3, 1, 1])) == await bench.refused(
        reading(again, partition=[3, 1, 1])
    )


async def test_nobody_gets_what_somebody_else_was_allowed(bench: Any) -> None:
    opened, _ = await warm(bench)
    guest = bench.caller(token=bench.guest)
    for said in (OPEN, reading(opened)):
        response, _ = await bench.posted(said, caller=guest)
        assert response.status == 403


async def test_who_may_no_more_is_refused_although_it_was_answered_before(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = await warm(bench)

    def forbid(*_: object) -> None:
        raise Forbidden("not any more")

    monkeypatch.setattr("gateway.parts.RelayParts.permit", forbid)
    for said in (OPEN, reading(opened)):
        response, _ = await bench.posted(said)
        assert response.status == 403


async def test_compressed_answers_stay_compressed_and_plain_ones_plain(bench: Any) -> None:
    opened, read = await warm(bench)
    packed = reading(opened, accepted_compression=["gzip"])
    first = await bench.posted(packed)
    for _ in range(2):
        assert (await bench.posted(packed))[1] == first[1]
        assert await bench.post(reading(opened)) == read


# --- what is kept


SERVICE = Service("data", "data", ("http://127.0.0.1:1",))
METHOD = Method("data.read", "data", HttpBinding("POST", "/v1/source"))
KEY = ("data", "", "", None, b"{}")


def ground(body: bytes) -> Ground:
    return Ground(METHOD, Params(b"{}"), Entry(b"k", "result", body, 0.0, 1.0, 1.0, 0, ()))


def test_large_bodies_are_held_by_nobody_and_answers_made_of_them_are_not_kept() -> None:
    kept, large = Again(), ground(b"x" * (1 << 20))
    kept.note(KEY, SERVICE, "read", [ground(b"schema"), large], large.entry.body)
    made = kept.find(KEY, SERVICE)
    assert made is not None
    assert (made.body, made.part) == (None, (large.method, large.ask))
    assert [one.entry.body for one in made.grounds] == [b"schema"]
    other = (*KEY[:-1], b"[]")
    kept.note(other, SERVICE, "read", [ground(b"schema"), large], b"compressed")
    assert kept.find(other, SERVICE) is None


def test_answers_under_other_settings_of_the_service_are_not_taken() -> None:
    kept = Again()
    kept.note(KEY, SERVICE, "source", [ground(b"entry")], b"answer")
    assert kept.find(KEY, SERVICE) is not None
    assert kept.find(KEY, Service("data", "data", ("http://127.0.0.1:1",))) is None
