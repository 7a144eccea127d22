"""How fast does a gate that runs answer, and what does that cost it?"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.commands.load import BrokenError, Seen, Target, loaded
from gateway.commands.operating import (
    NoAnswerError,
    add_operator,
    answered,
    connection_to,
    gate_address,
    operator_address,
    token_of,
    trusted,
)
from gateway.commands.tables import plain, size
from gateway.commands.warm_file import Wanted, problems_of, read, wanted

_MOST_SECONDS = 600.0
_MOST_CALLERS = 256
_CPU = re.compile(r"^labgate_process_cpu_seconds_total(?:\{[^}]*\})? ([0-9.e+-]+)$", re.MULTILINE)
_BUSY = 0.9
"""The part of a core above which this command measures itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated bench METHOD [NAME=VALUE …] | "GET /files/images" | --file FILE`."""
    text = 'like files.get_statistics; or a request through a mount: "GET /files/images"'
    parser.add_argument("what", metavar="METHOD", nargs="?", help=text)
    text = "an argument: JSON where it is JSON, else text"
    parser.add_argument("arguments", metavar="NAME=VALUE", nargs="*", help=text)
    text = "calls and requests to be made in turn, in lines as `labgated cache warm` takes them"
    parser.add_argument("--file", metavar="FILE", type=Path, help=text)
    text = f"callers at once, each with a connection of its own (default: 8, at most {_MOST_CALLERS})"
    parser.add_argument("--callers", metavar="N", type=_callers, default=8, help=text)
    text = f"how long (default: 5, at most {_MOST_SECONDS:.0f})"
    parser.add_argument("--seconds", metavar="S", type=_seconds, default=5.0, help=text)
    parser.add_argument("--calls", metavar="N", type=_count, help="end after so many calls")
    parser.add_argument(
        "--fresh", action="store_true", help="take nothing from the cache: ask the service each time"
    )
    parser.add_argument("--writes", action="store_true", help="make calls that may change something, too")
    parser.add_argument("--datastack", metavar="D", help="adds the services of this datastack")
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")
    text = "the callers' address (default: `listen` of the settings file)"
    parser.add_argument("--gate", metavar="URL", help=text)
    add_operator(parser)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to {_MOST_SECONDS:.0f}")
    return value


def _callers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _MOST_CALLERS):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {_MOST_CALLERS}")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of calls")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """0 when every call was answered, 1 when some were not or there is no gate, 2 if it was asked wrongly."""
    try:
        lines = _lines_of(args)
    except (ValueError, OSError) as error:
        print(f"labgated bench: {error}", file=sys.stderr)
        return 2
    try:
        where = gate_address(args)
        if where is None:
            return 1
        bench = _Bench(args, lines, *where, token_of(args))
        bench.check()
        seen = bench.measure()
    except (NoAnswerError, BrokenError) as error:
        print(f"labgated bench: {error}", file=sys.stderr)
        return 1
    print(json.dumps(bench.told(seen), indent=2) if args.json else "\n".join(bench.lines(seen)))
    return 1 if seen.failures or not seen.seconds else 0


def _lines_of(args: argparse.Namespace) -> list[Wanted]:
    """What is to be asked for, in turn. Raises ValueError and OSError."""
    if (args.what is None) == (args.file is None):
        raise ValueError("say one method, one request or a --file")
    if args.file is not None:
        problems, _ = problems_of(args.file)
        if problems:
            raise ValueError(problems[0])
        found = list(wanted(args.file))
        if not found:
            raise ValueError(f"{args.file} has no line")
        return found
    verb, _, path = args.what.partition(" ")
    if path.startswith("/"):
        if verb != "GET":
            raise ValueError("of requests through a mount only GET is made")
        return [read(1, json.dumps({"get": path}).encode())]
    said: dict[str, Any] = {"method": args.what}
    if args.datastack:
        said["datastack"] = args.datastack
    if args.arguments:
        said["params"] = dict(_argument(one) for one in args.arguments)
    return [read(1, json.dumps(said).encode())]


def _argument(written: str) -> tuple[str, Any]:
    name, found, value = written.partition("=")
    if not found or not name:
        raise ValueError(f"{written!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


class _Bench:
    """One measuring."""

    def __init__(
        self, args: argparse.Namespace, wanted_: Sequence[Wanted], gate: str, host: str | None, token: str
    ) -> None:
        self._args = args
        self._wanted = wanted_
        self._gate = gate
        self._host = host
        self._token = token
        connection_to(gate, 1.0)  # refuses what is no address
        self._parts = urlsplit(gate)
        self._own = 0.0
        self._cpu: float | None = None

    def check(self) -> None:
        """See that what is called may be called a million times. Raises `NoAnswerError`."""
        if self._args.writes:
            return
        by_stack: dict[str | None, dict[str, bool]] = {}
        for line in self._wanted:
            if line.method is None:
                continue
            known = by_stack.get(line.datastack)
            if known is None:
                known = by_stack[line.datastack] = self._methods(line.datastack)
            name = json.loads(line.method)
            if name not in known:
                raise NoAnswerError(f"the gate has no method {plain(name)} for this token")
            if not known[name]:
                raise NoAnswerError(
                    f"{plain(name)} may change something, and would be called again and again: say --writes if it shall be"
                )

    def _methods(self, datastack: str | None) -> dict[str, bool]:
        """The methods that the token may call, and whether they are safe."""
        query = f"?datastack={quote(datastack, safe='')}" if datastack else ""
        document = json.loads(answered(self._gate, self._host, f"/openrpc.json{query}", self._token))
        return {
            one["name"]: (one.get("x-labgate") or {}).get("safe") is True
            for one in document.get("methods", [])
        }

    def measure(self) -> Seen:
        """Load the gate. Raises `BrokenError`."""
        tls = self._parts.scheme == "https"
        target = Target(
            self._parts.hostname or "", self._parts.port or (443 if tls else 80), trusted() if tls else None
        )
        requests = [self._request(line) for line in self._wanted]
        args = self._args
        before, own = self._processor(), time.process_time()
        seen = asyncio.run(loaded(target, requests, args.callers, args.seconds, args.calls))
        self._own = time.process_time() - own
        after = self._processor()
        self._cpu = None if before is None or after is None else after - before
        return seen

    def _request(self, line: Wanted) -> bytes:
        base = self._parts.path.rstrip("/")
        fields = {
            "Host": self._host or self._parts.netloc,
            "Authorization": f"Bearer {self._token}",
            **({"Cache-Control": "no-cache"} if self._args.fresh else {}),
        }
        if line.get is not None:
            return _written("GET", base + line.get, {**fields, "Accept": "*/*", **(line.fields or {})}, None)
        params = b"" if line.params is None else b',"params":%b' % line.params
        body = b'{"jsonrpc":"2.0","id":1,"method":%b%b}' % (line.method or b'""', params)
        query = f"?datastack={quote(line.datastack, safe='')}" if line.datastack else ""
        own = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        return _written("POST", f"{base}/rpc{query}", {**fields, **own}, body)

    def _processor(self) -> float | None:
        """The processor time of the gate so far, as its operator's door tells it; None where that does not answer."""
        try:
            where = operator_address(self._args)
            if where is None:
                return None
            text = answered(*where, "/-/metrics", self._token).decode("utf-8", "replace")
        except NoAnswerError:
            return None
        found = _CPU.findall(text)
        return sum(map(float, found)) if found else None

    # --- what is said

    def told(self, seen: Seen) -> dict[str, Any]:
        """All of it."""
        calls = len(seen.seconds)
        return {
            "gate": self._gate,
            "callers": self._args.callers,
            "seconds": round(seen.lasted, 3),
            "calls": calls,
            "calls_per_second": round(calls / seen.lasted, 1) if seen.lasted else 0.0,
            "failures": dict(seen.failures),
            "said": seen.said,
            "hits": seen.hits,
            "bytes": seen.size,
            "latency_ms": {
                name: round(1000 * seen.quantile(part), 3)
                for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("most", 1.0))
            },
            "gate_cpu_us_per_call": None
            if self._cpu is None or not calls
            else round(1e6 * self._cpu / calls, 1),
            "busy_itself": self._busy(seen),
        }

    def _busy(self, seen: Seen) -> bool:
        return bool(seen.lasted) and self._own / seen.lasted > _BUSY

    def lines(self, seen: Seen) -> Iterator[str]:
        """The same for people."""
        said = self.told(seen)
        calls, latency = said["calls"], said["latency_ms"]
        failed = sum(seen.failures.values())
        yield f"{plain(self._gate)}, {self._args.callers} callers, {seen.lasted:.1f} s"
        yield f"calls    {calls:,} ({said['calls_per_second']:,.0f}/s), {failed:,} failed"
        yield f"latency  p50 {latency['p50']:.2f} ms, p90 {latency['p90']:.2f}, p99 {latency['p99']:.2f}, most {latency['most']:.2f}"
        yield f"cache    {100 * seen.hits / calls:.1f} % hits" if calls else "cache    nothing was answered"
        yield f"bytes    {size(seen.size)}"
        if said["gate_cpu_us_per_call"] is not None:
            yield f"gate     {said['gate_cpu_us_per_call']:,.0f} us of processor time for a call, with all else that it did meanwhile"
        for why, count in seen.failures.most_common(10):
            first = seen.said.get(why)
            yield f"failed   {count:,} x {plain(why)}" + (f": {plain(first)}" if first else "")
        if self._busy(seen):
            yield "this command itself was busy all the time: it could not ask for more, and the gate may do more"


def _written(verb: str, path: str, fields: dict[str, str], body: bytes | None) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{verb} {path} HTTP/1.1\r\n{lines}\r\n".encode() + (body or b"")
