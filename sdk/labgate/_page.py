"""How does anything become HTML for a notebook: small, without a network, light or dark, and nothing of it foreign markup?

Text becomes markup in one place, `cell`: what is not `Markup` is escaped there. The style belongs to one class, says no
colours but shades of what is there, and where a page strips it, a plain table is left. The field that filters a table is
hidden until its script has run; where scripts are stripped, it stays away.
"""

from __future__ import annotations

import os
from html import escape

from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST = 300
MOST_CHARACTERS = 40_000  # of the rows of one table
_STYLE = (
    "<style>"
    ".labgate{font-size:13px;line-height:1.4;max-width:70em}"
    ".labgate table{margin:.4em 0;border-collapse:collapse}"
    ".labgate th,.labgate td{text-align:left!important;vertical-align:top;padding:.2em .9em .2em .2em;"
    "white-space:normal;max-width:42em;overflow-wrap:anywhere;border-bottom:1px solid rgba(128,128,128,.25)}"
    ".labgate thead th{font-weight:600}"
    ".labgate tbody th{font-weight:normal;opacity:.7;white-space:nowrap}"
    ".labgate code{background:none;color:inherit;font-size:12px;padding:0}"
    ".labgate .quiet{opacity:.7}"
    ".labgate .mark{border:1px solid rgba(128,128,128,.5);border-radius:3px;padding:0 .35em;margin-right:.3em;"
    "font-size:11px;white-space:nowrap}"
    ".labgate .bad{border-color:#d9534f;color:#d9534f}"
    ".labgate .text{white-space:pre-wrap;margin:.4em 0}"
    ".labgate input{margin:.4em 0 0;padding:.2em .5em;width:20em;max-width:95%;font:inherit;color:inherit;"
    "background:transparent;border:1px solid rgba(128,128,128,.5);border-radius:3px}"
    "</style>"
)
# Text that is the same for everybody but for the number of the table that it belongs to.
_FIELD = '<input id="{0}f" hidden placeholder="filter" aria-label="filter the rows">'
_SCRIPT = (
    '<script>(()=>{{const f=document.getElementById("{0}f"),t=document.getElementById("{0}t");if(!f||!t)return;'
    'f.hidden=false;f.addEventListener("input",()=>{{const w=f.value.toLowerCase().split(" ");'
    "for(const r of t.tBodies[0].rows)r.hidden=!w.every(x=>r.textContent.toLowerCase().includes(x))}});"
    'f.addEventListener("keydown",e=>e.stopPropagation())}})()</script>'
)


class Markup(str):
    """Text that is markup already, and ours."""

    __slots__ = ()


def cell(value: object, longest: int = LONGEST) -> Markup:
    """A value as markup: escaped, printable, and not too long."""
    if isinstance(value, Markup):
        return value
    text = value if isinstance(value, str) else "" if value is None else repr(value)
    # Broken pairs of UTF-16 are nothing that a page could hold.
    kept = printable(text, longest).encode("utf-8", "replace").decode("utf-8")
    return Markup(escape(kept, quote=True))


def joined(parts: Iterable[object], between: str = " ") -> Markup:
    """Several pieces beside each other; the empty ones are left out."""
    return Markup(between.join(one for one in map(cell, parts) if one))


def code(value: object, longest: int = LONGEST) -> Markup:
    """Text in the letters of programs."""
    return Markup(f"<code>{cell(value, longest)}</code>")


def strong(value: object) -> Markup:
    """Text that names what is shown."""
    return Markup(f"<b>{cell(value)}</b>")


def quiet(value: object) -> Markup:
    """Text that stands back; nothing for nothing."""
    text = cell(value)
    return Markup(f'<span class="quiet">{text}</span>' if text else "")


def mark(value: object, *, bad: bool = False) -> Markup:
    """A word in a frame."""
    return Markup(f'<span class="mark{" bad" if bad else ""}">{cell(value)}</span>')


def text_of(value: object, longest: int = 4000) -> Markup:
    """A text of several lines."""
    whole = printable(value, longest, lines=True).encode("utf-8", "replace").decode("utf-8").strip()
    return Markup(f'<div class="text">{escape(whole, quote=True)}</div>' if whole else "")


def reference(address: object) -> Markup:
    """An address that can be followed, where it is one of the web's; else its text."""
    text = cell(address, 500)
    if not isinstance(address, str) or not address.lower().startswith(("https://", "http://")):
        return text
    return Markup(f'<a href="{text}" target="_blank" rel="noopener noreferrer">{text}</a>')


def facts(rows: Iterable[tuple[object, object]]) -> Markup:
    """A table of names and what is to be said of them; what is empty is left out."""
    lines = (
        f"<tr><th>{cell(name)}</th><td>{cell(said)}</td></tr>" for name, said in rows if said or said == 0
    )
    return Markup(f"<table><tbody>{''.join(lines)}</tbody></table>")


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    filtered: bool = False,
    most: int = MOST_CHARACTERS,
) -> tuple[Markup, int]:
    """A table, and how many of the rows it shows: as many as fit into so many characters."""
    lines: list[str] = []
    left = most
    for row in rows:
        line = f"<tr>{''.join(f'<td>{cell(one)}</td>' for one in row)}</tr>"
        left -= len(line)
        if left < 0:
            break
        lines.append(line)
    names = "".join(f"<th>{cell(name)}</th>" for name in head)
    own, field, script = "", "", ""
    if filtered and len(lines) > 5:
        number = f"labgate{os.urandom(6).hex()}"
        own, field, script = f' id="{number}t"', _FIELD.format(number), _SCRIPT.format(number)
    whole = f"<table{own}><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return Markup(f"{field}{whole}{script}"), len(lines)


def page(*parts: object) -> str:
    """All of it, as a notebook takes it."""
    inner = "".join(
        str(one) if isinstance(one, Markup) else f"<div>{cell(one)}</div>" for one in parts if one
    )
    return f'<div class="labgate">{_STYLE}{inner}</div>'


def line(*parts: object) -> Markup:
    """Several pieces in one line."""
    return Markup(f"<div>{joined(parts)}</div>")
