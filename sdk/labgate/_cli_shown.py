"""How do the commands of `labgate` reach a gate, and print what they have: JSON into pipes, tables for people?"""

from __future__ import annotations

import sys

from labgate._codec import to_json_text
from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from labgate._client import Client

_MOST_COLUMNS = 8
_WIDEST_CELL = 40


def connected(given: argparse.Namespace, **more: Any) -> Client:
    """The client that the options of a command mean; `more` are those of `labgate.connect`.

    Raises:
        Error: there is none.
    """
    import labgate

    timeout = {} if given.timeout is None else {"timeout": given.timeout}
    return labgate.connect(given.url, datastack=given.datastack, profile=given.profile, **timeout, **more)


def print_result(result: Any, *, for_people: bool) -> None:
    """A result in the form that its reader takes: JSON text, or what a terminal shows of it."""
    if not for_people:
        sys.stdout.write(_json(result))
    elif isinstance(result, str):
        sys.stdout.write(printable(result, len(result), lines=True) + "\n")
    elif _is_rows(result):
        sys.stdout.write(table(result) + "\n")
    elif hasattr(result, "dtype"):
        sys.stdout.write(f"{result!r}\n")
    else:
        text = to_json_text(result, indent=2)
        sys.stdout.write(printable(text, len(text), lines=True) + "\n")


def write_result(result: Any, path: str) -> None:
    """A result in a file, which is there whole or not at all.

    Raises:
        OSError: it cannot be written.
        SetupError: somebody else is writing it.
    """
    from labgate._partfile import PartFile

    with PartFile(path, "") as part:
        part.restart(None)
        if isinstance(result, bytes):
            part.write(result)
        elif hasattr(result, "dtype"):
            from numpy.lib.format import write_array

            write_array(part, result, allow_pickle=False)
        else:
            part.write(_json(result).encode())
        part.finish()


def _json(result: Any) -> str:
    handle = hasattr(type(result), "about")
    return to_json_text(result.about if handle else result) + "\n"


def _is_rows(result: Any) -> bool:
    """Rows of one shape with simple cells."""
    return (
        isinstance(result, list)
        and bool(result)
        and all(isinstance(row, dict) and row.keys() == result[0].keys() for row in result)
        and 0 < len(result[0]) <= _MOST_COLUMNS
        and not any(isinstance(cell, (dict, list)) for row in result for cell in row.values())
    )


def table(rows: list[dict[str, Any]], widest: int = _WIDEST_CELL) -> str:
    """Rows of one shape, aligned; no cell is wider than `widest`."""
    names = list(rows[0])
    cells = [
        [_cell(name, widest) for name in names],
        *([_cell(row[name], widest) for name in names] for row in rows),
    ]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _cell(value: object, widest: int) -> str:
    return printable(value if isinstance(value, str) else to_json_text(value), widest)


def complain(text: str) -> None:
    """One line on stderr: what was a line is a sentence."""
    if sys.stderr is None:
        return  # print would write it among the results
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    sentences = [line if line[-1] in ".!?:;…" else f"{line}." for line in lines[:-1]]
    print("labgate: " + " ".join([*sentences, *lines[-1:]]), file=sys.stderr)
