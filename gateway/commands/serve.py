"""Runs the gate until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from typing import cast

from gateway.app import running
from gateway.commands import supervising, working
from gateway.commands.options import add_config, settings_of, url
from gateway.commands.pauses import leave_tables_alone
from gateway.identity.errors import IdentityError
from gateway.settings import Settings, SettingsError
from gateway.telemetry.logs import configure

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
    settings = settings_of(args)
    if settings is None:
        return 1
    if settings.workers > 1:
        return supervising.supervise(args)
    try:
        settings = settings.listening_on(args.host, args.port)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    configure(settings.telemetry.access_log)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings))
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


async def _serve(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with running(settings) as gate:
        leave_tables_alone()
        operators = url(*gate.operator_address, settings.operator.tls)
        log.info("serving %d services; operators: %s", len(gate.estate.services), operators)
        print(f"ready {url(*gate.address, settings.tls)}", flush=True)
        await stopping.wait()
        log.info("draining, at most %.0f seconds", settings.shutdown_seconds)
