"""Laws of the rooms: who may know whom, read from the sources themselves, and said by the linter too."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GATEWAY = ROOT / "gateway"
ROOMS = {"dialects", "doors", "identity", "telemetry", "tiers", "upstreams", "wire", "workers"}
USES = {"doors": {"wire", "relay"}, "upstreams": {"wire"}}
"""What a room may use beside the core and itself."""
PURE = {
    "asyncio",
    "socket",
    "ssl",
    "select",
    "selectors",
    "time",
    "threading",
    "subprocess",
    "aiohttp",
    "uvloop",
}
JOINING = {
    "agents.py",
    "app.py",
    "overseers.py",
    "doorways.py",
    "door_parts.py",
    "caller_doors.py",
    "operator_doors.py",
    "entrances.py",
    "operators.py",
    "routes.py",
    "storage.py",
    "telling.py",
    "tls.py",
    "trust.py",
    "cli.py",
}
"""The files beside the rooms that join them."""
CLOCKS = {"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter"}


@cache
def modules(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts))


def imports(path: Path) -> Iterator[str]:
    """The full names that a file imports anywhere in it: functions and TYPE_CHECKING count too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(name: str) -> str:
    """`gateway.doors.rpc.Door` -> `doors`."""
    return name.split(".")[1] if name.startswith("gateway.") else ""


def offenders(folder: Path, wrong: str, *, parts: set[str]) -> list[str]:
    found = [(path, name) for path in modules(folder) for name in imports(path) if part(name) in parts]
    return [f"{path.relative_to(ROOT)} imports {name}: {wrong}" for path, name in found]


def test_there_is_something_to_look_at() -> None:
    assert {path.name for path in GATEWAY.iterdir() if path.is_dir()} >= ROOMS | {
        "core",
        "demo",
        "commands",
        "settings",
    }
    assert len(modules(GATEWAY)) > 30


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_never_import_each_other(room: str) -> None:
    others = (
        (ROOMS | {"relay", "flights", "app", "settings", "commands", "cli", "demo"})
        - {room}
        - USES.get(room, set())
    )
    assert offenders(GATEWAY / room, "rooms never import each other", parts=others) == []


def test_the_core_imports_nothing_of_the_gate_but_itself() -> None:
    found = [
        f"{path.name}: {name}"
        for path in modules(GATEWAY / "core")
        for name in imports(path)
        if name.split(".")[0] == "gateway" and part(name) != "core"
    ]
    assert found == []


def test_the_core_never_imports_asyncio_sockets_or_the_clock() -> None:
    found = [
        f"{path.name}: {name}"
        for path in modules(GATEWAY / "core")
        for name in imports(path)
        if name.split(".")[0] in PURE or name.startswith(("os.environ", "os.getenv"))
    ]
    assert found == []


def test_the_core_never_asks_for_the_time_or_the_environment() -> None:
    found = [
        f"{path.name}:{node.lineno}: .{node.attr}"
        for path in modules(GATEWAY / "core")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS | {"environ", "getenv"}
    ]
    assert found == []


def test_the_relay_and_the_flights_see_ports_and_no_room() -> None:
    files = [path for path in modules(GATEWAY) if path.parent == GATEWAY and path.name not in JOINING]
    files += modules(GATEWAY / "settings")
    found = [
        f"{path.name}: {name}" for path in files for name in imports(path) if part(name) in ROOMS | {"app"}
    ]
    assert found == []


def test_only_commands_know_the_app() -> None:
    wrong = [path for path in modules(GATEWAY) for name in imports(path) if part(name) == "app"]
    assert {path.parent.name for path in wrong} <= {"commands"}


def test_the_gate_and_the_sdk_never_import_each_other() -> None:
    for folder, other in ((GATEWAY, "labgate"), (ROOT / "sdk" / "labgate", "gateway")):
        assert modules(folder)
        assert [
            path for path in modules(folder) for name in imports(path) if name.split(".")[0] == other
        ] == []


def test_the_demo_imports_nothing_of_the_gate() -> None:
    found = [
        f"{path.name}: {name}"
        for path in modules(GATEWAY / "demo")
        for name in imports(path)
        if name.split(".")[0] in ("gateway", "labgate") and part(name) != "demo"
    ]
    assert found == []


def test_only_commands_know_the_environment() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules(GATEWAY)
        if path.parent.name != "commands" and "demo" not in path.parts
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert found == []


def test_nothing_in_the_sources_unpickles_or_evaluates() -> None:
    for folder in (GATEWAY, ROOT / "sdk" / "labgate"):
        names = {name.split(".")[0] for path in modules(folder) for name in imports(path)}
        assert names.isdisjoint({"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"})


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("gateway/doors/x.py", "import gateway.tiers.memory", "let app.py join you"),
        ("gateway/tiers/x.py", "from gateway.wire import heads", "let app.py join you"),
        ("gateway/wire/x.py", "from gateway import relay", "Protocols in gateway.core"),
        ("gateway/core/x.py", "import asyncio", "IO belongs to the rooms"),
        ("gateway/core/x.py", "from time import monotonic", "take the time as an argument"),
        ("gateway/core/x.py", "from gateway.upstreams import pools", "the core knows no room"),
        ("gateway/demo/x.py", "from gateway.core import faults", "they import nothing of the gate"),
        ("gateway/x.py", "from gateway.doors import rpc", "only app.py joins rooms"),
        ("gateway/x.py", "import labgate", "meet on the wire"),
        ("sdk/labgate/x.py", "import gateway", "meet on the wire"),
    ],
)
def test_the_linter_says_what_to_do_instead(file: str, line: str, words: str) -> None:
    told = ruff(file, line)
    assert words in told, told


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("gateway/doors/x.py", "from gateway.wire import heads"),
        ("gateway/upstreams/x.py", "from gateway.wire import heads"),
        ("gateway/doors/x.py", "from gateway.relay import Relay"),
        ("gateway/tiers/x.py", "from gateway.core import ports"),
        ("gateway/app.py", "from gateway.doors import rpc"),
        ("gateway/commands/x.py", "from gateway.identity import local"),
        ("gateway/demo/x.py", "from gateway.demo import jobs"),
        ("tests/x.py", "import labgate, gateway"),
    ],
)
def test_the_linter_allows_what_the_design_allows(file: str, line: str) -> None:
    assert ruff(file, line) == ""


def ruff(file: str, line: str) -> str:
    """What the linter says of a line, were it in that file: the banned imports alone."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--quiet", "--output-format=concise"]
    command += ["--select=TID251", f"--stdin-filename={ROOT / file}", "-"]
    return subprocess.run(
        command, input=line + "\n", cwd=ROOT, capture_output=True, text=True, timeout=60
    ).stdout


def test_every_room_has_its_bans_and_every_ban_says_what_to_do() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        root = tomllib.load(file)["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    tables = {"": root}
    for room in ROOMS | {"core", "demo"}:
        with (GATEWAY / room / "ruff.toml").open("rb") as file:
            tables[room] = tomllib.load(file)["lint"]["flake8-tidy-imports"]["banned-api"]
    assert all(len(ban["msg"]) > 20 for table in tables.values() for ban in table.values())
    for room in ROOMS:
        wanted = {f"gateway.{other}" for other in ROOMS - {room} - USES.get(room, set())}
        assert wanted <= set(tables[room]), room
