"""Does a raw request reach the service as it was written, and in the gate's identity?"""

from __future__ import annotations

import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labgate
from labgate import errors
from tests.sdk.conftest import TOKEN, Gate, mounted, scripted


def sent(files: Gate, *arguments: Any, **options: Any) -> tuple[str, str, dict[str, str], bytes]:
    """What the service was sent of one request."""
    lab = labgate.connect(files.url)
    with labgate.request(lab.files, *arguments, **options) as response:
        response.read()
    return files.requests[-1]


def test_a_request_goes_below_the_services_mount_in_the_gates_identity(files: Gate) -> None:
    lab = labgate.connect(files.url)
    with labgate.request(lab.files, "GET", "/tiles/7") as response:
        assert (response.status, response.reason) == (200, "OK")
        assert response.read() == b"GET /files/tiles/7 0"
    verb, target, headers, _ = files.requests[-1]
    assert (verb, target, headers["authorization"]) == ("GET", "/files/tiles/7", f"Bearer {TOKEN}")
    assert headers["accept-encoding"] == "identity"
    assert "content-length" not in headers


def test_a_client_takes_the_whole_path_and_no_datastack_is_added_to_it(files: Gate) -> None:
    lab = labgate.connect(files.url, datastack="minnie65")
    with labgate.request(lab, "get", "/files/x") as response:
        assert response.text() == "GET /files/x 0"


def test_a_gate_below_a_path_is_asked_below_it(files: Gate) -> None:
    with labgate.request(labgate.connect(f"{files.url}/gate").files, "GET", "/x") as response:
        assert response.text() == "GET /gate/files/x 0"


def test_a_service_without_a_mount_is_named_as_such(files: Gate) -> None:
    lab = labgate.connect(files.url)
    with pytest.raises(errors.NotFound, match="'jobs' is not mounted") as caught:
        labgate.request(lab.jobs, "GET", "/x")
    assert caught.value.service == "jobs"


def test_a_mount_that_is_newer_than_the_kept_catalog_is_learned(files: Gate) -> None:
    lab = labgate.connect(files.url)
    lab._session.link._next_look = 0.0
    files.about = {"namespaces": {"jobs": {"mount": "/files/jobs"}}}
    with labgate.request(lab.jobs, "GET", "/x") as response:
        assert response.text() == "GET /files/jobs/x 0"


def test_a_mounted_service_without_methods_is_a_namespace_until_it_is_gone(files: Gate) -> None:
    files.about = {"namespaces": {"files": {"mount": "/files"}, "bare": {"mount": "/files/b"}, "none": {}}}
    lab = labgate.connect(files.url)
    assert dir(lab) == ["bare", "files", "jobs"]
    assert (dir(lab.bare), repr(lab.bare)) == ([], "<labgate namespace bare: 0 methods>")
    with labgate.request(lab.bare, "GET", "/x") as response:
        assert response.text() == "GET /files/b/x 0"
    with pytest.raises(AttributeError, match=r"bare\.thing"):
        _ = lab.bare.thing
    with pytest.raises(errors.NotFound):
        _ = lab.bare["thing"]
    files.about = {}
    labgate.refresh(lab)
    assert dir(lab) == ["files", "jobs"]


def test_a_service_may_be_mounted_at_the_root(files: Gate) -> None:
    files.about = {"namespaces": {"files": {"mount": "/"}}}
    lab = labgate.connect(files.url)
    with labgate.request(lab.files, "PUT", "/files/x") as response:
        assert response.text() == "PUT /files/x 0"
    with labgate.request(lab.files, "OPTIONS") as response:
        assert response.text() == "OPTIONS / 0"


def test_a_namespace_within_a_service_has_the_services_mount(files: Gate) -> None:
    files.add("files.deep.thing", None)
    with labgate.request(labgate.connect(files.url).files.deep, "GET", "/x") as response:
        assert response.text() == "GET /files/x 0"


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({"a": 1, "b": "x y&z=ü/"}, "/files/f?a=1&b=x%20y%26z%3D%C3%BC%2F"),
        ({"n": [1, 2.5, "c"], "none": None, "empty": []}, "/files/f?n=1&n=2.5&n=c"),
        ({"yes": True, "day": date(2020, 1, 2), "raw": b"\xff"}, "/files/f?yes=true&day=2020-01-02&raw=%FF"),
        ({"np": np.arange(2), "one": np.int64(7)}, "/files/f?np=0&np=1&one=7"),
        ([("k", 1), ("l", 2), ("k", 3)], "/files/f?k=1&l=2&k=3"),
        ({}, "/files/f"),
    ],
)
def test_lists_in_a_query_repeat_none_is_left_out_and_the_rest_is_escaped(
    files: Gate, query: Any, target: str
) -> None:
    assert sent(files, "GET", "/f", query=query)[1] == target


def test_a_url_is_sent_as_it_was_written_and_a_query_joins_its_own(files: Gate) -> None:
    assert sent(files, "GET", "//a/%2F;x=(1)?b=%20+", query={"c": 1})[1] == "/files//a/%2F;x=(1)?b=%20+&c=1"
    assert sent(files, "GET", "/a b/ü\r\nX: y")[1] == "/files/a%20b/%C3%BC%0D%0AX:%20y"
    assert sent(files, "GET")[1] == "/files"


@pytest.mark.parametrize("url", ["x", "http://elsewhere.org/x", "https://elsewhere.org", "/a#b"])
def test_a_url_that_is_no_path_is_refused_before_anything_is_sent(files: Gate, url: str) -> None:
    lab = labgate.connect(files.url)
    before = len(files.requests)
    for target in (lab, lab.files):
        with pytest.raises(errors.SetupError):
            labgate.request(target, "GET", url)
    assert len(files.requests) == before


@pytest.mark.parametrize("verb", ["", "GE T", "GET\r\n", "CONNECT", "é"])
def test_what_is_no_verb_for_a_service_is_refused(files: Gate, verb: str) -> None:
    with pytest.raises(errors.SetupError):
        labgate.request(labgate.connect(files.url).files, verb, "/x")


def test_only_clients_and_namespaces_make_requests(files: Gate) -> None:
    lab = labgate.connect(files.url)
    for target in (None, "files", lab.files.get_tile):
        with pytest.raises(TypeError, match="client or a namespace"):
            labgate.request(target, "GET", "/x")  # type: ignore[arg-type]
    with labgate.batch(lab) as b, pytest.raises(TypeError, match="batch"):
        labgate.request(b.files, "GET", "/x")


def pieces(*parts: bytes) -> Iterator[bytes]:
    """Bytes as a generator has them."""
    yield from parts


@pytest.mark.parametrize("size", [0, 1, 70_000, 600_000])
def test_bytes_memory_and_files_are_sent_with_their_length(files: Gate, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(b"before" + data)
    with (tmp_path / "file").open("rb") as file:
        file.seek(6)
        for body in (
            data,
            bytearray(data),
            memoryview(data),
            np.frombuffer(data, np.uint8),
            io.BytesIO(data),
            file,
        ):
            verb, _, headers, came = sent(files, url="/f", data=body)
            assert (verb, came == data) == ("POST", True)
            assert headers["content-length"] == str(size)
            assert headers["content-type"] == "application/octet-stream"


def test_a_generator_travels_in_chunks_of_which_an_empty_one_ends_nothing(files: Gate) -> None:
    big = os.urandom(300_000)
    _, _, headers, came = sent(files, "PUT", "/f", data=pieces(b"a", b"", big, b"z"))
    assert came == b"a" + big + b"z"
    assert headers["transfer-encoding"] == "chunked"
    assert sent(files, "PUT", "/f", data=pieces())[3] == b""


def test_a_file_that_cannot_tell_its_length_travels_in_chunks(files: Gate) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        os.write(writer, b"through a pipe")
        os.close(writer)
        _, _, headers, came = sent(files, "PUT", "/f", data=file)
    assert (came, headers.get("transfer-encoding")) == (b"through a pipe", "chunked")


def test_an_array_of_any_shape_is_sent_as_its_memory_and_one_in_pieces_is_refused(files: Gate) -> None:
    array = np.arange(12, dtype=np.int16).reshape(3, 4)
    assert sent(files, url="/f", data=array)[3] == array.tobytes()
    with pytest.raises(TypeError, match="contiguous"):
        sent(files, url="/f", data=array[:, ::2])


def test_a_generator_of_a_known_length_is_held_to_it(files: Gate) -> None:
    _, _, headers, came = sent(files, url="/f", data=pieces(b"ab", b"c"), headers={"Content-Length": "3"})
    assert (came, "transfer-encoding" in headers) == (b"abc", False)
    for length in ("2", "4"):
        with pytest.raises(errors.SetupError, match=r"Content-Length|announced"):
            sent(files, url="/f", data=pieces(b"ab", b"c"), headers={"Content-Length": length})
    for length in ("2", "x", "-1"):
        with pytest.raises(errors.SetupError, match="Content-Length"):
            sent(files, url="/f", data=b"abc", headers={"Content-Length": length})


@pytest.mark.parametrize("data", ["text", {"a": 1}, Path("file"), io.StringIO, [1, 2], 7])
def test_what_is_no_bytes_is_refused(files: Gate, data: Any) -> None:
    data = data("text") if data is io.StringIO else data
    with pytest.raises(TypeError):
        sent(files, url="/f", data=data)


def test_an_error_in_the_callers_generator_is_the_callers_and_ends_the_connection() -> None:
    seen: list[bytes] = []
    ended = threading.Event()

    def breaks() -> Iterator[bytes]:
        yield b"begun"
        raise ZeroDivisionError

    def reads(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            seen.append(data)
        ended.set()

    with scripted(mounted, reads) as url:
        with pytest.raises(ZeroDivisionError):
            labgate.request(labgate.connect(url), "PUT", "/files/x", data=breaks())
        assert ended.wait(10)
    assert b"".join(seen).endswith(b"\r\n5\r\nbegun\r\n")


def test_json_is_written_as_in_calls_but_always_as_json(files: Gate) -> None:
    _, _, headers, came = sent(
        files, url="/f", json={"day": date(2020, 1, 2), "a": np.eye(1), "n": np.int8(3)}
    )
    assert headers["content-type"] == "application/json"
    array = {"$ndarray": {"base64": "AAAAAAAA8D8=", "dtype": "<f8", "shape": [1, 1]}}
    assert json.loads(came) == {"day": "2020-01-02", "a": array, "n": 3}
    assert sent(files, url="/f", json=None)[3] == b"null"
    with pytest.raises(TypeError, match="one body"):
        sent(files, url="/f", json=1, data=b"")


def test_the_callers_fields_go_before_the_clients_and_both_before_the_sdks(files: Gate) -> None:
    lab = labgate.connect(files.url, headers={"X-A": "client", "X-B": "client"})(fresh=True)
    fields = {"x-a": "call", "Accept": "image/png", "User-Agent": "mine", "content-type": "image/tiff"}
    labgate.request(lab.files, url="/f", data=b"x", headers=fields).close()
    headers = files.requests[-1][2]
    assert {name: headers[name] for name in ("x-a", "x-b", "accept", "user-agent", "content-type")} == {
        "x-a": "call",
        "x-b": "client",
        "accept": "image/png",
        "user-agent": "mine",
        "content-type": "image/tiff",
    }
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"Transfer-Encoding": "chunked"},
        {"labgate-token": "x"},
        {"Connection": "close"},
        {"X": "a\r\nb"},
    ],
)
def test_fields_that_frame_a_request_or_say_who_calls_are_not_the_callers(
    files: Gate, headers: dict[str, str]
) -> None:
    with pytest.raises(errors.SetupError):
        sent(files, "GET", "/f", headers=headers)


def test_an_authorization_of_the_callers_own_is_the_services_and_the_token_travels_beside_it(
    files: Gate,
) -> None:
    files.token = None
    headers = sent(files, "GET", "/f", headers={"Authorization": "Basic eDp5"})[2]
    assert (headers["authorization"], headers["labgate-token"]) == ("Basic eDp5", TOKEN)


def test_the_gate_is_told_the_deadline_of_a_small_request_and_none_that_moves(files: Gate) -> None:
    assert sent(files, "GET", "/f", timeout=7)[2]["labgate-timeout"] == "7"
    assert "labgate-timeout" not in sent(files, "PUT", "/f", timeout=7, data=bytes(100_000))[2]
    assert "labgate-timeout" not in sent(files, "GET", "/f", timeout=None)[2]
    with pytest.raises(errors.SetupError, match="timeout"):
        sent(files, "GET", "/f", timeout=0)


@pytest.mark.parametrize("query", ["limit=1", b"limit=1"])
def test_a_query_that_is_a_text_is_refused_with_what_it_is(files: Gate, query: Any) -> None:
    with pytest.raises(
        TypeError, match=r"query is names and values, like \{'limit': 1\}, and no (str|bytes)"
    ):
        labgate.request(labgate.connect(files.url), "GET", "/files/x", query=query)
