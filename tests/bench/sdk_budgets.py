"""Does the SDK keep its budgets? Run it: `.venv/bin/python tests/bench/sdk_budgets.py [--rounds N]`.

Prints one row per budget with the median of several rounds. Processes are measured as a difference to an empty
interpreter, calls as a difference to a bare `http.client` call to the same loopback server in the same run. Budgets are
times of some machine, so that rows end with what the like of it costs on this one, measured in turns with it.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

# So many calls of each before the other's turn, and so many turns in a round: machines change their speed in between.
_CALLS, _TURNS = 30, 10

# The server of the calls: answers each request on a kept connection with the same small JSON-RPC reply.
_SERVER = r"""
import asyncio, json
body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"uid": "J1", "status": "done"}}).encode()
document = json.dumps({"openrpc": "1.3.2", "methods": [
    {"name": "jobs.get_job", "params": [{"name": "project_uid", "required": True, "schema": {"type": "string"}}],
     "x-labgate": {"safe": True}}]}).encode()
def reply(content):
    head = "HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\nContent-Type: application/json\r\nLabgate-Catalog: v1\r\n"
    return (head + f"Content-Length: {len(content)}\r\n\r\n").encode() + content
class One(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""
    def data_received(self, data):
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, _, rest = self.data.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line[15:])
            if len(rest) < length:
                return
            self.data = rest[length:]
            self.transport.write(reply(document if head.startswith(b"GET") else body))
async def main():
    server = await asyncio.get_running_loop().create_server(One, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

# The same call without labgate, by a script that knows all that it would otherwise look up.
_SIMPLEST = r"""
import http.client, json
fields = {"Content-Type": "application/json", "Authorization": "Bearer t"}
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "jobs.get_job", "params": {"project_uid": "P3"}})
server = http.client.HTTPConnection("127.0.0.1", %d)
server.request("POST", "/rpc", body=body, headers=fields)
json.loads(server.getresponse().read())["result"]
"""


class Row(NamedTuple):
    """One budget: what is measured, how much it is, what it may be, and what to hold it against."""

    what: str
    measured: float
    budget: float
    unit: str
    beside: str = ""

    @property
    def kept(self) -> bool:
        return self.measured <= self.budget

    def line(self) -> str:
        kept = "kept" if self.kept else "OVER"
        beside = f"   {self.beside}" if self.beside else ""
        return (
            f"{self.what:<52} {self.measured:>9.2f} {self.unit:<4} budget {self.budget:>6g}  {kept}{beside}"
        )


def seconds(action: Callable[[], Any]) -> float:
    """How long one run of the action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def process(code: str, environ: dict[str, str]) -> float:
    """How long a fresh interpreter takes for this code."""
    return seconds(
        lambda: subprocess.run([sys.executable, "-c", code], check=True, env=environ, capture_output=True)
    )


def extra_over_empty(codes: list[str], rounds: int, environ: dict[str, str]) -> list[float]:
    """Median milliseconds of a fresh interpreter with each code over one without; they take turns."""
    turns = [[process(code, environ) for code in ("pass", *codes)] for _ in range(rounds)]
    return [
        1000
        * statistics.median(
            with_code - without for without, with_code in zip(column[0], column[1], strict=True)
        )
        for column in (
            ([turn[0] for turn in turns], [turn[at] for turn in turns]) for at in range(1, len(codes) + 1)
        )
    ]


def imports(rounds: int) -> list[Row]:
    """Rows about what is loaded."""
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    names = "from labgate import connect, batch, last, methods, refresh, Error"
    alone, loaded, theirs = extra_over_empty(["import labgate", names, "import http.client"], rounds, environ)
    return [
        Row("import labgate over an empty interpreter", alone, 20, "ms"),
        Row("all its public names loaded", loaded, 40, "ms", f"`import http.client`: {theirs:.1f}"),
    ]


def document(count: int, spaces: int) -> dict[str, Any]:
    """An OpenRPC document of `count` methods in `spaces` namespaces, about 400 bytes each."""
    params = [
        {
            "name": name,
            "required": at < 2,
            "schema": {"type": "string"},
            "description": "What it is for, in a line.",
        }
        for at, name in enumerate(("project_uid", "job_uid", "lane", "comment"))
    ]
    return {
        "openrpc": "1.3.2",
        "methods": [
            {
                "name": f"space{at % spaces}.get_thing_{at:05}",
                "summary": "Gets the thing of this number.",
                "params": params,
                "result": {"name": "result", "schema": {"type": "object"}},
                "x-labgate": {"safe": True},
            }
            for at in range(count)
        ],
    }


def binding(rounds: int) -> list[Row]:
    """Rows about classes and functions."""
    from labgate._address import parse_address
    from labgate._cachefile import CatalogFile
    from labgate._catalog import catalog_of, read_catalog
    from labgate._link import Link
    from labgate._options import Options
    from labgate._session import Session
    from labgate._tree import grow

    address = parse_address("http://127.0.0.1:1")
    described = document(10_000, 20)
    text = catalog_of(described, "v1").to_bytes()
    whole = json.dumps(described).encode()
    folder = tempfile.mkdtemp()

    def bound() -> Any:
        link = Link(address, None, None, CatalogFile(folder, str(address), None, None))
        link.catalog = read_catalog(text)
        link.root = grow(link, link.catalog)
        lab = link.root.own_class()(Session(link, Options()), link.root)
        for space in link.root.children.values():
            space.own_class()
        return lab

    binds = [(seconds(bound), seconds(partial(json.loads, whole))) for _ in range(rounds)]
    bind, loads = (1e3 * statistics.median(column) for column in zip(*binds, strict=True))
    lab = bound()
    texts = [json.dumps(one).encode() for one in described["methods"][1::20]]
    touches = [
        (seconds(partial(getattr, lab.space1, name)), seconds(partial(written_out, one)))
        for name, one in zip(dir(lab.space1)[:300], texts, strict=False)
    ]
    touch, written = (1e6 * statistics.median(column) for column in zip(*touches, strict=True))
    looks = [seconds(partial(looked, lab)) for _ in range(rounds)]
    return [
        Row(
            f"bind 10,000 methods ({len(text) / 2**20:.1f} MiB)", bind, 10, "ms", f"`json.loads`: {loads:.0f}"
        ),
        Row("first touch of a method", touch, 25, "us", f"`exec` of the same function: {written:.0f}"),
        Row("look-up of lab.space.method", statistics.median(looks) * 1e3, 0.2, "us"),
        *second_client(lab, rounds),
    ]


def looked(lab: Any) -> None:
    """A thousand look-ups."""
    for _ in range(1000):
        lab.space1.get_thing_00001  # noqa: B018


def written_out(text: bytes) -> object:
    """The function of a description in the way that is written first: its text is put together and executed."""
    described = json.loads(text)
    names = [one["name"] if one["required"] else f"{one['name']}=None" for one in described["params"]]
    lines = "\n".join(f"    {one['name']}: {one['description']}" for one in described["params"])
    leaf = described["name"].rpartition(".")[2]
    head = f"def {leaf}(self, {', '.join(names)}):"
    space: dict[str, object] = {}
    exec(f'{head}\n    """{described["summary"]}\n\n{lines}"""\n    return call(self, locals())', space)
    return space[leaf]


def second_client(lab: Any, rounds: int) -> list[Row]:
    """Rows about one more client of the same gate and token."""
    from labgate._options import Options
    from labgate._session import Session

    link = lab._session.link

    def one_more() -> Any:
        return type(lab)(Session(link, Options()), link.root)

    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    second = one_more()
    second.space1.get_thing_00001  # noqa: B018
    size = (tracemalloc.get_traced_memory()[0] - before) / 1024
    tracemalloc.stop()
    made = statistics.median(seconds(one_more) for _ in range(rounds)) * 1e6
    return [
        Row("second client: memory", size, 20, "KiB"),
        Row("second client: time", made, 100, "us"),
    ]


def compared(
    lab: Any, bare: http.client.HTTPConnection, rounds: int
) -> tuple[list[float], list[tuple[float, float]]]:
    """Differences, and pairs, of the medians of our call and of a bare one, in microseconds; the two take turns."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"jobs.get_job","params":{"project_uid":"P3"}}'
    fields = {"Content-Type": "application/json", "Authorization": "Bearer t"}

    def plain() -> None:
        bare.request("POST", "/rpc", body=body, headers=fields)
        bare.getresponse().read()

    def ours() -> None:
        lab.jobs.get_job("P3")

    both = []
    for _ in range(rounds * _TURNS):
        theirs = statistics.median(seconds(plain) for _ in range(_CALLS)) * 1e6
        both.append((statistics.median(seconds(ours) for _ in range(_CALLS)) * 1e6, theirs))
    return [mine - theirs for mine, theirs in both], both


def calls(rounds: int) -> list[Row]:
    """Rows about a small call, against http.client on the same server in turns."""
    import labgate

    folder = tempfile.mkdtemp()
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            lab = labgate.connect(f"http://127.0.0.1:{port}", token="t", cache_dir=folder)
            once = (
                f"import labgate; labgate.connect('http://127.0.0.1:{port}', token='t', cache_dir={folder!r})"
                ".jobs.get_job('P3')"
            )
            first, simplest = extra_over_empty([once, _SIMPLEST % port], rounds, dict(os.environ))
            bare = http.client.HTTPConnection("127.0.0.1", port)
            differences, both = compared(lab, bare, rounds)
            bare.close()
            awaited = asyncio.run(awaited_calls(port, folder, rounds))
        finally:
            server.terminate()
    mine, theirs = (statistics.median(column) for column in zip(*both, strict=True))
    small = f"small call less http.client ({mine:.0f} - {theirs:.0f} us)"
    return [
        Row(
            "import, connect from the cache, first answer",
            first,
            40,
            "ms",
            f"with http.client: {simplest:.1f}",
        ),
        Row(small, statistics.median(differences), 20, "us"),
        awaited,
    ]


async def awaited_calls(port: int, folder: str, rounds: int) -> Row:
    """The row about a small call of an async client, against aiohttp's client on the same server in turns."""
    import aiohttp

    import labgate

    url = f"http://127.0.0.1:{port}"
    body = b'{"jsonrpc":"2.0","id":1,"method":"jobs.get_job","params":{"project_uid":"P3"}}'
    fields = {"Content-Type": "application/json", "Authorization": "Bearer t"}

    async def theirs() -> None:
        async with session.post(f"{url}/rpc", data=body, headers=fields) as answer:
            await answer.json()

    async def ours() -> None:
        await lab.jobs.get_job("P3")

    async def median(call: Callable[[], Any]) -> float:
        times = []
        for _ in range(_CALLS):
            began = time.perf_counter()
            await call()
            times.append(time.perf_counter() - began)
        return statistics.median(times) * 1e6

    async with labgate.aconnect(url, token="t", cache_dir=folder) as lab, aiohttp.ClientSession() as session:
        both = [(await median(ours), await median(theirs)) for _ in range(rounds * _TURNS)]
    mine, other = (statistics.median(column) for column in zip(*both, strict=True))
    row = f"async small call less aiohttp's client ({mine:.0f} - {other:.0f} us)"
    return Row(row, statistics.median(one - two for one, two in both), 0, "us")


def completion(rounds: int) -> list[Row]:
    """Rows about IPython's completion of 500 names."""
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell

    import labgate
    from labgate._cachefile import CatalogFile
    from labgate._catalog import catalog_of

    rows = []
    shell = InteractiveShell.instance()
    folder = tempfile.mkdtemp()

    address = "http://127.0.0.1:1"
    CatalogFile(folder, address, None, "t").store(catalog_of(document(10_000, 20), "v1"))
    shell.user_ns["lab"] = labgate.connect(address, token="t", cache_dir=folder)
    for jedi in (True, False):
        shell.Completer.use_jedi = jedi

        def complete() -> None:
            with provisionalcompleter():
                found = list(shell.Completer.completions("lab.space1.", len("lab.space1.")))
            assert len(found) == 500

        complete()
        median = statistics.median(seconds(complete) for _ in range(rounds))
        rows.append(Row(f"completion of 500 names, jedi {'on' if jedi else 'off'}", median * 1e3, 30.0, "ms"))
    return rows


def main() -> int:
    """Measure, print, and say by the exit code whether every budget is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one JSON object per row instead of the table")
    options = parser.parse_args()
    rounds = options.rounds
    rows = [*imports(rounds), *binding(rounds), *calls(rounds), *completion(rounds)]
    for row in rows:
        print(json.dumps({**row._asdict(), "kept": row.kept}) if options.json else row.line())
    if not options.json:
        print(f"this machine: five million additions in a plain loop take {seconds(additions):.2f} s")
    return 0 if all(row.kept for row in rows) else 1


def additions() -> None:
    """What tells how fast a machine is: what is over its budget on a slow one may not be so elsewhere."""
    total = 0
    for number in range(5_000_000):
        total += number


if __name__ == "__main__":
    sys.exit(main())
