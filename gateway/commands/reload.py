"""How does a running gate take its settings anew?"""

import argparse
from collections.abc import Mapping
from typing import Any, Final

from gateway.commands.operating import add_operator, asked

_SECONDS: Final = 120.0
"""The next gates are made before it answers, in every worker."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated reload`."""
    add_operator(parser)


def run(args: argparse.Namespace) -> int:
    """0 when the gate works by its files as they are now, 1 when it cannot; why stands on stdout or stderr."""
    found = asked(args, "POST", "/-/reload", {}, _SECONDS)
    return 1 if found is None else told(found, {"reloaded": "reloaded", "refused": "refused"})


def told(found: Mapping[str, Any], words: Mapping[str, str]) -> int:
    """Print an outcome; 1 if it is a refusal."""
    if found["what"] == "unchanged":
        print("nothing has changed")
        return 0
    for line in found["changes"]:
        print(line)
    for problem in found["problems"]:
        print(f"problem: {problem}")
    print(words[found["what"]])
    return 1 if found["what"] == "refused" else 0
