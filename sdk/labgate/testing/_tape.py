"""What is a file of recorded answers?

Its head is text, so that two runs can be compared line by line: one line says what it is, one of whom it was
recorded, one stands for each exchange in the order in which they ended, one for each large body, and the last one says
that this is all. Behind it come the large bodies, each compressed by zlib and kept once.

    labgate-recording 1
    {"gate":"https://gate.lab.org","datastack":null,"labgate":"0.1.0"}
    {"call":"files.get_statistics","params":{"uid":"J1"},"key":"5f...","since":0,"status":200,"fields":{...},"json":{...}}
    {"blob":"9c...","stored":8123,"length":65536}
    {"end":1,"stored":8123,"sha256":"..."}

An exchange is one request and what became of it. `since` says how many of those above it had ended when it began: these
are what it may depend on, whatever went on beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import zlib

from labgate._names import printable
from labgate._places import Replacing, refuse_other_than_files
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

_MARK = "labgate-recording"
VERSION = 1
_LONGEST_INLINE = 4096
_MOST_HEAD = 1 << 30
_LEVEL = 3
_AT_ONCE = 1 << 20


class BrokenRecording(SetupError):
    """The file is no recording, one of another version, or damaged."""


class Exchange:
    """One line: a question, and what became of it.

    Attributes:
        label, said, key: see `Question`.
        since: how many exchanges had ended when this one began.
        calls: the keys of the calls of a batch, and the ids that they have in its answer; empty for everything else.
        status: of the reply; None where the connection ended before there was one.
        fields: the reply's fields that are kept.
        text: the body where it stands in the line, as JSON where it is written as this package writes it; None where it
            is kept aside.
        blob: the digest of a body that is kept aside.
        cut: the connection ended within the body, which was to be so long; None where it came whole, -1 where nobody said.
    """

    __slots__ = ("blob", "calls", "cut", "fields", "key", "label", "said", "since", "status", "text")

    def __init__(self, said: dict[str, Any]) -> None:
        """Raises KeyError, TypeError or ValueError where that is none."""
        self.label = str(said["call"])
        self.said = said.get("params")
        self.key = str(said["key"])
        self.since = int(said["since"])
        self.calls: list[tuple[str, Any]] = [(str(key), number) for key, number in said.get("calls", ())]
        status = said["status"]
        self.status = None if status is None else int(status)
        self.fields: dict[str, str] = {str(name): str(one) for name, one in said.get("fields", {}).items()}
        self.text: str | None = _json(said["json"]) if "json" in said else said.get("body")
        self.blob: str | None = said.get("blob_of_body")
        self.cut: int | None = said.get("cut")

    def line(self) -> str:
        """The exchange as the file has it."""
        members = {
            "call": self.label,
            "params": self.said,
            "key": self.key,
            "calls": self.calls,
            "since": self.since,
            "status": self.status,
            "fields": self.fields,
            **_shown_body(self.text),
            "blob_of_body": self.blob,
            "cut": self.cut,
        }
        always = ("call", "key", "since", "status", "json")
        return _compact(
            {name: one for name, one in members.items() if name in always or one not in (None, {}, [])}
        )

    def shown(self) -> str:
        """The question in one line, for people."""
        said = "" if self.said is None else f" {_compact(self.said)}"
        return printable(f"{self.label}{said}", 300)


class Blobs:
    """The large bodies of a recording that is being made: compressed as they come, each of them kept once."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        self.kept: dict[str, tuple[int, int]] = {}
        """Stored and whole length, by digest, in their order."""

    def keep(self, body: bytes) -> str:
        """Keep a body; returns its digest."""
        digest = hashlib.sha256(body).hexdigest()[:32]
        with self._lock:
            if digest in self.kept:
                return digest
        stored = zlib.compress(body, _LEVEL)
        with self._lock:
            if digest not in self.kept:
                if self._file is None:
                    self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the recording
                self._file.write(stored)
                self.kept[digest] = len(stored), len(body)
        return digest

    def copy(self, file: IO[bytes]) -> None:
        """Write all of them."""
        if self._file is None:
            return
        self._file.seek(0)
        while piece := self._file.read(_AT_ONCE):
            file.write(piece)

    def close(self) -> None:
        """Let them go."""
        if self._file is not None:
            self._file.close()


def write_tape(path: str, about: dict[str, Any], exchanges: list[Exchange], blobs: Blobs) -> None:
    """Write a recording, atomically, and for this user's eyes only: it holds what the lab has answered.

    Raises:
        OSError: it cannot be written.
    """
    stored = sum(one for one, _ in blobs.kept.values())
    lines = [f"{_MARK} {VERSION}", _compact(about), *(one.line() for one in exchanges)]
    lines += [
        _compact({"blob": digest, "stored": size, "length": length})
        for digest, (size, length) in blobs.kept.items()
    ]
    head = ("\n".join(lines) + "\n").encode("ascii")
    end = {"end": len(exchanges), "stored": stored, "sha256": hashlib.sha256(head).hexdigest()}
    refuse_other_than_files(os.fspath(path))
    draft = f"{path}.{os.getpid()}.tmp"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    with Replacing(draft, os.fspath(path)), open(handle, "wb") as file:
        file.write(head + _compact(end).encode("ascii") + b"\n")
        blobs.copy(file)


class Tape:
    """A recording that was read.

    Attributes:
        about: of whom it was recorded: `gate`, `datastack`, `labgate`, `defaults`.
        exchanges: in the order in which they ended.
    """

    def __init__(self, path: str) -> None:
        """
        Raises:
            BrokenRecording: it is none that can be read here.
            OSError: there is no such file.
        """
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115 - bodies are read when they are asked for
        self._lock = threading.Lock()
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> None:
        first = self._file.readline(100)
        words = first.decode("latin-1").split()
        if len(words) != 2 or words[0] != _MARK:
            raise BrokenRecording(f"{self.path} is no recording of labgate.testing")
        if words[1] != str(VERSION):
            raise BrokenRecording(
                f"{self.path} is a recording of version {printable(words[1], 20)}, and this labgate reads version {VERSION}",
                hint="Replay it with the labgate that recorded it, or record it again.",
            )
        digest = hashlib.sha256(first)
        self.about: dict[str, Any] = {}
        self.exchanges: list[Exchange] = []
        self._blobs: dict[str, tuple[int, int, int]] = {}
        at = 0
        for number, line in enumerate(self._file):
            said = self._object(line)
            if "end" in said:
                break
            digest.update(line)
            try:
                if number == 0:
                    self.about = said
                elif "blob" in said:
                    self._blobs[said["blob"]] = at, int(said["stored"]), int(said["length"])
                    at += int(said["stored"])
                else:
                    self.exchanges.append(Exchange(said))
            except (KeyError, TypeError, ValueError):
                raise self._broken(f"its line {number + 2} is not what it should be") from None
        else:
            raise self._broken("it ends before its end: it is truncated")
        if (said["end"], said.get("stored"), said.get("sha256")) != (
            len(self.exchanges),
            at,
            digest.hexdigest(),
        ):
            raise self._broken("its lines were changed, or some are missing")
        self._start = self._file.tell()
        size = self._file.seek(0, os.SEEK_END) - self._start
        if size != at:
            raise self._broken(
                f"it has {size} bytes of bodies instead of {at}" + (": it is truncated" if size < at else "")
            )

    def body(self, exchange: Exchange) -> bytes:
        """The body of an exchange's reply.

        Raises:
            BrokenRecording: it is damaged.
        """
        if exchange.blob is None:
            return (exchange.text or "").encode("utf-8")
        try:
            at, stored, length = self._blobs[exchange.blob]
            with self._lock:
                self._file.seek(self._start + at)
                packed = self._file.read(stored)
            opened = zlib.decompressobj()
            body = opened.decompress(packed, length + 1)
        except (KeyError, zlib.error):
            raise self._broken(f"the body of {exchange.shown()} cannot be read") from None
        if len(body) != length or hashlib.sha256(body).hexdigest()[:32] != exchange.blob:
            raise self._broken(f"the body of {exchange.shown()} was changed")
        return body

    def close(self) -> None:
        """End it."""
        self._file.close()

    def _object(self, line: bytes) -> dict[str, Any]:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            raise self._broken("a line of its head cannot be read: it is truncated, or damaged") from None
        if not isinstance(said, dict) or not line.endswith(b"\n"):
            raise self._broken("a line of its head is not whole: it is truncated, or damaged")
        return said

    def _broken(self, why: str) -> BrokenRecording:
        return BrokenRecording(f"the recording {self.path} cannot be used: {why}", hint="Record it again.")


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _shown_body(text: str | None) -> dict[str, Any]:
    """A body as JSON, so that eyes find their way in it; as text where its bytes could not be had back from that."""
    if text is None:
        return {}
    try:
        value = json.loads(text)
        same = _json(value) == text
    except (ValueError, RecursionError):
        same = False
    return {"json": value} if same else {"body": text}


def inline(body: bytes) -> str | None:
    """The body as it may stand in a line; None where it is to be kept aside."""
    if len(body) > _LONGEST_INLINE:
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), default=repr)
