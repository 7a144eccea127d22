"""The lists of methods at a real gate: packed for those who take them so, and once for all of these."""

import asyncio
import gzip
import json

import aiohttp
import pytest

import labgate
from gateway.doors import lists

LONG = 700  # methods: their list is rendered beside the event loop


@pytest.fixture
async def large(lab):
    """The same lab, whose list is long; `await large(path, coding, tag)` gives an answer as it came."""
    lab.calc.NAMES = (*lab.calc.NAMES, *(f"get_{at:04}" for at in range(LONG)))
    as_it_comes = aiohttp.ClientSession(auto_decompress=False)

    async def ask(path="/openrpc.json", coding=None, tag=None, token=None):
        fields = {"Authorization": f"Bearer {token or lab.token}"}
        fields |= {"If-None-Match": tag} if tag else {}
        fields["Accept-Encoding"] = coding or ""
        if coding is None:
            del fields["Accept-Encoding"]
        skip = ["Accept-Encoding"] if coding is None else []
        async with as_it_comes.get(lab.address + path, headers=fields, skip_auto_headers=skip) as got:
            return got.status, got.headers, await got.read()

    async with as_it_comes:
        fields = {"Authorization": f"Bearer {lab.token}"}
        async with lab.session.post(f"{lab.operator}/-/refresh", headers=fields) as got:
            assert got.status == 200
        yield ask


@pytest.mark.parametrize("path", ["/openrpc.json", "/openapi.json"])
async def test_a_long_list_is_packed_for_those_who_take_it_so_and_the_same(large, path):
    _, plainly, plain = await large(path)
    status, fields, packed = await large(path, "gzip, deflate, br")
    assert (status, fields["Content-Encoding"]) == (200, "gzip")
    assert "Content-Encoding" not in plainly
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 5
    assert plainly["Vary"] == fields["Vary"] == "Accept-Encoding, Authorization, Labgate-Token"
    assert fields["ETag"] == f'{plainly["ETag"][:-1]}-gzip"'  # RFC 9110 section 8.8.3.3
    assert (await large(path, "gzip"))[2] == packed


@pytest.mark.parametrize("coding", [None, "", "identity", "br", "gzip;q=0", "gzip;q=0.5, identity", "*;q=0"])
async def test_who_does_not_take_it_packed_gets_it_plain(large, coding):
    status, fields, body = await large(coding=coding)
    assert (status, fields.get("Content-Encoding")) == (200, None)
    assert len(json.loads(body)["methods"]) > LONG


async def test_who_has_it_in_either_form_is_told_so_and_is_sent_nothing(large):
    plain, packed = (await large())[1]["ETag"], (await large(coding="gzip"))[1]["ETag"]
    for tag in (plain, packed):
        for coding in (None, "gzip"):
            status, fields, body = await large(coding=coding, tag=tag)
            assert (status, fields["ETag"], body) == (304, tag, b"")
            assert "Content-Encoding" not in fields


async def test_a_short_list_is_not_worth_packing(lab, large):
    _, fields, body = await large(coding="gzip", token=lab.guest)  # who may call two methods
    assert "Content-Encoding" not in fields
    assert len(body) < lists._WORTH_PACKING


async def test_nobody_gets_the_packed_list_of_others(lab, large):
    assert b"calc.get_0001" in gzip.decompress((await large(coding="gzip"))[2])
    assert b"calc.get_0001" not in (await large(coding="gzip", token=lab.guest))[2]


async def test_many_who_ask_at_once_get_the_same(large):
    answers = await asyncio.gather(*(large(coding="gzip") for _ in range(20)))
    assert len({body for _, _, body in answers}) == 1


async def test_the_sdk_has_its_list_packed(lab, large):
    def used():
        client = labgate.connect(lab.address, token=lab.token, cache_dir=None)
        return len(dir(client.calc)), client.calc.get_0001.__name__

    count, name = await asyncio.to_thread(used)
    assert count > LONG
    assert name == "get_0001"
