"""How is a catalog server run within a test? The demo's, on a thread of this process, with whatever faults a test wants."""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np

from gateway.demo.catalog.contents import contents
from gateway.demo.catalog.encoding import pack, unpack
from gateway.demo.catalog.entries import Catalog, Entry, Parameter
from gateway.demo.catalog.http import CatalogServer, HangUp
from gateway.demo.catalog.protocol import Refusal, Service
from gateway.demo.catalog.sources import Blocks, even

_PATIENCE_SECONDS = 60


Answer = tuple[http.client.HTTPResponse, bytes]


class Held:
    """A request that waits within the server: `arrived` is set once it is there, and `release` lets it go on."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._released = threading.Event()

    def release(self) -> None:
        """Go on, and hold nothing any more."""
        self._released.set()

    def __call__(self, asked: str) -> None:
        """The hook."""
        self.arrived.set()
        self._released.wait(_PATIENCE_SECONDS)


class Lab:
    """A running catalog server. What is asked of it is told as `list [CATALOG]`, `describe NAME`, `open NAME`,
    `search [CATALOG] QUERY` and `read NAME PARTITION`, names dotted, and the name `?` where an id is unknown."""

    def __init__(self, service: Service, port: int = 0) -> None:
        self.service = service
        self._start(port)

    def _start(self, port: int) -> None:
        self._server = CatalogServer(("127.0.0.1", port), self.service)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self._server.url

    def caller(self, **fields: str) -> "Caller":
        """A caller of this server."""
        return Caller(int(self.url.rpartition(":")[2]), **fields)

    def add_rooms(self) -> None:
        """Have a nested catalog `rooms` whose parameter `room` decides what is in it: `pressure`, and a catalog `deep` of the same."""

        def made(room: str = "a") -> Catalog:
            pressure = Entry("Pressure", "ndarray", "numpy", lambda: Blocks(np.full(4, ord(room)), ((4,),)))
            deep = Entry(
                "Deeper", "catalog", "yaml_file_cat", lambda: Catalog("deep", {"pressure": pressure})
            )
            return Catalog("rooms", {"pressure": pressure, "deep": deep, f"only_{room}": pressure})

        room = Parameter("room", "Which room", "str", "a", allowed=("a", "b"))
        self.service.catalog.entries["rooms"] = Entry("Rooms", "catalog", "yaml_file_cat", made, (room,))

    # --- counting

    def asked(self, pattern: str) -> int:
        """How often was asked what the pattern is found in?"""
        found = re.compile(pattern).search
        return sum(count for asked, count in self.service.asked.items() if found(asked))

    def opens(self, name: str = "") -> int:
        """How often was an entry opened? Any, without a name."""
        return self.asked(f"^open {re.escape(name)}$" if name else "^open ")

    def reads(self, name: str = "") -> int:
        """How many partitions of it were read?"""
        return self.asked(f"^read {re.escape(name)} " if name else "^read ")

    def forget(self) -> None:
        """Count from here."""
        self.service.asked.clear()

    # --- faults

    @contextmanager
    def fault(self, pattern: str, hook: Callable[[str], None]) -> Iterator[None]:
        """Have `hook` come before the answer to what the pattern is found in; it may raise."""
        entry = (re.compile(pattern), hook)
        self.service.hooks.append(entry)
        try:
            yield
        finally:
            self.service.hooks.remove(entry)

    @contextmanager
    def slow(self, pattern: str) -> Iterator[Held]:
        """Hold such requests, and with them all others, until they are released or the block ends."""
        held = Held()
        with self.fault(pattern, held):
            try:
                yield held
            finally:
                held.release()

    @contextmanager
    def failing(
        self, pattern: str, status: int = 500, reason: str = "Internal Server Error"
    ) -> Iterator[None]:
        """Answer such requests with a status; 500 is what the original says of nearly everything."""

        def refuse(asked: str) -> None:
            raise Refusal(status, reason)

        with self.fault(pattern, refuse):
            yield

    @contextmanager
    def dying(self, pattern: str) -> Iterator[None]:
        """Close the connection of such requests without an answer."""

        def hang_up(asked: str) -> None:
            raise HangUp

        with self.fault(pattern, hang_up):
            yield

    def restart(self) -> None:
        """Every id is unknown from here on, as after a restart; connections stay."""
        self.service.forget()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody listens, and open connections end at their next request; afterwards no id is known any more."""
        port = self._server.server_address[1]
        with self.dying(""):
            self.stop()
            try:
                yield
            finally:
                self.service.forget()
                self._start(port)

    # --- change

    def entry(self, name: str) -> Entry:
        """An entry of the outermost catalog."""
        return self.service.catalog.entries[name]

    def change_values(self, name: str = "frames") -> None:
        """Other values in the same schema, for whoever opens it anew. Of arrays only."""
        blocks = self._blocks(name)
        changed = Blocks((blocks.array + 1).astype(blocks.array.dtype), blocks.chunks)
        self.service.catalog.entries[name] = replace(self.entry(name), made=lambda: changed)

    def drift(self, name: str = "frames") -> None:
        """Another dtype and half as many along the first axis, in other chunks, for whoever opens it anew."""
        blocks = self._blocks(name)
        array = blocks.array[: len(blocks.array) // 2].astype(np.float64)
        drifted = Blocks(array, tuple(even(length, max(1, length // 2)) for length in array.shape))
        self.service.catalog.entries[name] = replace(self.entry(name), made=lambda: drifted)

    def _blocks(self, name: str) -> Blocks:
        made = self.entry(name).made()
        assert isinstance(made, Blocks)
        return made


class Caller:
    """A caller that speaks the protocol to `port`, below `prefix`, with these fields; a connection for each request."""

    def __init__(self, port: int, prefix: str = "", **fields: str) -> None:
        self.port = port
        self.prefix = prefix
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}

    def ask(self, verb: str, path: str, body: bytes | None = None, **fields: str) -> Answer:
        """The response, and its body."""
        sent = self.fields | {name.replace("_", "-"): value for name, value in fields.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(verb, self.prefix + path, body, sent)
            response = connection.getresponse()
            return response, response.read()

    def get(self, path: str, **fields: str) -> Any:
        """What a GET gives."""
        response, body = self.ask("GET", path, **fields)
        assert response.status == 200
        return unpack(body)

    def refused(self, said: Any, **fields: str) -> tuple[int, str]:
        """Status and reason of what refuses a POST; `said` is packed unless it is bytes."""
        body = said if isinstance(said, bytes) else pack(said)
        response, answer = self.ask("POST", "/v1/source", body, **fields)
        assert response.status != 200
        assert answer.startswith(f"<html><title>{response.status}: ".encode())
        return response.status, response.reason

    def post(self, action: str, source_id: str = "", **said: Any) -> Any:
        """What an action gives; `source_id` names the catalog that it is about."""
        fields = {"source_id": source_id} if source_id else {}
        response, body = self.ask("POST", "/v1/source", pack({"action": action, **said}), **fields)
        assert response.status == 200, response.reason
        assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
        return unpack(body)

    def open(self, name: str, **parameters: Any) -> Any:
        """The answer to opening an entry of the outermost catalog."""
        return self.post("open", name=name, parameters=parameters)

    def read(self, source: Any, partition: Any = None, **said: Any) -> Any:
        """The answer to reading what was opened."""
        asked = {"source_id": source["source_id"], "accepted_formats": ["msgpack"]} | said
        return unpack(
            self.ask("POST", "/v1/source", pack({"action": "read", "partition": partition, **asked}))[1]
        )

    def array(self, source: Any, partition: Any = None) -> Any:
        """A block as an array."""
        return as_array(self.read(source, partition)["data"])


def as_array(data: bytes) -> Any:
    """The array of msgpack-numpy's map."""
    said = msgpack.unpackb(data)
    assert (said[b"nd"], said[b"kind"]) == (True, b"")
    return np.frombuffer(said[b"data"], said[b"type"]).reshape(said[b"shape"])


@contextmanager
def running(secret: str = "") -> Iterator[Lab]:
    """A catalog server, until the end; a secret is asked for in the field `intake-secret`."""
    lab = Lab(Service(contents(), secret))
    try:
        yield lab
    finally:
        lab.stop()
