"""Which settings file does a command mean, and how does it complain about it?"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic_core import PydanticCustomError

from gateway.settings import Settings, SettingsError, load
from gateway.settings.values import seconds


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option `--config`, which every command takes."""
    text = "the settings file (default: $LABGATE_CONFIG, then ./labgate.yaml)"
    parser.add_argument("--config", metavar="FILE", type=Path, default=None, help=text)


def config_path(given: Path | None, environ: Mapping[str, str]) -> Path:
    """The settings file: the one given, else `$LABGATE_CONFIG`, else `labgate.yaml` in the current folder."""
    return given or Path(environ.get("LABGATE_CONFIG") or "labgate.yaml")


def settings_of(args: argparse.Namespace) -> Settings | None:
    """The settings that `--config` means; None after every problem was written to stderr."""
    try:
        return load(config_path(args.config, os.environ), os.environ)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        print("labgated: the settings cannot be used; see `labgated check`", file=sys.stderr)
        return None


def duration(said: str) -> float:
    """The seconds of an option that says how long, like `7d`."""
    try:
        return seconds(said)
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(f"{error.message()}: {(error.context or {})['fix']}") from error


def url(host: str, port: int, tls: object = None) -> str:
    """The address as callers write it; `tls` = what is said of TLS there, None for nothing."""
    if host.startswith("unix:"):
        return host
    return f"{'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}"
