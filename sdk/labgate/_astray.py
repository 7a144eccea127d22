"""What is said of a name that the gate does not have, so that who typed it finds the right one?"""

from __future__ import annotations

from labgate.errors import NeedsDatastack, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._link import Link


def unknown(link: Link, name: str) -> NotFound | NeedsDatastack:
    """Why there is no method of this wire name."""
    needed = needs_datastack(link, name.partition(".")[0])
    if needed is not None:
        return needed
    from labgate._names import closest

    near = closest(name, link.catalog.names())
    away = out_of_reach(link, name.partition(".")[0])
    hint = f"Did you mean {' or '.join(near)}?" if near else away and f"{away[0].upper()}{away[1:]}."
    return NotFound(f"{link.title} has no method {name!r}", data={"did_you_mean": near}, hint=hint)


def needs_datastack(link: Link, namespace: str) -> NeedsDatastack | None:
    """That a namespace is in datastacks only, and in which; None where that is not so, or this client has it."""
    local = link.catalog.about.get("local")
    found = local.get(namespace) if isinstance(local, dict) else None
    stacks = [stack for stack in found if isinstance(stack, str)] if isinstance(found, list) else []
    if not stacks or namespace in link.catalog.groups:
        return None
    return NeedsDatastack(
        f"{namespace} exists only within a datastack: {', '.join(stacks)}",
        data={"datastacks": stacks},
        hint=f'Name one: lab(datastack="{stacks[0]}"), or labgate.connect(datastack="{stacks[0]}").',
    )


def out_of_reach(link: Link, namespace: str) -> str:
    """That the gate does not reach a service, whose methods may be missing for that; "" where it does."""
    namespaces = link.catalog.about.get("namespaces")
    said = namespaces.get(namespace) if isinstance(namespaces, dict) else None
    if not isinstance(said, dict) or said.get("down") is not True:
        return ""
    return f"the service {namespace} is down, so that methods of it may be missing: see labgate.status(lab)"
