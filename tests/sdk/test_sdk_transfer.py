"""Is a downloaded file whole or not there, whatever breaks, and does an upload arrive as it is?"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import json
import os
import pty
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labgate
from labgate import errors
from tests.sdk.conftest import Gate, Handler

DATA = os.urandom(3_000_000)


class Store:
    """A service with one file, of which parts can be had; replies break off after each of `cuts` bytes."""

    def __init__(self, data: bytes = DATA, tag: str | None = '"v1"') -> None:
        self.data = data
        self.tag = tag
        self.cuts: list[int] = []
        self.fields: list[tuple[str, str]] = []
        self.asked: list[tuple[str | None, str | None]] = []

    def __call__(self, asked: Handler) -> None:
        asked.body()
        wanted, condition = asked.headers.get("Range"), asked.headers.get("If-Range")
        self.asked.append((wanted, condition))
        start, status = 0, 200
        fields = [*self.fields, *([("ETag", self.tag)] if self.tag else [])]
        if wanted and condition == self.tag:
            start, status = int(wanted[6:-1]), 206
            if start >= len(self.data):
                asked.reply(416, b"", ("Content-Range", f"bytes */{len(self.data)}"))
                return
            fields.append(("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"))
        body = self.data[start:]
        cut = self.cuts.pop(0) if self.cuts else len(body)
        asked.reply(status, body[:cut], ("Content-Length", str(len(body))), *fields)
        asked.close_connection = cut < len(body)


@pytest.fixture
def store(files: Gate) -> Store:
    """The store, which is the service `files`."""
    files.service = Store()
    return files.service


def service(files: Gate, **options: Any) -> Any:
    """The namespace of the service."""
    return labgate.connect(files.url)(**options).files


def digest(data: bytes) -> str:
    """A checksum as a reply has it, without its marks."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def listing(folder: Path) -> list[str]:
    """What a download has left there."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("map"))


# --- download ----------------------------------------------------------------------------------------------


def test_a_download_is_the_whole_file_under_its_name_and_nothing_else(
    files: Gate, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "map.mrc").write_bytes(b"the one of yesterday")
    path = labgate.download(service(files), "/raw", to=tmp_path / "map.mrc", query={"level": 2})
    assert path == str(tmp_path / "map.mrc")
    assert Path(path).read_bytes() == DATA
    assert listing(tmp_path) == ["map.mrc"]
    assert files.requests[-1][1] == "/files/raw?level=2"


def test_a_connection_that_breaks_is_continued_where_it_ended(
    files: Gate, store: Store, tmp_path: Path
) -> None:
    store.cuts = [1_000_000, 500_000]
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert (tmp_path / "map").read_bytes() == DATA
    assert store.asked == [(None, None), ("bytes=1000000-", '"v1"'), ("bytes=1500000-", '"v1"')]


def test_a_later_download_continues_an_earlier_one(files: Gate, store: Store, tmp_path: Path) -> None:
    store.cuts = [1_000_000]
    (tmp_path / "map").write_bytes(b"the one of yesterday")
    with pytest.raises(errors.GateUnreachable):
        labgate.download(service(files, retries=0), "/raw", to=tmp_path / "map")
    assert listing(tmp_path) == ["map", "map.part", "map.part.tag"]
    assert (tmp_path / "map").read_bytes() == b"the one of yesterday"
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert (tmp_path / "map").read_bytes() == DATA
    assert listing(tmp_path) == ["map"]
    assert store.asked[1] == ("bytes=1000000-", '"v1"')


def partly(files: Gate, store: Store, tmp_path: Path, url: str = "/raw") -> None:
    """A download that ended after its first million bytes."""
    store.cuts = [1_000_000]
    with pytest.raises(errors.GateUnreachable):
        labgate.download(service(files, retries=0), url, to=tmp_path / "map")
    store.cuts = []


def test_a_file_that_has_changed_meanwhile_is_had_anew(files: Gate, store: Store, tmp_path: Path) -> None:
    partly(files, store, tmp_path)
    store.data, store.tag = DATA[::-1], '"v2"'
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert (tmp_path / "map").read_bytes() == DATA[::-1]


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (206, [("ETag", '"v2"'), ("Content-Range", "bytes 1000000-2999999/3000000")]),
        (206, [("Content-Range", "bytes 1000000-2999999/3000000")]),
        (206, [("ETag", '"v1"'), ("Content-Range", "bytes 5-2999999/3000000")]),
        (206, [("ETag", '"v1"')]),
        (416, []),
    ],
)
def test_a_part_that_does_not_fit_is_not_joined_but_the_file_had_anew(
    files: Gate, store: Store, tmp_path: Path, status: int, fields: list[tuple[str, str]]
) -> None:
    partly(files, store, tmp_path)

    def answers(asked: Handler) -> None:
        if asked.headers.get("Range"):
            asked.reply(status, b"x" * 2_000_000, *fields)
        else:
            store(asked)

    files.service = answers
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert (tmp_path / "map").read_bytes() == DATA


def test_a_part_of_another_request_is_not_continued(files: Gate, store: Store, tmp_path: Path) -> None:
    partly(files, store, tmp_path)
    labgate.download(service(files), "/other", to=tmp_path / "map")
    assert store.asked[-1] == (None, None)
    partly(files, store, tmp_path)
    (tmp_path / "map.part.tag").write_text("{")
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert store.asked[-1] == (None, None)


@pytest.mark.parametrize("tag", [None, 'W/"v1"', "v1", '"v1'])
def test_without_a_strong_tag_nothing_is_kept(
    files: Gate, store: Store, tmp_path: Path, tag: str | None
) -> None:
    store.tag = tag
    partly(files, store, tmp_path)
    assert listing(tmp_path) == []


def test_without_resume_a_download_begins_anew_and_leaves_nothing(
    files: Gate, store: Store, tmp_path: Path
) -> None:
    partly(files, store, tmp_path)
    store.cuts = [10]
    with pytest.raises(errors.GateUnreachable):
        labgate.download(service(files), "/raw", to=tmp_path / "map", resume=False)
    assert store.asked[-1] == (None, None)
    assert listing(tmp_path) == []


def test_a_download_by_post_is_sent_as_it_is_and_never_continued(
    files: Gate, store: Store, tmp_path: Path
) -> None:
    store.cuts = [10]
    options: dict[str, Any] = {"to": tmp_path / "map", "method": "POST", "json": {"path": "/f"}}
    with pytest.raises(errors.GateUnreachable):
        labgate.download(service(files), "/raw", **options)
    labgate.download(service(files), "/raw", **options)
    assert (tmp_path / "map").read_bytes() == DATA
    assert json.loads(files.requests[-1][3]) == {"path": "/f"}
    assert store.asked == [(None, None)] * 2


@pytest.mark.parametrize("name", ["Repr-Digest", "Digest", "Content-Digest"])
def test_a_checksum_that_the_reply_names_is_checked(
    files: Gate, store: Store, tmp_path: Path, name: str
) -> None:
    said = "SHA-256={}" if name == "Digest" else "sha-256=:{}:"
    store.fields = [(name, f"crc32c=:AAAAAA==:, {said.format(digest(DATA))}")]
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    store.fields = [(name, said.format(digest(b"other")))]
    with pytest.raises(errors.BadReply, match="sha-256 checksum"):
        labgate.download(service(files), "/raw", to=tmp_path / "map2")
    assert listing(tmp_path) == ["map"]


def test_the_whole_files_checksum_covers_what_came_before(files: Gate, store: Store, tmp_path: Path) -> None:
    store.fields = [("Repr-Digest", f"sha-256=:{digest(DATA)}:")]
    partly(files, store, tmp_path)
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    partly(files, store, tmp_path)
    with (tmp_path / "map.part").open("r+b") as part:
        part.write(b"damaged")
    with pytest.raises(errors.BadReply, match="checksum"):
        labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert listing(tmp_path) == ["map"]
    assert (tmp_path / "map").read_bytes() == DATA


def test_a_rest_that_is_shorter_than_the_whole_needs_is_refused(
    files: Gate, store: Store, tmp_path: Path
) -> None:
    partly(files, store, tmp_path)

    def answers(asked: Handler) -> None:
        asked.reply(206, b"x", ("ETag", '"v1"'), ("Content-Range", "bytes 1000000-1000000/3000000"))

    files.service = answers
    with pytest.raises(errors.BadReply, match="1000001 bytes instead of 3000000"):
        labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "kind"), [(404, errors.NotFound), (302, errors.BadReply), (206, errors.BadReply)]
)
def test_what_is_no_file_is_an_error_and_leaves_nothing(
    files: Gate, tmp_path: Path, status: int, kind: type[errors.Error]
) -> None:
    files.service = lambda asked: asked.reply(status, b"no", ("Location", "https://elsewhere.org"))
    with pytest.raises(kind):
        labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert listing(tmp_path) == []


def test_a_refusal_does_not_cost_what_came_before(files: Gate, store: Store, tmp_path: Path) -> None:
    partly(files, store, tmp_path)
    files.service = lambda asked: asked.reply(503)
    with pytest.raises(errors.Unavailable):
        labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert (tmp_path / "map.part").read_bytes() == DATA[:1_000_000]


def test_an_empty_file_is_a_file(files: Gate, store: Store, tmp_path: Path) -> None:
    store.data = b""
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert (tmp_path / "map").read_bytes() == b""


def test_two_downloads_to_one_path_do_not_mix(files: Gate, store: Store, tmp_path: Path) -> None:
    with (tmp_path / "map.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"being written")
        other.flush()
        with pytest.raises(errors.SetupError, match="another download"):
            labgate.download(service(files), "/raw", to=tmp_path / "map")
        assert (tmp_path / "map.part").read_bytes() == b"being written"


def test_a_place_that_cannot_be_written_is_pythons_own_error(
    files: Gate, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(IsADirectoryError):
        labgate.download(service(files), "/raw", to=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"its folder is not there: make it first: .*/no/map'"):
        labgate.download(service(files), "/raw", to=tmp_path / "no" / "map")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a device or a pipe, whose place no file takes"):
        labgate.download(service(files), "/raw", to=tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()
    assert not [one for one in tmp_path.iterdir() if ".part" in one.name]
    (tmp_path / "secret").write_bytes(b"kept")
    (tmp_path / "map.part").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert (tmp_path / "secret").read_bytes() == b"kept"
    assert store.asked == []


# --- upload ------------------------------------------------------------------------------------------------


def test_a_path_a_file_memory_and_pieces_arrive_as_they_are(files: Gate, tmp_path: Path) -> None:
    (tmp_path / "map").write_bytes(DATA)
    array = np.frombuffer(DATA, np.uint16)
    for source in (
        tmp_path / "map",
        str(tmp_path / "map"),
        DATA,
        array,
        io.BytesIO(DATA),
        (DATA[:9], DATA[9:]),
    ):
        answer = labgate.upload(service(files), "/raw", source, query={"overwrite": True})
        verb, target, headers, came = files.requests[-1]
        assert (verb, target, came == DATA) == ("PUT", "/files/raw?overwrite=true", True)
        assert headers["content-type"] == "application/octet-stream"
        assert (answer.status, answer.reason, answer.text()) == (200, "OK", f"PUT {target} {len(DATA)}")
        assert answer.body == answer.text().encode()
        assert "200 OK" in repr(answer)


def test_an_upload_says_what_it_is_and_takes_another_verb(files: Gate) -> None:
    files.service = lambda asked: asked.reply(201, asked.body(), ("Location", "/files/7"))
    answer = labgate.upload(
        service(files), "/raw", b'{"a": 1}', method="POST", content_type="application/json"
    )
    assert (answer.status, answer.json(), answer.headers["location"]) == (201, {"a": 1}, "/files/7")
    verb, _, headers, _ = files.requests[-1]
    assert (verb, headers["content-type"]) == ("POST", "application/json")


@pytest.mark.parametrize(
    ("status", "kind"), [(413, errors.TooLarge), (403, errors.Forbidden), (307, errors.BadReply)]
)
def test_an_upload_that_was_not_taken_is_an_error(files: Gate, status: int, kind: type[errors.Error]) -> None:
    files.service = lambda asked: asked.reply(status, b"", ("Location", "https://elsewhere.org"))
    with pytest.raises(kind):
        labgate.upload(service(files), "/raw", bytes(20_000_000))


def test_a_file_that_is_not_there_is_pythons_own_error(files: Gate, tmp_path: Path) -> None:
    before = len(files.requests)
    with pytest.raises(FileNotFoundError):
        labgate.upload(service(files), "/raw", tmp_path / "map")
    assert len(files.requests) <= before + 1  # the list of methods


# --- progress ----------------------------------------------------------------------------------------------

TQDM = """
class tqdm:
    def __init__(self, **settings): calls.append(settings)
    def update(self, count): calls.append(count)
    def close(self): calls.append("closed")
calls = []
"""


def test_progress_is_shown_by_tqdm_where_that_is_installed(
    files: Gate, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "tqdm.py").write_text(TQDM)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    import tqdm

    partly(files, store, tmp_path)
    labgate.download(service(files), "/raw", to=tmp_path / "map", progress=True)
    settings, *counts, end = tqdm.calls
    assert (settings["total"], settings["initial"], sum(counts), end) == (
        3_000_000,
        1_000_000,
        2_000_000,
        "closed",
    )
    tqdm.calls.clear()
    labgate.upload(service(files), "/raw", DATA, progress=True)
    settings, *counts, end = tqdm.calls
    assert (settings["total"], sum(counts), end) == (3_000_000, 3_000_000, "closed")
    monkeypatch.delitem(sys.modules, "tqdm")


def test_without_tqdm_progress_is_one_line_on_a_terminal_and_nothing_elsewhere(
    files: Gate,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    labgate.download(service(files), "/raw", to=tmp_path / "map", progress=True)
    assert capsys.readouterr() == ("", "")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        labgate.download(service(files), "/raw", to=tmp_path / "map", progress=True)
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert shown.endswith("\rGET /files/raw: 2.9 MiB of 2.9 MiB (100 %)\x1b[K\r\n")
    assert shown.count("\n") == 1


def test_progress_that_nobody_asked_for_is_not_shown(
    files: Gate, store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labgate.download(service(files), "/raw", to=tmp_path / "map")
    assert capfd.readouterr() == ("", "")
