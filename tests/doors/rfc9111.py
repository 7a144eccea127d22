"""RFC 9111 as a table: each row is a conversation of callers, the gate and an origin that answers as it is told."""

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from mounting import Answer, Asked, Caller, CutShort, Line, Stand, Upstream, until

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  up: {{dialect: listed, url: "{url}", mount: /up}}
  guess: {{dialect: listed, url: "{url}", mount: /guess, http_cache: {{heuristic: true, heuristic_max: 1000s}}}}
  wide: {{dialect: listed, url: "{url}", mount: /wide, http_cache: {{vary_on: [X-Dataset], accept_encoding: false}}}}
  never: {{dialect: listed, url: "{url}", mount: /never, http_cache: {{enabled: false}}}}
  host: {{dialect: listed, url: "{url}", mount: /host, keep_host: true}}
"""

FRESH = "Cache-Control: max-age=3600"
SHARED = "Cache-Control: public, max-age=3600"
STALE = "Cache-Control: max-age=1\nAge: 60"
"""What is stale when it comes."""


@dataclass
class Step:
    """One request, what the origin answers if it is asked, and what must be true of the answer."""

    verb: str
    lines: tuple[str, ...]
    says: str
    status: str
    by: str
    at: str
    body: bytes | None
    text: bytes | None
    want: dict[str, Any]


def ask(
    *lines: str,
    verb: str = "GET",
    says: str = "",
    status: str = "200 OK",
    by: str = "ada",
    at: str = "",
    body: bytes | None = None,
    text: bytes | None = None,
    **want: Any,
) -> Step:
    """A request with these header lines.

    `says` are the origin's lines (`<now>`, `<-60>` and `<+60>` are dates), `at` follows the row's path, `text` is the
    origin's body. Of `want`: `hit`, `asked` (whether the origin was), `of` (the number of the step whose body it is),
    `code`, `has` (patterns of fields), `lacks` (fields), `sent` (fields of the origin's request; None = absent), `gets`.
    """
    return Step(verb, lines, says, status, by, at, body, text, want)


def miss(*lines: str, **how: Any) -> Step:
    """The origin is asked, and its answer is the answer."""
    return ask(*lines, **{"hit": False, "asked": True, "own": True} | how)


def hit(*lines: str, of: int = 0, **how: Any) -> Step:
    """Nobody is asked: an answer of before serves."""
    return ask(*lines, hit=True, asked=False, of=of, **how)


def confirmed(*lines: str, of: int = 0, says: str = "", **how: Any) -> Step:
    """The origin says that the answer of before still holds."""
    return ask(*lines, says=says, status="304 Not Modified", asked=True, hit=False, of=of, **how)


@dataclass
class Row:
    """A conversation: the section that it tests, and what it says."""

    section: str
    name: str
    steps: tuple[Step, ...]


def row(section: str, name: str, *steps: Step) -> Row:
    """A row of the table."""
    return Row(section, name, steps)


def dated(text: str) -> str:
    """The text with its dates written out."""

    def date(found: re.Match[str]) -> str:
        return formatdate(int(time.time()) + int(found[1] or 0), usegmt=True)

    return re.sub(r"<(?:now|([+-]\d+))>", date, text)


def told(step: Step, number: int) -> bytes:
    """The origin's answer to a step."""
    said = [line for line in dated(step.says).split("\n") if line]
    if not any(line.lower().startswith("date:") for line in said):
        said.insert(0, f"Date: {formatdate(time.time(), usegmt=True)}")
    said = [line for line in said if line.lower() != "date: none"]
    text = b"body %d" % number if step.text is None else step.text
    bodiless = step.verb == "HEAD" or step.status[:3] in ("204", "304")
    if step.status[:3] not in ("204", "304") and not any(
        line.lower().startswith(("content-length:", "transfer-encoding:")) for line in said
    ):
        said.append(f"Content-Length: {len(text)}")
    head = "\r\n".join([f"HTTP/1.1 {step.status}", *said]).encode("latin-1") + b"\r\n\r\n"
    return head if bodiless else head + text


@dataclass
class Table:
    """A gate, its origin and its callers, and what went wrong so far."""

    stand: Stand
    up: Upstream
    callers: dict[str, Caller]
    lines: dict[str, Line] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    async def run(self, rows: Iterable[Row]) -> None:
        """Hold every conversation; all that is wrong is told at once."""
        count = 0
        for count, one in enumerate(rows, 1):
            await self.hold(one, f"/{count}")
        assert count, "an empty table"
        assert not self.wrong, f"{len(self.wrong)} of {count} rows:\n" + "\n".join(self.wrong)

    async def hold(self, one: Row, path: str) -> None:
        """One conversation, at a path of its own."""
        bodies: list[bytes] = []
        for number, step in enumerate(one.steps):
            answer_bytes = told(step, number)
            answer_bytes = answer_bytes.replace(b"<path>", path.encode()).replace(
                b"<origin>", self.up.url.encode()
            )
            bodies.append(b"body %d" % number if step.text is None else step.text)

            async def answer(asked: Asked, said: bytes = answer_bytes) -> bytes | None:
                return said if b"\r\ngone: " not in said else None

            self.up.on("*", answer)
            seen = len(self.up.asked)
            service, _, rest = step.at.partition(" ") if step.at.startswith("@") else ("@up", "", step.at)
            target = f"/{service[1:]}{path}{rest}"
            got = await self.ask(step, target)
            await asyncio.sleep(0)
            # A renewal of the conversation before may be under way still.
            asked = [one for one in self.up.asked[seen:] if one.path == f"{path}{rest}".partition("?")[0]]
            for problem in problems(step, got, asked, bodies, number):
                self.wrong.append(
                    f"{one.section} {one.name}, step {number} {step.verb} {step.lines}: {problem}"
                )

    async def ask(self, step: Step, target: str) -> Answer:
        """The answer to a step, over the connection that its caller keeps."""
        caller = self.callers[step.by]
        line = self.lines.pop(step.by, None) or await caller.line()
        try:
            answer = await caller.ask(step.verb, target, *step.lines, body=step.body, on=line)
        except CutShort:
            return Answer(0, b"cut", [], b"", b"")
        if answer["Connection"] != "close":
            self.lines[step.by] = line
        return answer


def problems(step: Step, got: Answer, asked: list[Asked], bodies: list[bytes], number: int) -> Iterable[str]:
    """What of an answer is not as it should be."""
    want = step.want
    status = f" ({got.status}, {got.values('Cache-Status')})"
    if "asked" in want and bool(asked) != want["asked"]:
        yield f"the origin was {'not ' if want['asked'] else ''}asked" + status
    if "hit" in want and got.hit != want["hit"]:
        yield f"hit is {got.hit}" + status
    code = want.get("code", int(step.status[:3]) if want.get("own") else None)
    if code is not None and got.status != code:
        yield f"the status is {got.status}, not {code}" + status
    of = want.get("of", number if want.get("own") else None)
    bodiless = step.verb == "HEAD" or got.status in (204, 304)
    expected = want.get("gets", bodies[of] if of is not None else None)
    if expected is not None and not bodiless and got.body != expected:
        yield f"the body is {got.body!r}, not {expected!r}" + status
    for name, pattern in want.get("has", {}).items():
        if not re.search(dated(pattern), "|".join(got.values(name)) or "ABSENT"):
            yield f"{name} is {got.values(name)}, not like {pattern!r}" + status
    for name in want.get("lacks", ()):
        if got.values(name):
            yield f"there is a {name}: {got.values(name)}" + status
    for name, value in want.get("sent", {}).items():
        found = [one.decode("latin-1") for one in asked[-1].values(name)] if asked else ["NOT ASKED"]
        if found != ([] if value is None else [dated(value)]):
            yield f"the origin was sent {name}: {found}, not {value!r}" + status
    if want.get("asked") and len(asked) > want.get("times", 1):
        yield f"the origin was asked {len(asked)} times" + status


LANES = ("on", "off")
"""Every conversation is held with the lanes of known requests, and without."""


async def table(stand: Stand, lanes: str = "on") -> Table:
    """A gate with an origin."""
    up = await stand.upstream()
    await stand.gate(CONFIG.format(url=up.url))
    callers = {
        "ada": stand.caller("lab"),
        "bob": stand.caller("lab", name="bob"),
    }
    await stand.switch(callers["ada"], lanes=lanes)
    await until(lambda: all(server.lane.on == (lanes == "on") for server in stand.running.servers))
    return Table(stand, up, callers)
