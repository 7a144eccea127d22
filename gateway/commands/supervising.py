"""Runs the gate as several workers on the same ports, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from secrets import token_hex

from gateway import assembly
from gateway.commands.options import config_path, url
from gateway.settings import Settings, SettingsError
from gateway.settings.handing import read
from gateway.settings.tls import Tls
from gateway.telemetry.logs import configure
from gateway.workers.crew import Crew
from gateway.workers.hello import Handed
from gateway.workers.listeners import Sockets, close_all, open_all
from gateway.workers.loads import make
from gateway.workers.supervisor import Supervisor, WorkersError

log = logging.getLogger("labgate.workers")


def supervise(args: argparse.Namespace) -> int:
    """Serve; 0 after SIGTERM or SIGINT, 1 when the settings or an address cannot be used or the workers keep ending."""
    try:
        # All workers get what is read here, also those that are started when the file has changed.
        settings, text = read(config_path(args.config, os.environ), os.environ)
        settings = settings.listening_on(args.host, args.port)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    configure(settings.telemetry.access_log)
    pseudonym = f"labgate-{token_hex(6)}"
    handed = Handed(text, args.host, args.port, settings.workers, pseudonym)
    try:
        asyncio.run(_supervise(settings, handed))
    except (WorkersError, OSError) as error:
        print(f"labgated serve: {error}", file=sys.stderr)
        return 1
    return 0


async def _supervise(settings: Settings, handed: Handed) -> None:
    addresses = {name: (one.host, one.port) for name, one in assembly.addresses(settings).items()}
    sockets = await open_all(addresses)
    memory = make(handed.workers)
    try:
        supervisor = Supervisor(
            _command(),
            Crew(handed, sockets, memory, time.time),
            sockets,
            shutdown_seconds=settings.shutdown_seconds,
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

        await supervisor.run(ready)
    finally:
        close_all(sockets)
        os.close(memory)


def _command() -> list[str]:
    """How this process was started, up to its own arguments: a worker is the same program."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1], "serve"]


def _url(sockets: Sockets, name: str, tls: Tls | None) -> str:
    host, port = sockets[name][0].getsockname()[:2]
    return url(host, port, tls)
