"""How do clients, namespaces and lists of methods show themselves in a notebook?"""

from __future__ import annotations

from labgate._at_once import is_awaited
from labgate._docs import summary_of
from labgate._names import printable
from labgate._page import Markup, cell, code, joined, line, mark, page, quiet, strong, table, text_of
from labgate._shown_rows import marks_of, rest_of
from labgate.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from labgate._client import Part, Whole
    from labgate._inform import MethodInfo
    from labgate._link import Link
    from labgate._status import ServiceStatus

MOST_METHODS = 200
_MOST_SERVICES = 200
_WHO_SECONDS = 2.0


def html_of_client(client: Whole) -> str:
    """A client: whose gate, which datastack, who one is there, and its services."""
    session: Any = client._session  # noqa: SLF001
    link: Link = session.link
    from labgate._status import services_of

    services = [one for one in services_of(link.catalog) if one.name]
    bound = {name: one for name, one in session.defaults.items() if one != link.datastack}
    titles = [
        strong("labgate"),
        code(str(link.address)),
        mark("no gate") if link.direct is not None else "",
        joined([quiet("datastack"), strong(link.datastack)]) if link.datastack else "",
        *(mark(word) for word in _bound(bound)),
        _who(client),
    ]
    parts: list[object] = [line(*titles)]
    if services:
        shown, count = table(
            ("service", "methods", "state", "version", ""),
            [_service(one) for one in services[:_MOST_SERVICES]],
            filtered=True,
        )
        parts += [shown, rest_of(count, len(services), "services")]
    top = link.catalog.groups.get("")
    if top is not None and top.leaves:
        parts += _methods_shown(link, [*top.leaves], prefix="")
    if not services and top is None:
        parts.append(quiet("nothing that you may call"))
    parts.append(_hint("labgate.methods(lab, 'text')", "searches all methods"))
    return page(*parts)


def _service(one: ServiceStatus) -> Sequence[object]:
    state = mark("up") if one.up else mark("DOWN", bad=True)
    return strong(one.name), str(one.methods), state, quiet(one.version), one.summary


def _bound(defaults: dict[str, Any]) -> list[str]:
    from labgate._defaults import shown

    return shown(defaults).split()


def _who(client: Whole) -> Markup:
    """Whom the gate takes the user for, where it says so at once; a picture of a client is no place for an error."""
    link = client._session.link  # noqa: SLF001
    if link.direct is not None:
        return Markup()
    if link.who is None and not is_awaited(client):
        from labgate._whoami import whoami

        try:
            whoami(client(timeout=_WHO_SECONDS, retries=0))  # type: ignore[call-overload]
        except Error:
            return Markup()
    if link.who is None:
        return Markup()
    return joined([quiet("as"), strong("anonymous" if link.who.anonymous else link.who.subject)])


def html_of_namespace(namespace: Part) -> str:
    """A namespace: what its service says of itself, and its methods, which can be searched."""
    space = namespace._space  # noqa: SLF001
    link: Link = namespace._session.link  # noqa: SLF001
    about = link.catalog.about.get("namespaces")
    said = about.get(space.prefix) if isinstance(about, dict) else None
    said = said if isinstance(said, dict) else {}
    leaves = space.group.leaves if space.group else []
    parts: list[object] = [
        line(
            strong(space.prefix),
            quiet(f"{len(leaves)} methods"),
            mark("DOWN", bad=True) if said.get("down") is True else "",
            quiet(said.get("version") if isinstance(said.get("version"), str) else ""),
            joined([quiet("plain HTTP below"), code(said["mount"])])
            if isinstance(said.get("mount"), str)
            else "",
        ),
        text_of(summary_of(said)),
    ]
    if leaves:
        parts += _methods_shown(link, [*leaves], prefix=space.prefix)
    if space.children:
        names = sorted(child.prefix for child in space.children.values())
        more = f" and {len(names) - 50} more" if len(names) > 50 else ""
        parts.append(line(quiet("also"), *(code(name) for name in names[:50]), quiet(more)))
    return page(*parts)


def _methods_shown(link: Link, leaves: list[str], *, prefix: str) -> list[object]:
    from labgate._inform import rows_of_methods

    start = f"{prefix}." if prefix else ""
    rows = rows_of_methods(link.catalog, [f"{start}{leaf}" for leaf in sorted(leaves)[:MOST_METHODS]])
    return _method_table(rows, len(leaves), cut=len(start), where=prefix)


def html_of_methods(rows: Sequence[MethodInfo]) -> str:
    """What `labgate.methods` found."""
    if not rows:
        return page(quiet("no methods"))
    return page(*_method_table(rows[:MOST_METHODS], len(rows)))


def _method_table(rows: Iterable[MethodInfo], total: int, cut: int = 0, where: str = "") -> list[object]:
    shown, count = table(
        ("method", "", ""),
        ((_signature(one, cut), marks_of(one), printable(one.summary, 120)) for one in rows),
        filtered=True,
    )
    rest = rest_of(count, total, "methods")
    if rest:
        rest = joined(
            [rest, _hint(f"labgate.methods(lab, {f'{where}.*' if where else 'text'!r})", "finds the others")]
        )
    return [shown, rest]


def _signature(one: MethodInfo, cut: int) -> Markup:
    name = cell(one.name[cut:], 100)
    return Markup(f"<code><b>{name}</b>{cell(one.signature, 100)}</code>")


def _hint(what: str, does: str) -> Markup:
    return Markup(f'<div class="quiet">{code(what)} {cell(does)}</div>')
