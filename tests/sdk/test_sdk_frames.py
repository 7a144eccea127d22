"""Is a table that can come as an Arrow stream asked for as one, and read exactly?"""

from __future__ import annotations

import sys
from typing import Any

import pyarrow
import pytest

import labgate
from labgate import _frames
from labgate.errors import BadReply, Error, MissingExtra
from tests.sdk.conftest import Gate, http, read_request, scripted

TABLE = pyarrow.table({"id": pyarrow.array([2**63 + 1, None], pyarrow.uint64()), "word": ["a", "b"]})
MARKS = {"x-labgate": {"safe": True, "result": "table"}}


def stream_of(table: pyarrow.Table) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def cave(gate: Gate) -> Gate:
    gate.add("materialize.query_table", {"rows": 2}, **MARKS)
    return gate


def answered(body: bytes, kind: str) -> Any:
    """What a client gets from a gate that answers a query by these bytes."""
    described = {"name": "m.q", "params": [], **MARKS}
    listed = labgate._codec.to_json_text({"openrpc": "1.3.2", "methods": [described]})

    def gate(connection: Any) -> None:
        read_request(connection)
        connection.sendall(http(listed.encode()))
        read_request(connection)
        connection.sendall(http(body, "200 OK", "X-Request-Id: r-7", kind=kind))

    with scripted(gate) as url:
        return labgate.connect(url, retries=0).m.q()


def test_a_table_is_asked_for_as_arrow_where_it_can_be_read_and_as_before_where_not(
    cave: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = labgate.connect(cave.url)
    assert lab.materialize.query_table() == {"rows": 2}, "a gate that does not know Arrow answers as before"
    lab.jobs.list_lanes()
    monkeypatch.setattr(_frames, "can_arrow", lambda: False)
    lab.materialize.query_table()
    accepts = [headers["accept"] for verb, _, headers, _ in cave.requests if verb == "POST"]
    assert accepts == [
        "application/vnd.apache.arrow.stream, application/msgpack;q=0.9, application/json;q=0.8",
        "application/json",
        "application/msgpack, application/json;q=0.9",
    ]


@pytest.mark.parametrize("kind", ["application/vnd.apache.arrow.stream", "data.arrow", "Data.Arrow; x=1"])
def test_an_arrow_stream_is_a_table_with_every_integer_exact(kind: str) -> None:
    found = answered(stream_of(TABLE), kind)
    assert found.column("id").to_pylist() == [2**63 + 1, None]


def test_a_table_within_an_envelope_is_read_too_in_calls_and_in_batches(cave: Gate) -> None:
    cave.answers["materialize.query_table"] = lambda _: stream_of(TABLE)
    lab = labgate.connect(cave.url)
    assert lab.materialize.query_table().equals(TABLE)
    with labgate.batch(lab) as b:
        handle = b.materialize.query_table()
    assert handle.result().equals(TABLE)


def test_bytes_that_are_no_stream_stay_bytes(cave: Gate) -> None:
    cave.answers["materialize.query_table"] = lambda _: b"\x1f\x8b"
    assert labgate.connect(cave.url).materialize.query_table() == b"\x1f\x8b"


@pytest.mark.parametrize("body", [b"", b"not arrow", stream_of(TABLE)[:100], stream_of(TABLE)[:-100]])
def test_a_broken_stream_is_a_bad_reply_that_says_whose(body: bytes) -> None:
    with pytest.raises(BadReply, match="no Arrow stream") as caught:
        answered(body, "application/vnd.apache.arrow.stream")
    assert (caught.value.method, caught.value.request_id) == ("m.q", "r-7")


def test_a_broken_stream_in_a_batch_is_that_calls_error_alone(cave: Gate) -> None:
    cave.answers["materialize.query_table"] = lambda _: b"\xff\xff\xff\xff\x10"
    with labgate.batch(labgate.connect(cave.url)) as b:
        broken, fine = b.materialize.query_table(), b.jobs.list_lanes()
    assert isinstance(broken.exception(), BadReply)
    assert fine.result() == ["a", "b"]


def test_another_type_with_arrow_in_its_name_is_not_read_as_a_stream() -> None:
    with pytest.raises(Error, match="no JSON-RPC answer"):
        answered(b"x", "application/arrow-like")


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="pip install pyarrow"):
        _frames.frame_of(stream_of(TABLE))


def test_a_frame_keeps_integers_beside_missing_values_and_says_what_the_stream_said_of_itself() -> None:
    class Frame:
        def __init__(self) -> None:
            self.attrs: dict[str, Any] = {}

    class Table:
        schema = pyarrow.schema(
            [], metadata={"version": "943", "unit": "nm", "pandas": "{}", b"\xff": b"\xff"}
        )

        def to_pandas(self, **how: Any) -> Frame:
            assert how == {"integer_object_nulls": True}
            return Frame()

    assert _frames.framed(Table()).attrs == {"version": 943, "unit": "nm", "\ufffd": "\ufffd"}
