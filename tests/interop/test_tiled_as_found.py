"""How does a real Tiled server behave when it is asked directly, and what does the real client get from it?"""

import http.client
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest

# The first test may have to build the environment.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

API_KEY = "0a1b2c3d4e5f"
BLOCK = "/api/v1/array/block/image?block=0,0"

Ask = Callable[..., tuple[int, http.client.HTTPMessage, bytes]]


@pytest.fixture
def ask(upstream: Callable[[str], Any]) -> Ask:
    """`ask(path, **fields)`: status, fields and body of a GET with the API key."""
    port = upstream("tiled").port

    def asked(path: str, **fields: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", path, headers={"Authorization": f"Apikey {API_KEY}"} | sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    return asked


def test_the_key_may_stand_in_a_field_or_in_the_query(ask: Ask) -> None:
    assert ask("/api/v1/metadata/")[0] == 200
    assert ask("/api/v1/metadata/", Authorization="Apikey ffff")[0] == 401
    assert ask("/api/v1/metadata/", Authorization="")[0] == 401
    assert ask(f"/api/v1/metadata/?api_key={API_KEY}", Authorization="")[0] == 200


def test_a_block_is_bytes_and_its_etag_is_compared_as_it_stands_without_quotes(ask: Ask) -> None:
    status, fields, body = ask(BLOCK)
    assert (status, fields["Content-Type"]) == (200, "application/octet-stream")
    assert np.frombuffer(body, "<u2").reshape(32, 48).max() < 4096
    tag = fields["ETag"]
    assert '"' not in tag
    assert ask(BLOCK, If_None_Match=tag)[0] == 304
    assert ask(BLOCK, If_None_Match=f'"{tag}"')[0] == 200


def test_a_shared_cache_learns_nothing_of_who_may_have_an_answer_or_in_which_form(ask: Ask) -> None:
    _, fields, _ = ask(BLOCK)
    assert "Cache-Control" not in fields
    varies = " ".join(fields.get_all("Vary") or ()).lower()
    assert "origin" in varies
    assert "authorization" not in varies
    assert "accept," not in f"{varies},".replace("accept-encoding", "")
    assert fields["Set-Cookie"].startswith("tiled_csrf=")


def test_links_are_absolute_and_follow_a_forwarded_host_but_no_prefix(ask: Ask) -> None:
    forwarded = {"X_Forwarded_Host": "gate.lab", "X_Forwarded_Proto": "https", "X_Forwarded_Prefix": "/tiled"}
    _, _, body = ask("/api/v1/metadata/image", **forwarded)
    links = json.loads(body)["data"]["links"]
    assert links["full"] == "https://gate.lab/api/v1/array/full/image"


def test_a_form_is_chosen_by_the_query_and_an_unknown_one_is_406(ask: Ask) -> None:
    _, fields, _ = ask("/api/v1/array/full/image?format=csv")
    assert fields.get_content_type() == "text/csv"
    status, _, body = ask("/api/v1/array/full/image?format=zip")
    assert (status, "application/octet-stream" in json.loads(body)["detail"]) == (406, True)


def test_the_real_client_walks_reads_and_slices(
    upstream: Callable[[str], Any], calls_of: Callable[..., Any]
) -> None:
    url = upstream("tiled").url
    got = calls_of("tiled", "tiled_client.py", f"{url}/api/v1", API_KEY)
    failed = {name for name, (kind, _) in got.items() if kind == "error"}
    assert failed == {name for name in got if ".no_such_" in name} | {
        "from_uri with another key",
        "no such name",
    }
    assert got["list"] == ["value", ["image", "picks", "samples"]]
    assert got["samples/a.read"] == got["path"]
    assert got["image.slice"][1][:3] == ["array", "uint16", [2, 96]]
    assert got["links"] == ["value", [f"{url}/api/v1"]]
