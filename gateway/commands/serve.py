"""Runs the gate until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from gateway import assembly
from gateway.app import Gate
from gateway.commands import supervising, working
from gateway.commands.options import add_config, config_path, url
from gateway.commands.pauses import leave_tables_alone
from gateway.commands.reloading import Reloads, reloading
from gateway.commands.succession import Succession
from gateway.identity.errors import IdentityError
from gateway.settings import Settings, SettingsError
from gateway.settings.handing import read
from gateway.telemetry.logs import configure
from gateway.workers.alone import Alone
from gateway.workers.listeners import try_all

log = logging.getLogger("labgate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated serve [--config FILE] [--host HOST] [--port N]`."""
    add_config(parser)
    parser.add_argument("--host", metavar="HOST", help="listen on this host instead of the file's")
    text = "listen on this port instead of the file's; 0 takes a free one"
    parser.add_argument("--port", metavar="N", type=int, help=text)
    # What a supervisor starts its workers with: the descriptors of a channel and of a tether.
    parser.add_argument("--worker", type=_descriptors, default=None, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Serve; 0 after SIGTERM or SIGINT, 1 when the settings cannot be used or an address cannot be had."""
    if args.worker is not None:
        channel, tether = args.worker
        return working.work(channel, tether, _loop_factory())
    path = config_path(args.config, os.environ)
    try:
        settings, text = read(path, os.environ)
        settings = settings.listening_on(args.host, args.port)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        print("labgated: the settings cannot be used; see `labgated check`", file=sys.stderr)
        return 1
    if settings.workers > 1:
        return supervising.supervise(args, path, settings, text)
    configure(settings.telemetry.access_log)
    # Until somebody heeds it: what has changed meanwhile is seen then.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(args, path, settings, text))
    except (IdentityError, OSError) as error:
        print(f"labgated serve: {error}", file=sys.stderr)
        return 1
    return 0


def _descriptors(text: str) -> tuple[int, int]:
    channel, tether = text.split(",")
    return int(channel), int(tether)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return cast(Callable[[], asyncio.AbstractEventLoop], uvloop.new_event_loop)


async def _serve(args: argparse.Namespace, path: Path, settings: Settings, text: str) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    succession = Succession()
    members: list[Alone] = []

    async def exchange(wanted: Settings, _: str) -> None:
        following = Alone(members[-1])
        await succession.prepare(wanted, following)
        configure(wanted.telemetry.access_log)
        await succession.commit()
        members[:] = [following]

    reloads = Reloads(
        path, os.environ, (settings, text), exchange, listening=(args.host, args.port), wall=time.time
    )
    # Services may take their time to say what they offer: what cannot be served anyhow is told before.
    addresses = assembly.addresses(settings)
    await try_all({name: assembly.place(settings, one) for name, one in addresses.items()})
    members.append(Alone(reloading=reloads))
    members[0].ending = stopping.set
    _tell_ready(await succession.begin(settings, members[0]), settings)
    leave_tables_alone()
    async with reloading(reloads, loop):
        await stopping.wait()
    log.info("draining, at most %.0f seconds", settings.seconds_to_end)
    await succession.end()


def _tell_ready(gate: Gate, settings: Settings) -> None:
    """Say where it is. Whoever keeps the gate keeps all that take its place."""
    operators = url(*gate.operator_address, settings.operator.tls)
    log.info("serving %d services; operators: %s", len(gate.estate.services), operators)
    print(f"ready {url(*gate.address, settings.tls)}", flush=True)
