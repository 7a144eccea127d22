"""Do the lab's own clients get below the mounts of the demo what they get without the gate?"""

import http.client
import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

import labgate
from gateway.demo.dvid.lab import node_uuid
from gateway.demo.dvid.synthetic import Tissue, tissue
from labgate.errors import Locked, NotFound

ADDED = {"age", "cache-status", "labgate-catalog", "server-timing", "x-request-id"}
OF_ONE_REPLY = {"date", "content-length", "transfer-encoding"}  # the framing is rebuilt: it is counted here
JSON = {"Content-Type": "application/json"}
OCTETS = {"Content-Type": "application/octet-stream"}
MOUNTS = {"files": "/files", "lab": "/jobs", "dvid": "/dvid"}

Reply = tuple[int, str, list[tuple[str, str]], bytes]


@dataclass(frozen=True, slots=True)
class Lab:
    """A running demo: what its summary says, word by word."""

    said: dict[str, str]

    def ask(self, word: str, verb: str, path: str, body: bytes | None = None, **fields: str) -> Reply:
        """Status, reason, fields and body that the service called `word` in the summary gives without the gate."""
        return asked(self.said[word], verb, path, body, fields)

    def through(self, word: str, verb: str, path: str, body: bytes | None = None, **fields: str) -> Reply:
        """The same below its mount."""
        fields["Authorization"] = f"Bearer {self.said['token']}"
        return asked(self.said["address"] + MOUNTS[word], verb, path, body, fields)

    def client(self) -> labgate.Client:
        """A client of the SDK, with the demo's token."""
        return labgate.connect(self.said["address"], token=self.said["token"])


def asked(base: str, verb: str, path: str, body: bytes | None, fields: dict[str, str]) -> Reply:
    parts = urlsplit(base)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=60)) as connection:
        connection.request(verb, parts.path + path, body, fields)
        response = connection.getresponse()
        read = response.read()
        kept = [pair for pair in response.getheaders() if pair[0].lower() not in ADDED | OF_ONE_REPLY]
        framed = verb == "HEAD" or "Transfer-Encoding" in response.headers
        assert framed or response.headers.get("Content-Length", "0") == str(len(read))
        return response.status, response.reason, kept, read


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A demo that the tests share."""
    command = [sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--operator-port", "0"]
    pipe, folder = subprocess.PIPE, tmp_path_factory.mktemp("demo")
    with subprocess.Popen(command, stdout=pipe, text=True, cwd=folder) as process:
        assert process.stdout is not None
        said: dict[str, str] = {}
        for line in process.stdout:
            words = line.split()
            if line.startswith("  ") and len(words) > 1:
                said.setdefault(words[0], words[1])
            if line.startswith("Ctrl-C ends it."):
                break
        yield Lab(said)
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(60) == 0


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def rpc(method: str, *params: Any, identity: Any = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}).encode()


TARGETS = [
    "/",
    "/openapi.json",
    "/version",
    "/tags",
    "/images?limit=2&offset=1",
    "/images?limit=many",
    "/images/I1",
    "/images/I1/statistics",
    "/images/I1/thumbnail",
    "/images/I1/tiles/0/0/0",
    "/images/I1/tiles/9/9/9",
    "/images/%49%31",
    "/search?q=exposure&tag=70S&tag=good%20ice",
    "/nothing/at/all",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("verb", ["GET", "HEAD"])
def test_the_rest_service_answers_below_its_mount_as_it_does_without_the_gate(
    lab: Lab, verb: str, target: str
) -> None:
    direct = lab.ask("files", verb, target)
    assert lab.through("files", verb, target) == direct
    assert lab.through("files", verb, target) == direct, "also where the cache answers"


def test_parts_of_a_tile_and_copies_that_are_still_good_pass_the_mount(lab: Lab) -> None:
    target = "/images/I1/tiles/0/1/0"
    tag = dict(lab.ask("files", "GET", target)[2])["ETag"]
    wishes = {"Range": "bytes=16-31"}, {"Range": "bytes=999999-"}, {"If-None-Match": tag}
    replies = [lab.through("files", "GET", target, **wish) for wish in wishes]
    assert [reply[0] for reply in replies] == [206, 416, 304]
    assert replies == [lab.ask("files", "GET", target, **wish) for wish in wishes]


@pytest.mark.parametrize(
    "body",
    [
        rpc("get_version"),
        rpc("get_version", identity="another"),
        rpc("system.describe"),
        rpc("system.listMethods"),
        rpc("echo", 2**70, None, identity=None),
        rpc("echo", {"deep": [1.5, "ä"]}),
        rpc("get_job", "P1", "J999"),
        rpc("no_such_method"),
        b"[%b, %b]" % (rpc("list_projects"), rpc("get_job", identity=2)),
    ],
)
def test_the_job_manager_answers_below_its_mount_as_it_does_without_the_gate(lab: Lab, body: bytes) -> None:
    direct = lab.ask("lab", "POST", "/api", body, **JSON)
    assert lab.through("lab", "POST", "/api", body, **JSON) == direct


def test_what_is_written_below_the_mount_is_seen_by_methods_at_once(lab: Lab) -> None:
    client = lab.client()
    before = client.files.list_images(source="upload")["total"]
    body = npy(np.arange(64, dtype="<f4").reshape(8, 8))
    created = lab.through("files", "POST", "/images?title=mounted", body, **OCTETS)
    image = json.loads(created[3])
    assert (created[0], dict(created[2])["Location"]) == (201, f"/files/images/{image['uid']}")
    assert client.files.list_images(source="upload")["total"] == before + 1
    change = json.dumps({"title": "renamed"}).encode()
    assert lab.through("files", "PATCH", f"/images/{image['uid']}", change, **JSON)[0] == 200
    assert client.files.get_image(image["uid"])["title"] == "renamed"


def test_a_mounted_request_needs_a_token_where_the_service_itself_needs_none(lab: Lab) -> None:
    base = lab.said["address"]
    assert lab.ask("files", "GET", "/images")[0] == 200
    assert asked(f"{base}/files", "GET", "/images", None, {})[0] == 401
    assert asked(f"{base}/files", "GET", "/images", None, {"Authorization": "Bearer no.such.token"})[0] == 401


def test_requests_of_the_sdk_pass_the_mount(lab: Lab) -> None:
    client = lab.client()
    with labgate.request(client.files, method="GET", url="/images/I2/thumbnail") as response:
        assert response.headers["Content-Type"] == "image/png"
        assert response.read() == lab.ask("files", "GET", "/images/I2/thumbnail")[3]
    with labgate.request(
        client.jobs, url="/api", json={"jsonrpc": "2.0", "id": 1, "method": "get_version"}
    ) as it:
        assert it.json()["result"] == client.jobs.get_version()
    with pytest.raises(NotFound):
        labgate.request(client.files, "GET", "/images/I999")


def test_downloads_and_uploads_of_the_sdk_pass_the_mount(lab: Lab, tmp_path: Path) -> None:
    client, target = lab.client(), "/images/I3/tiles/0/0/0"
    path = labgate.download(client.files, target, to=tmp_path / "tile")
    assert Path(path).read_bytes() == lab.ask("files", "GET", target)[3]
    source = tmp_path / "image.npy"
    source.write_bytes(npy(np.ones((8, 8), dtype="<f4")))
    done = labgate.upload(client.files, "/images", source, method="POST", query={"title": "uploaded"})
    assert done.status == 201
    assert client.files.search(q="uploaded")[0]["shape"] == [8, 8]


@pytest.fixture(scope="module")
def made() -> Tissue:
    """What the demo's DVID has been filled with."""
    return tissue()


VOLUMES = [
    "/api/server/info",
    "/api/repos/info",
    "/api/node/TRACED/status",
    "/api/node/TRACED/grayscale/info",
    "/api/node/TRACED/grayscale/metadata",
    "/api/node/TRACED/grayscale/raw/0_1_2/70_60_50/10_20_-5",
    "/api/node/TRACED/grayscale/raw/0_1/256_256/128_128_32/png",
    "/api/node/TRACED/segmentation/raw/0_1_2/64_64_64/64_64_0?scale=1",
    "/api/node/TRACED/segmentation/label/100_100_10?u=ada&app=tests",
    "/api/node/TRACED/segmentation_annotations/keys",
    "/api/node/TRACED/synapses/elements/100_100_64/0_0_0",
    "/api/node/ROOT:master/grayscale/raw/0_1_2/64_64_32/0_0_0",
    "/api/node/nobodys/grayscale/info",
    "/api/node/TRACED/nothing/info",
]


@pytest.mark.parametrize("target", VOLUMES)
def test_the_volumes_answer_below_their_mount_as_they_do_without_the_gate(lab: Lab, target: str) -> None:
    target = target.replace("TRACED", node_uuid("medulla traced")).replace("ROOT", node_uuid("medulla"))
    direct = lab.ask("dvid", "GET", target)
    for _ in range(2):
        through = lab.through("dvid", "GET", target)
        assert (through[0], through[3]) == (direct[0], direct[3]), "also where the cache answers"
        assert dict(direct[2]).items() <= dict(through[2]).items(), "a tag is all that is added"


def test_a_slice_through_the_gate_is_of_the_tissue_that_was_made(lab: Lab, made: Tissue) -> None:
    client = lab.client()
    gray = client.dvid.volume("prod", "grayscale")
    assert (gray.shape, gray.dtype, gray.resolution, gray.locked) == (
        (64, 512, 512),
        np.uint8,
        (8, 8, 8),
        True,
    )
    for _ in range(2):
        np.testing.assert_array_equal(gray[7:50, 100:300, 33:444], made.grey[7:50, 100:300, 33:444])
    np.testing.assert_array_equal(gray[32], made.grey[32])
    out = np.empty(gray.shape, np.uint8)
    np.testing.assert_array_equal(gray.read(out=out, workers=4), made.grey)
    coarse = gray.read(resolution=(16, 16, 16))
    assert coarse.shape == (32, 256, 256)
    bodies = client.dvid.volume(node_uuid("medulla")[:7], "segmentation")
    np.testing.assert_array_equal(bodies[10:20, :64, :64], made.labels[10:20, :64, :64])


def test_the_version_that_is_worked_on_can_be_written_and_the_one_before_cannot(
    lab: Lab, made: Tissue
) -> None:
    client = lab.client()
    work, prod = client.dvid.volume("work", "grayscale"), client.dvid.volume("prod", "grayscale")
    work[32:64, 448:512, 480:512] = 7
    assert (work[32:64, 448:512, 480:512] == 7).all()
    np.testing.assert_array_equal(prod[32:64, 448:512, 480:512], made.grey[32:64, 448:512, 480:512])
    with pytest.raises(Locked, match=node_uuid("medulla traced")):
        prod[32:64, 448:512, 480:512] = 7
