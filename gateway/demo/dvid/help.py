"""What does the server say of its own API? In the manner of DVID: a line for each call, then its meaning."""

from collections.abc import Iterable

from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.help_texts import ANY, ARGUMENTS, OPTIONS, SERVER, TEXTS, Entry
from gateway.demo.dvid.kinds import KINDS

_NODE = "<api URL>/node/<UUID>/<data name>/"


def _columns(names: Iterable[str], meanings: dict[str, str]) -> list[str]:
    return [f"    {name:<14}{meanings[name]}" for name in names]


def _entry(entry: Entry) -> str:
    calls = [f"{verb:<4} {_NODE}{entry.path}" for verb in entry.verbs.split()]
    names = ["UUID", "data name", *(part for part in ARGUMENTS if f"<{part}>" in entry.path)]
    lines = [*calls, "", *(f"    {line}" for line in entry.meaning.splitlines())]
    lines += ["", "    Arguments:", "", *_columns(names, ARGUMENTS)]
    if entry.options:
        lines += ["", "    Query-string Options:", "", *_columns(entry.options.split(), OPTIONS)]
    return "\n".join(lines) + "\n"


def type_help(name: str) -> str:
    """The API of a type. Raises DvidError."""
    kind = KINDS.get(name)
    if kind is None:
        raise DvidError(f"no help for unknown data type {name!r}")
    title = f"API for {name!r} datatype ({kind.url})"
    entries = (*ANY, *TEXTS[kind.package])
    return "\n\n".join(
        [f"{title}\n{'=' * len(title)}", "HTTP API (Level 2 REST):", *(_entry(entry) for entry in entries)]
    )


def _server() -> str:
    lines = ["DVID's HTTP API, as far as this demo has it", "", *SERVER, "", "Data types:", ""]
    lines += [f"    GET  /api/help/{name}" for name in KINDS]
    return "\n".join(lines) + "\n"


SERVER_HELP = _server()
"""What is to be had besides the APIs of the types."""
