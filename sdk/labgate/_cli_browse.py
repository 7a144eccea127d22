"""How are the methods looked through in a terminal, and what is printed where there is none?"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from labgate._browser import Browser
from labgate._cli_describe import described, shown
from labgate._cli_shown import connected
from labgate._codec import to_json_text
from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from labgate._client import Client
    from labgate._inform import Methods

COMMANDS = {"browse": "look through the methods in the terminal; in a pipe, print them as a tree"}

_NAMED = {
    "\n": "enter",
    "\r": "enter",
    "\x1b": "escape",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x04": "escape",
}
_KEYS = {
    "KEY_UP": "up",
    "KEY_DOWN": "down",
    "KEY_PPAGE": "pageup",
    "KEY_NPAGE": "pagedown",
    "KEY_HOME": "home",
    "KEY_END": "end",
    "KEY_ENTER": "enter",
    "KEY_BACKSPACE": "backspace",
}


def add(commands: Any) -> list[Any]:
    """The parser of this command."""
    browse = commands.add_parser("browse", help=COMMANDS["browse"])
    browse.add_argument(
        "pattern", nargs="?", help="only what this glob or text finds, as in `labgate methods`"
    )
    return [browse]


def run(given: argparse.Namespace, *, for_people: bool) -> None:
    """Carry it out."""
    import labgate

    lab = connected(given)
    rows = labgate.methods(lab, given.pattern)
    if given.json:
        sys.stdout.write(to_json_text([{"name": row.name, "summary": row.summary} for row in rows]) + "\n")
    elif not for_people:
        sys.stdout.write(tree(rows) + "\n")
    elif sys.stdin is not None and sys.stdin.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        _look(lab, rows)
    else:
        _page(tree(rows))


def tree(rows: Methods) -> str:
    """The methods below their namespaces."""
    lines: list[str] = []
    above: list[str] = []
    for row in rows:
        *path, leaf = printable(row.name, 200).split(".")
        common = 0
        while common < min(len(path), len(above)) and path[common] == above[common]:
            common += 1
        lines += [f"{'  ' * at}{path[at]}" for at in range(common, len(path))]
        above = path
        lines.append(f"{'  ' * len(path)}{leaf}  {row.summary}".rstrip())
    return "\n".join(lines)


def _look(lab: Client, rows: Methods) -> None:
    try:
        import curses
    except ImportError:  # Windows has none
        _page(tree(rows))
        return
    os.environ.setdefault(
        "ESCDELAY", "25"
    )  # milliseconds; ncurses would wait a second for what may follow an Esc
    browser = Browser([(row.name, row.summary) for row in rows], lambda name: shown(described(lab, name)))
    try:
        curses.wrapper(_keep_on, browser)
    except curses.error:
        _page(tree(rows))
    if browser.taken is not None:
        print(f"labgate call {printable(browser.taken, 200)}")


def _keep_on(screen: Any, browser: Browser) -> None:
    import curses

    curses.use_default_colors()
    with suppress(curses.error):  # some terminals cannot hide it
        curses.curs_set(0)
    styles = {"title": curses.A_BOLD, "chosen": curses.A_REVERSE, "faint": curses.A_DIM}
    while True:
        height, width = screen.getmaxyx()
        screen.erase()
        for at, (text, style) in enumerate(browser.lines(height, width - 1)):
            with suppress(curses.error):  # wide letters may reach over the edge
                screen.addnstr(at, 0, text, width - 1, styles.get(style, curses.A_NORMAL))
        screen.refresh()
        if not browser.press(_key(screen.get_wch())):
            return


def _key(typed: str | int) -> str:
    if isinstance(typed, str):
        return _NAMED.get(typed, typed)
    import curses

    return _KEYS.get(curses.keyname(typed).decode("ascii", "replace"), "")


def _page(text: str) -> None:
    import pydoc

    pydoc.pager(text)
