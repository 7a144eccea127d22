"""Does the service of image files do what its OpenAPI document says, over HTTP?"""

import http.client
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from gateway.demo.files.document import DOCUMENT, PATHS
from gateway.demo.files.operations import Operations
from gateway.demo.files.schemas import SCHEMAS

JSON = {"Content-Type": "application/json"}
OCTETS = {"Content-Type": "application/octet-stream"}

Answer = tuple[int, http.client.HTTPMessage, bytes]


class Files:
    """A caller of the service that listens on `port`; a connection for each request."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Status, header fields and body."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(verb, path, body, fields)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def json(self, verb: str, path: str, value: Any = None) -> tuple[int, Any]:
        """Status and JSON of the answer to a request in JSON."""
        body = None if value is None else json.dumps(value).encode()
        status, _, answer = self.ask(verb, path, body, **({} if value is None else JSON))
        return status, json.loads(answer) if answer else None


@pytest.fixture
def files() -> Iterator[Files]:
    """A service of this test's own, which ends with its standard input."""
    command = [sys.executable, "-m", "gateway.demo.files", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        yield Files(int(url.rpartition(":")[2]))
        process.communicate()
        assert process.returncode == 0


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def test_the_document_is_served_and_every_operation_exists_once(files: Files) -> None:
    assert files.json("GET", "/openapi.json") == (200, DOCUMENT)
    names = [operation["operationId"] for verbs in PATHS.values() for operation in verbs.values()]
    assert len(names) == len(set(names))
    assert all(callable(getattr(Operations, name)) for name in names)


def test_every_reference_of_the_document_leads_to_a_schema_and_one_is_recursive() -> None:
    text = json.dumps(DOCUMENT)
    referred = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert referred == set(SCHEMAS)
    assert SCHEMAS["Tag"]["properties"]["children"]["items"] == {"$ref": "#/components/schemas/Tag"}


def test_images_come_in_pages_and_by_source(files: Files) -> None:
    status, page = files.json("GET", "/images?limit=2&offset=1")
    assert (status, [image["uid"] for image in page["items"]], page["total"]) == (200, ["I2", "I3"], 6)
    assert files.json("GET", "/images?source=upload")[1]["items"] == []


def test_an_image_can_be_given_another_title_and_tags_and_is_found_by_them(files: Files) -> None:
    status, image = files.json("PATCH", "/images/I1", {"title": "Nice & new", "tags": ["mine", "70S"]})
    assert (status, image["title"], image["tags"]) == (200, "Nice & new", ["70S", "mine"])
    assert files.json("GET", "/images/I1") == (200, image)
    assert files.json("GET", "/search?q=nice%20%26&tag=mine&tag=sample") == (200, [image])
    assert files.json("GET", "/search?q=nice&tag=thick%20ice") == (200, [])


def test_tags_are_trees_and_own_tags_go_with_their_last_image(files: Files) -> None:
    before = files.json("GET", "/tags")[1]
    assert before[0]["children"][0]["children"] == [{"name": "70S", "children": []}]
    files.json("PATCH", "/images/I1", {"tags": ["mine"]})
    assert files.json("GET", "/tags")[1] == [*before, {"name": "mine", "children": []}]
    files.json("PATCH", "/images/I1", {"tags": []})
    assert files.json("GET", "/tags")[1] == before


def test_an_annotation_lives_from_its_creation_to_its_deletion(files: Files) -> None:
    status, made = files.json("POST", "/images/I2/annotations", {"x": 1.5, "y": 2, "label": "here"})
    assert (status, made["label"]) == (201, "here")
    assert files.json("GET", "/images/I2/annotations") == (200, [made])
    path = f"/images/I2/annotations/{made['id']}"
    assert files.json("DELETE", path) == (204, None)
    assert files.json("DELETE", path)[0] == 404


def test_an_upload_comes_back_as_tiles_with_its_very_pixels(files: Files) -> None:
    pixels = np.random.default_rng(1).normal(size=(70, 130)).astype(np.float32)
    for order, title in (("C", "rows"), ("F", "columns")):
        data = npy(np.asarray(pixels, order=order))
        status, fields, body = files.ask("POST", f"/images?title={title}", data, **OCTETS)
        image = json.loads(body)
        assert (status, fields["Location"], image["shape"]) == (201, f"/images/{image['uid']}", [70, 130])
        rows = []
        for y in (0, 1):
            tiles = []
            for x in (0, 1, 2):
                _, fields, body = files.ask("GET", f"/images/{image['uid']}/tiles/0/{x}/{y}")
                shape = [int(side) for side in fields["X-Shape"].split(",")]
                tiles.append(np.frombuffer(body, fields["X-Dtype"]).reshape(shape))
            rows.append(np.hstack(tiles))
        assert np.array_equal(np.vstack(rows), pixels)
    status, statistics = files.json("GET", f"/images/{image['uid']}/statistics")
    assert statistics["mean"] == pytest.approx(float(pixels.mean(dtype=np.float64)))


def test_a_thumbnail_is_a_png_and_the_version_is_text(files: Files) -> None:
    _, fields, body = files.ask("GET", "/images/I1/thumbnail")
    assert (fields["Content-Type"], body[:8], body[-8:-4]) == ("image/png", b"\x89PNG\r\n\x1a\n", b"IEND")
    _, fields, body = files.ask("GET", "/version")
    assert (fields["Content-Type"], body) == ("text/plain; charset=utf-8", b"1.0.0")


def test_a_tile_is_not_sent_again_to_who_has_it_and_head_says_what_get_would(files: Files) -> None:
    status, fields, body = files.ask("GET", "/images/I1/tiles/0/0/0")
    assert (status, fields["Cache-Control"], len(body)) == (200, "max-age=3600", 64 * 64 * 4)
    for held in (fields["ETag"], f'"x", W/{fields["ETag"]}', "*"):
        status, _, body = files.ask("GET", "/images/I1/tiles/0/0/0", If_None_Match=held)
        assert (status, body) == (304, b"")
    status, head, body = files.ask("HEAD", "/images/I1/tiles/0/0/0", Range="bytes=0-3")
    assert (status, head["ETag"], head["Content-Length"], body) == (200, fields["ETag"], "16384", b"")


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=16380-99999", 206, slice(16380, None)),
        ("bytes=-4", 206, slice(-4, None)),
        ("bytes=16380-", 206, slice(16380, None)),
        ("bytes=5-2", 200, slice(None)),
        ("bytes=0-1,3-4", 200, slice(None)),
        ("lines=0-1", 200, slice(None)),
        ("bytes=16384-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_one_range_of_a_tile_can_be_had(wanted: str, status: int, part: slice | None, files: Files) -> None:
    whole = files.ask("GET", "/images/I1/tiles/0/0/0")[2]
    got, fields, body = files.ask("GET", "/images/I1/tiles/0/0/0", Range=wanted)
    assert got == status
    if part is None:
        assert fields["Content-Range"] == "bytes */16384"
    else:
        assert body == whole[part]


@pytest.mark.parametrize(
    ("verb", "path", "value", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/images/", None, 404),
        ("GET", "/images/I99", None, 404),
        ("GET", "/images/I1/tiles/9/0/0", None, 404),
        ("GET", "/images/I1/tiles/0/4/0", None, 404),
        ("GET", "/images/I1/tiles/a/0/0", None, 422),
        ("GET", "/images?limit=0", None, 422),
        ("GET", "/images?limit=x", None, 422),
        ("GET", "/images?source=moon", None, 422),
        ("GET", "/search?" + "&".join(["tag=a"] * 11), None, 422),
        ("GET", "/search?" + "&".join(["tag=a"] * 101), None, 422),
        ("DELETE", "/images/I1", None, 405),
        ("PATCH", "/images/I1", [], 422),
        ("PATCH", "/images/I1", {"title": ""}, 422),
        ("PATCH", "/images/I1", {"title": "\ud800"}, 422),
        ("PATCH", "/images/I1", {"tags": [1]}, 422),
        ("PATCH", "/images/I1", {"title": "exposure 2"}, 409),
        ("PATCH", "/images/I1", {"title": "exposure 1"}, 200),
        ("POST", "/images/I1/annotations", {"x": 1, "y": 1}, 422),
        ("POST", "/images/I1/annotations", {"x": 256, "y": 1, "label": "x"}, 422),
        ("POST", "/images/I1/annotations", {"x": float("nan"), "y": 1, "label": "x"}, 422),
        ("POST", "/images/I1/annotations", {"x": True, "y": 1, "label": "x"}, 422),
    ],
)
def test_a_refusal_has_its_status_and_says_why(
    verb: str, path: str, value: Any, status: int, files: Files
) -> None:
    got, answer = files.json(verb, path, value)
    assert got == status
    assert status == 200 or isinstance(answer["detail"], str)


def test_a_wrong_verb_is_told_which_are_right(files: Files) -> None:
    status, fields, _ = files.ask("PUT", "/images")
    assert (status, fields["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        npy(np.zeros((4, 4)))[:-1],
        npy(np.zeros(4)),
        npy(np.zeros((4, 4), complex)),
        npy(np.full((4, 4), np.nan)),
        npy(np.full((4, 4), 1e300)),
        npy(np.zeros((1, 1025))),
        npy(np.zeros((4, 4))).replace(b"(4, 4), }", b"(((((4, "),
        npy(np.zeros((4, 4))).replace(b"'<f8'", b"'|O8'"),
    ],
)
def test_what_is_no_picture_is_refused(body: bytes, files: Files) -> None:
    status, _, answer = files.ask("POST", "/images?title=new", body, **OCTETS)
    assert (status, list(json.loads(answer))) == (422, ["detail"])


def test_a_body_of_another_media_type_or_of_unknown_or_great_length_is_refused(files: Files) -> None:
    assert files.ask("PATCH", "/images/I1", b"{}", Content_Type="text/plain")[0] == 415
    assert files.ask("PATCH", "/images/I1", b"{", **JSON)[0] == 422
    assert files.ask("PATCH", "/images/I1", b"{}", Content_Length="999999999", **JSON)[0] == 413
    assert files.ask("PATCH", "/images/I1", b"{}", Transfer_Encoding="chunked", **JSON)[0] == 411
