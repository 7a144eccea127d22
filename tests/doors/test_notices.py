"""What a service says beside an answer comes to the caller with it, and an answer that it said something beside is not stored."""

import json

import pytest


def call(number, *words):
    return {"jsonrpc": "2.0", "method": "calc.get_noticed", "params": list(words), "id": number}


async def test_notices_come_with_the_answer_as_they_were_sent_and_the_answer_is_not_stored(lab):
    for times in (1, 2, 3):  # over a new connection, then over one that has carried others
        _, fields, body = await lab.post(json.dumps(call(1, "one", "two")).encode())
        assert json.loads(body)["result"] == times
        assert fields.getall("Warning") == ['299 - "one"', '299 - "two"']
        assert "; stored" not in fields["Cache-Status"]


async def test_an_answer_without_notices_is_stored_and_says_none(lab):
    for _ in range(3):
        _, fields, body = await lab.post(json.dumps(call(1)).encode())
        assert json.loads(body)["result"] == 1
        assert "Warning" not in fields


async def test_the_notices_of_a_batch_are_those_of_all_its_answers_each_said_once(lab):
    batch = [call(1, "one"), call(2, "two", "both"), call(3, "both")]
    _, fields, _ = await lab.post(json.dumps(batch).encode())
    assert sorted(set(fields.getall("Warning"))) == ['299 - "both"', '299 - "one"', '299 - "two"']


@pytest.mark.parametrize("words", ["x" * 1100, "y" * 4000])
async def test_notices_that_are_too_long_are_left_out_and_the_answer_comes(lab, words):
    _, fields, body = await lab.post(json.dumps(call(1, "short", words)).encode())
    assert json.loads(body)["result"] == 1
    assert fields.getall("Warning") == ['299 - "short"']


async def test_a_plain_address_says_them_too(lab):
    fields = {"Authorization": f"Bearer {lab.token}"}
    async with lab.session.get(f"{lab.address}/rpc/calc.get_noticed?plain=1", headers=fields) as response:
        assert (response.status, response.headers.getall("Warning")) == (200, ['299 - "plain"'])
