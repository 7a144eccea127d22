"""Is a list of methods read as it was meant, however it is packed?"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

import labgate
from labgate import _listed
from labgate._wire import Response
from labgate.errors import BadReply, Unauthenticated
from tests.sdk.conftest import TOKEN, Gate


@pytest.fixture
def packs(gate: Gate) -> Any:
    """Has the gate answer with this coding and body, and a client read the list: the names in it."""

    def read(coding: str, body: bytes) -> list[str]:
        gate.document, gate.reply_headers = body, {"Content-Encoding": coding}
        return dir(labgate.connect(gate.url, token=TOKEN, cache_dir=None))

    return read


@pytest.fixture
def document(gate: Gate) -> bytes:
    gate.add("calc.get")
    return gate.openrpc()


def test_it_is_asked_for_packed(gate: Gate, packs: Any, document: bytes) -> None:
    assert "calc" in packs("gzip", gzip.compress(document))
    assert gate.requests[0][2]["accept-encoding"] == "gzip"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_it_is_unpacked(packs: Any, document: bytes, coding: str) -> None:
    assert "calc" in packs(coding, gzip.compress(document))


def test_one_that_is_not_packed_is_read_as_it_is(packs: Any, document: bytes) -> None:
    assert "calc" in packs("identity", document)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", lambda body: gzip.compress(body)[:-9]),
        ("gzip", lambda body: body),
        ("gzip", lambda body: b""),
        ("deflate", zlib.compress),
        ("br", lambda body: body),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    ],
)
def test_one_that_cannot_be_unpacked_is_said_to_be_so(
    packs: Any, document: bytes, coding: str, pack: Any
) -> None:
    with pytest.raises(BadReply, match=r"openrpc.json is packed .* in a way that cannot be undone"):
        packs(coding, pack(document))


def test_one_that_is_small_and_becomes_huge_is_not_unpacked(
    packs: Any, document: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_listed, "_MOST", 1 << 20)
    with pytest.raises(BadReply, match="larger than 1 MiB"):
        packs("gzip", gzip.compress(document + b" " * (64 << 20)))


def test_a_refusal_that_a_proxy_has_packed_is_read() -> None:
    data = {"fault": "Unauthenticated", "request_id": "r-1"}
    error = {"code": -32001, "message": "this gate does not know you", "data": data}
    body = gzip.compress(json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode())
    fields = {b"content-type": b"application/json", b"content-encoding": b"gzip"}
    refused = Response(401, fields, body, reusable=True)
    with pytest.raises(Unauthenticated, match="this gate does not know you"):
        _listed.listed(refused, "http://gate.example", direct=False, shown=True)
