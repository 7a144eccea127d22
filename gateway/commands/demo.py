"""How does somebody see labgate at work within a minute?"""

import argparse
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import randrange
from secrets import token_hex
from uuid import uuid4

from gateway import resources
from gateway.demo.children import Child, ChildError, Interrupted

HOST = "127.0.0.1"
PORT = 8700
OPERATOR_PORT = 8701
ALONE = {
    "jobs": ("--listen", "the job manager"),
    "files": ("--listen-files", "the image files"),
    "dvid": ("--listen-dvid", "the volumes"),
}
"""The services that need no more than themselves: the option that gives each its address, and what it is."""
LAB = ("dvid", "jobs", "files", "command", "cave", "catalog")
"""The services of the lab, as modules of `gateway.demo`; the one that has most to do begins first."""

_TRIES = 100
_SELDOM_TAKEN = (20_000, 32_000)
"""Linux and others give whoever asks for any port one above."""
_PYTHON = (sys.executable, "-P", "-m")  # -P: nothing is imported from the folder we happen to be in

_UP = """\
labgate is up.

  address   {address}
  token     {token}
  operator  {operator}
  console   {operator}/#token={token}
  lab       {lab} (the job manager, without the gate)
  files     {files} (the image files, without the gate)
  dvid      {dvid} (a DVID with made-up tissue, without the gate)
  command   {command} (a CryoSPARC, without the gate; its licence is the gate's)
  cave      {cave} (a CAVE deployment, without the gate; its tokens are the gate's)
  catalog   {catalog} (a catalog server of Intake's protocol, without the gate)
  logs      {logs}

Paste this into Python:

import labgate
lab = labgate.connect("{address}", token="{token}")
job = lab.jobs.make_job("count_particles", "P1"); lab.jobs.enqueue_job("P1", job)  # JSON-RPC
print(lab.jobs.wait_job("P1", job), lab.jobs.get_job_result("P1", job)["total"], "particles")
print(lab.files.get_image("I1")["title"], len(lab.files.get_thumbnail("I1")), "bytes of PNG")  # REST
tissue = lab.dvid.volume("prod", "grayscale")  # DVID
print(tissue.shape, tissue[32, 200:264, 200:264].mean())
print(lab.cryosparc.get_project("P3")["title"])  # CryoSPARC
print(lab(datastack="minnie_demo").chunkedgraph.get_root_id(72057594037927937))  # CAVE
print(lab.data["frames"].shape)  # Intake

Or this into a shell:

curl -s {address}/rpc -H "Authorization: Bearer {token}" -H "Content-Type: application/json" \
-d '{{"jsonrpc": "2.0", "id": 1, "method": "jobs.list_projects"}}'

The services' own clients reach them as they are, below /jobs, /files, /dvid and so on:

curl -s -H "Authorization: Bearer {token}" "{address}/files/images?limit=2"

Their arrays and tables are one catalog for Intake's client: intake.open_catalog("{sources}", auth=SecretClientAuth(TOKEN))

Ctrl-C ends it.
"""


class DemoError(Exception):
    """The demo cannot run; the text says why and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `labgated demo`: ports, the folder for its state, and the lab without a gate."""
    text = "the gate's port (default: 8700, or the next free one; 0: any)"
    parser.add_argument("--port", metavar="N", type=_port_number, help=text)
    text = "the operators' port (default: 8701, or the next free one; 0: any)"
    parser.add_argument("--operator-port", metavar="N", type=_port_number, help=text)
    text = "where key, settings and logs are kept (default: a temporary folder, removed at the end)"
    parser.add_argument("--state-dir", metavar="DIR", type=Path, help=text)
    text = "start the lab's services without a gate"
    parser.add_argument("--lab-only", action="store_true", help=text)
    for name, (option, what) in ALONE.items():
        text = f"with --lab-only: the address of {what} (default: a free port on loopback)"
        parser.add_argument(option, dest=f"listen_{name}", metavar="HOST:PORT", type=_address, help=text)


def run(args: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM, then end everything; 0 if that is how it ended, 1 on failure, 2 on misuse."""
    if misuse := _misuse(args):
        print(f"labgated demo: {misuse}", file=sys.stderr)
        return 2
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with ExitStack() as ends:
            children = _start_lab(args, ends, stopping) if args.lab_only else _start(args, ends, stopping)
            while not stopping.wait(0.5):
                for child in children:
                    child.check()
    except Interrupted:
        pass
    except (DemoError, ChildError) as error:
        print(f"labgated demo: {error}", file=sys.stderr)
        return 1
    return 0


def _misuse(args: argparse.Namespace) -> str | None:
    for name, (option, _) in ALONE.items():
        if _listens_at(args, name) and not args.lab_only:
            return f"{option} needs --lab-only; the gate's port is --port"
    if args.lab_only and (args.port is not None or args.operator_port is not None):
        return "--lab-only starts no gate, so --port and --operator-port mean nothing"
    if args.port and args.port == args.operator_port:
        return "--port and --operator-port must differ"
    return None


def _listens_at(args: argparse.Namespace, name: str) -> tuple[str, int] | None:
    asked: tuple[str, int] | None = getattr(args, f"listen_{name}")
    return asked


def _start_lab(args: argparse.Namespace, ends: ExitStack, stopping: threading.Event) -> list[Child]:
    """Start the lab and say where its services listen; the line `ready ADDRESS` is the job manager's, and the last."""
    folder = _folder(args, ends)
    services = {name: _service(name, folder, ends, _listens_at(args, name)) for name in ALONE}
    ends.callback(_end_together, services.values())
    for name in reversed(services):
        word = "ready" if name == "jobs" else name
        print(f"{word} {services[name].await_ready(stopping)}", flush=True)
    return [*services.values()]


def _start(args: argparse.Namespace, ends: ExitStack, stopping: threading.Event) -> list[Child]:
    """Start the lab and the gate and say how to use them."""
    port = _free_port("--port", args.port, PORT, set())
    operator_port = _free_port("--operator-port", args.operator_port, OPERATOR_PORT, {port})
    folder = _folder(args, ends)
    secrets = _secrets()
    services = {name: _service(name, folder, ends, environ=secrets) for name in LAB}
    ends.callback(_end_together, services.values())  # once the gate has ended
    lab = {name: service.await_ready(stopping) for name, service in services.items()}
    # Any port is chosen now: of those that were free before, the lab has taken some.
    port = _any_port() if args.port == 0 else port
    operator_port = _any_port() if args.operator_port == 0 else operator_port

    settings = folder / "labgate.yaml"
    settings.write_text(_settings(port, operator_port))
    environ = os.environ | secrets | {f"LABGATE_DEMO_{name.upper()}": url for name, url in lab.items()}
    environ["LABGATE_STATE_DIR"] = str(folder / "gate")
    command = [*_PYTHON, "gateway.cli", "serve", "--config", str(settings)]
    gate = ends.enter_context(Child("gate", command, folder, environ))
    address = gate.await_ready(stopping)
    token = _token(settings, environ, stopping)
    operator = f"http://{HOST}:{operator_port}"
    places = lab | {"lab": lab["jobs"], "logs": str(folder)}
    places["sources"] = f"{address.replace('http', 'intake', 1)}/sources"
    print(_UP.format(address=address, token=token, operator=operator, **places), end="", flush=True)
    return [*services.values(), gate]


def _secrets() -> dict[str, str]:
    """What the systems of the lab want to be shown, made for this run: a licence, and people's tokens."""
    people = {name: token_hex(16) for name in ("ada", "eve", "tom", "gate")}
    return {
        "LABGATE_DEMO_LICENSE": str(uuid4()),
        "LABGATE_DEMO_CAVE_TOKENS": json.dumps(people),
        "LABGATE_DEMO_CAVE_TOKEN": people["gate"],
    }


def _service(
    name: str,
    folder: Path,
    ends: ExitStack,
    address: tuple[str, int] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Child:
    """One of the lab's services, listening at `address` or at a free port on loopback."""
    host, port = address or (HOST, 0)
    module = f"gateway.demo.{name}"
    command = [*_PYTHON, module, "--host", host, "--port", str(port), "--until-stdin-closes"]
    return ends.enter_context(Child(name, command, folder, os.environ | (environ or {})))


def _end_together(services: Iterable[Child]) -> None:
    for service in services:
        service.ask_to_end()


def _folder(args: argparse.Namespace, ends: ExitStack) -> Path:
    if args.state_dir is None:
        return Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="labgate-demo-")))
    folder: Path = args.state_dir.expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder


def _settings(port: int, operator_port: int) -> str:
    """The demo's settings with the ports of this run; JSON is YAML."""
    own = {
        "include": [str(resources.demo_config("demo-systems").absolute())],
        "listen": f"{HOST}:{port}",
        "operator": {"listen": f"{HOST}:{operator_port}"},
    }
    return f"# Made by `labgated demo` at each start.\n{json.dumps(own, indent=2)}\n"


def _token(settings: Path, environ: dict[str, str], stopping: threading.Event) -> str:
    command = [*_PYTHON, "gateway.cli", "token", "create", "--subject", "demo", "--group", "demo"]
    made = subprocess.run(  # noqa: S603 - every word of it is ours
        [*command, "--ttl", "1d", "--config", str(settings)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    if stopping.is_set():
        raise Interrupted
    if made.returncode != 0:
        raise DemoError(f"no token could be made\n{made.stderr.strip()}")
    return made.stdout.strip()


def _free_port(option: str, asked: int | None, preferred: int, taken: set[int]) -> int:
    """The port asked for, or the preferred one, or the next that is free."""
    if asked == 0:
        return _any_port()
    if asked is not None:
        if reason := _unusable(asked):
            raise DemoError(f"port {asked} {reason}; choose another with {option}, or leave it out")
        return asked
    for port in range(preferred, preferred + _TRIES):
        if port not in taken and not _unusable(port):
            if port != preferred:
                print(f"port {preferred} is taken, {port} is used instead ({option} chooses another)")
            return port
    raise DemoError(f"no port from {preferred} to {preferred + _TRIES - 1} is free; choose one with {option}")


def _any_port() -> int:
    """A port that is free, and that no system hands out to whoever asks for any: it is still free a moment later."""
    for _ in range(_TRIES):
        port = randrange(*_SELDOM_TAKEN)  # noqa: S311 - it spreads, and hides nothing
        if not _unusable(port):
            return port
    raise DemoError("no free port was found; choose one with --port, and one with --operator-port")


def _unusable(port: int) -> str | None:
    """Why nobody can listen on `port` of loopback now, or None."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        return "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
    return None


def _port_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host, _port_number(port)
