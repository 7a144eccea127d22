"""Runs the gate as several workers on the same ports, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from secrets import token_hex

from msgspec.structs import replace

from gateway import assembly
from gateway.commands.options import url
from gateway.commands.reloading import Reloads, reloading
from gateway.settings import Settings
from gateway.settings.tls import Tls
from gateway.telemetry.logs import configure
from gateway.workers.crew import Crew
from gateway.workers.hello import Handed
from gateway.workers.listeners import Sockets, close_all, name_of, open_all
from gateway.workers.loads import make
from gateway.workers.supervisor import Supervisor, WorkersError

log = logging.getLogger("labgate.workers")


def supervise(args: argparse.Namespace, path: Path, settings: Settings, text: str) -> int:
    """Serve by the settings of this file, which were read as this text.

    0 after SIGTERM or SIGINT, 1 when an address cannot be used or the workers keep ending.
    """
    configure(settings.telemetry.access_log)
    # Until somebody heeds it: what has changed meanwhile is seen then.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    pseudonym = f"labgate-{token_hex(6)}"
    # All workers get what was read, also those that are started when the file has changed and was not taken.
    handed = Handed(text, args.host, args.port, settings.workers, pseudonym)
    try:
        asyncio.run(_supervise(path, settings, handed))
    except (WorkersError, OSError) as error:
        print(f"labgated serve: {error}", file=sys.stderr)
        return 1
    return 0


async def _supervise(path: Path, settings: Settings, handed: Handed) -> None:
    addresses = assembly.addresses(settings)
    sockets = await open_all({name: assembly.place(settings, one) for name, one in addresses.items()})
    memory = make(handed.workers)
    try:
        crew = Crew(handed, sockets, memory, time.time)
        supervisor = Supervisor(_command(), crew, sockets, shutdown_seconds=settings.seconds_to_end)

        async def exchange(wanted: Settings, text: str) -> None:
            configure(wanted.telemetry.access_log)
            await supervisor.exchange(replace(handed, settings=text), wanted.seconds_to_end)

        crew.ending = supervisor.stop
        taken, listening = (settings, handed.settings), (handed.host, handed.port)
        crew.reloading = reloads = Reloads(
            path, os.environ, taken, exchange, listening=listening, wall=time.time
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, supervisor.stop)
        # When the sockets are closed their addresses are forgotten.
        callers = _url(sockets, assembly.CALLERS, settings.tls)
        operators = _url(sockets, assembly.OPERATORS, settings.operator.tls)
        services = len(assembly.services(settings))

        def ready() -> None:
            log.info("serving %d services by %d workers; operators: %s", services, handed.workers, operators)
            print(f"ready {callers}", flush=True)

        async with reloading(reloads, loop):
            await supervisor.run(ready)
    finally:
        close_all(sockets)
        os.close(memory)


def _command() -> list[str]:
    """How this process was started, up to its own arguments: a worker is the same program."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1], "serve"]


def _url(sockets: Sockets, name: str, tls: Tls | None) -> str:
    return url(*name_of(sockets[name][0]), tls)
