"""How is a DVID run within a test? The demo's, on threads of this process, with whatever faults a test wants."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from gateway.demo.dvid.access import Access
from gateway.demo.dvid.dag import Node, Repo
from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.http import Answer, DvidHandler, DvidServer, Request, refusal
from gateway.demo.dvid.lab import add_volume
from gateway.demo.dvid.routes import respond
from gateway.demo.dvid.store import Store
from gateway.demo.dvid.voxels import Array

Fault = Callable[[Request, Callable[[], Answer]], Answer]
"""What is answered instead; the second argument makes the true answer."""


@dataclass(frozen=True, slots=True)
class Torn(Answer):
    """An answer after so many bytes of whose body the connection is closed."""

    after: int = 0


class _Handler(DvidHandler):
    def send(self, answer: Answer) -> None:
        if isinstance(answer, Torn):
            self.head(answer, True)
            self.write(_joined(answer)[: answer.after], True)
            self.wfile.flush()
            self.close_connection = True
        else:
            super().send(answer)


class LabDvid(DvidServer):
    """A server that counts, and that answers with faults where a test wants them.

    `requests` and `sent` (bytes of bodies) are counted by the kind of path (see `Request.kind`); `writes` counts the requests
    that changed something: all but GET and HEAD that were answered with a 2xx. `peak` is how many were answered at once,
    and `seen` are all requests, with fields and bodies.
    """

    def __init__(self, store: Store, access: Access) -> None:
        super().__init__(("127.0.0.1", 0), store, access, respond, _Handler)
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.writes = 0
        self.running = 0
        self.peak = 0
        self.seen: list[Request] = []
        self.faults: list[tuple[str, Fault]] = []
        self._counting = threading.Lock()

    def answer(self, request: Request) -> Answer:
        with self._counting:
            self.requests[request.kind] += 1
            self.seen.append(request)
            self.running += 1
            self.peak = max(self.peak, self.running)
            fault = next((made for kind, made in self.faults if kind in ("", request.kind)), None)

        def true_answer() -> Answer:
            return super(LabDvid, self).answer(request)

        answer = true_answer() if fault is None else fault(request, true_answer)
        with self._counting:
            self.running -= 1
            self.sent[request.kind] += answer.length if request.verb != "HEAD" else 0
            self.writes += not request.reads and 200 <= answer.status < 300
        return answer

    def forget(self) -> None:
        """Count from here."""
        with self._counting:
            self.requests.clear()
            self.sent.clear()
            self.seen.clear()
            self.writes = 0
            self.peak = self.running

    @contextmanager
    def fault(self, made: Fault, kind: str = "") -> Iterator[None]:
        """Have requests of this kind, or all, answered so."""
        entry = (kind, made)
        self.faults.insert(0, entry)
        try:
            yield
        finally:
            self.faults.remove(entry)

    def ask(
        self, verb: str, path: str, body: bytes | None = None, fields: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, fields and body of an answer, past any gate: over a connection of its own."""
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)) as connection:
            connection.request(verb, path, body, dict(fields or {}))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def json(self, path: str, verb: str = "GET", value: Any = None) -> Any:
        """The JSON that answers, None for none; the status must be 200."""
        status, _, body = self.ask(verb, path, None if value is None else json.dumps(value).encode())
        assert status == 200, body
        return json.loads(body) if body else None


# --- faults


def busy(times: int) -> Fault:
    """503 for the first requests, as DVID when it is throttled."""
    left = iter(range(times))
    text = b"Server already running maximum of 1 throttled operations\n"
    return lambda _, true_answer: true_answer() if next(left, None) is None else refusal(503, text)


def torn(after: int) -> Fault:
    """The connection is closed after so many bytes of the body."""

    def made(_: Request, true_answer: Callable[[], Answer]) -> Answer:
        answer = true_answer()
        return Torn(answer.pieces, answer.media_type, answer.status, answer.fields, after)

    return made


def short(by: int) -> Fault:
    """So many bytes are missing from a body that ends well."""
    return lambda _, true_answer: _with(true_answer(), lambda body: body[:-by])


def surplus(more: bytes) -> Fault:
    """The body is longer than it should be."""
    return lambda _, true_answer: _with(true_answer(), lambda body: body + more)


def late(after: int, text: str = "unable to read block") -> Fault:
    """A 200 that turns into the text of an error half way, as DVID's streams fail."""

    def made(request: Request, true_answer: Callable[[], Answer]) -> Answer:
        return _with(true_answer(), lambda body: body[:after] + DvidError(text).body(request.path))

    return made


def slow(seconds: float) -> Fault:
    """Every answer takes so much longer: for measurements, as tests hold answers back (see Held)."""
    never = threading.Event()

    def made(_: Request, true_answer: Callable[[], Answer]) -> Answer:
        never.wait(seconds)
        return true_answer()

    return made


class Held:
    """A fault that holds answers back until it is released: `waiting` is set once a request is there."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self._released = threading.Event()

    def __call__(self, _: Request, true_answer: Callable[[], Answer]) -> Answer:
        self.waiting.set()
        self._released.wait(60)
        return true_answer()

    def release(self) -> None:
        """Let all go on."""
        self._released.set()


def _joined(answer: Answer) -> bytes:
    return b"".join(bytes(piece) for piece in answer.pieces)


def _with(answer: Answer, change: Callable[[bytes], bytes]) -> Answer:
    return replace(answer, pieces=[change(_joined(answer))])


# --- a lab


@dataclass(frozen=True, slots=True)
class Small:
    """A small store: a locked root, its locked child, an open child of that, and an open branch from the root.

    `gray` (z, y, x) begins at the origin, and its sides are no multiples of a block's; `labels` are 64 x 64 x 128.
    """

    store: Store
    repo: Repo
    root: Node
    middle: Node
    open: Node
    branch: Node
    gray: Array
    labels: Array


def small() -> Small:
    """A fresh one, with the instances gray, labels, keys, flat (unversioned keys), points and area (a ROI)."""
    chance = np.random.default_rng(3)
    store = Store()
    repo = store.new_repo("small", "For tests")
    gray = chance.integers(1, 256, (40, 70, 100), np.uint8)
    blobs = chance.integers(1, 9, (8, 8, 16)).astype(np.uint64) + np.uint64(1 << 53)
    labels = blobs.repeat(8, 0).repeat(8, 1).repeat(8, 2)
    add_volume(store, repo, repo.root, "uint8blk", "gray", gray)
    add_volume(store, repo, repo.root, "labelmap", "labels", labels)
    store.new_instance(repo, "keyvalue", "keys", {})
    store.new_instance(repo, "keyvalue", "flat", {"Versioned": "false"})
    store.new_instance(repo, "annotation", "points", {"sync": "labels"})
    store.new_instance(repo, "roi", "area", {})
    store.commit(repo.root, "first")
    middle = store.new_child(repo, [repo.root])
    store.commit(middle)
    last = store.new_child(repo, [middle])
    branch = store.new_child(repo, [repo.root], branch="side")
    return Small(store, repo, repo.root, middle, last, branch, gray, labels)


@contextmanager
def running(store: Store, access: Access | None = None) -> Iterator[LabDvid]:
    """A server for this store, until the end."""
    with LabDvid(store, access or Access(admin_token="sesame")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
