"""How does what is told about clients, services and calls show itself in a notebook?"""

from __future__ import annotations

from labgate._names import printable
from labgate._page import code, facts, joined, line, mark, page, quiet, strong, table, text_of
from labgate._shown_rows import rest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._changes import Changes
    from labgate._explain import Explanation
    from labgate._inform import Last
    from labgate._status import Status
    from labgate._table import AnyTable
    from labgate._whoami import Whoami

_MOST_POLICIES = 20
_ABOUT = ("method", "outcome", "why")


def html_of_status(status: Status) -> str:
    """The services, those that are down marked."""
    shown, count = table(
        ("service", "state", "methods", "version", ""),
        [
            (
                strong(one.name),
                mark("up") if one.up else mark("DOWN", bad=True),
                str(one.methods),
                quiet(one.version),
                one.summary,
            )
            for one in status
        ],
        filtered=True,
    )
    news = (
        [] if status.reached else [line(mark("the gate does not answer: this is how it was last", bad=True))]
    )
    return page(*news, shown, rest_of(count, len(status), "services"))


def html_of_whoami(who: Whoami) -> str:
    """Whom the gate takes one for."""
    rights = facts(_rights(who))
    if who.anonymous:
        return page(line(strong("anonymous"), quiet("nobody that this gate knows")), rights)
    import time

    until = ""
    if who.expires is not None:
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(min(max(who.expires, 0.0), 2**35)))
    return page(
        facts(
            [
                ("subject", strong(who.subject)),
                ("issuer", who.issuer),
                ("groups", joined(mark(printable(one, 80)) for one in who.groups[:100])),
                ("scopes", joined(mark(printable(one, 80)) for one in who.scopes[:100])),
                ("until", until),
            ]
        ),
        rights,
    )


def _rights(who: Whoami) -> list[tuple[object, object]]:
    """What the policies let one do, how much of it, and whether one method is among it."""
    rows: list[tuple[object, object]] = []
    for policy in who.policies[:_MOST_POLICIES]:
        allow = policy.get("allow")
        words = [code(printable(one, 120)) for one in allow[:30]] if isinstance(allow, list) else []
        more = quiet(f"and {len(allow) - 30} more") if isinstance(allow, list) and len(allow) > 30 else ""
        operate = mark("operator") if policy.get("operate") is True else ""
        rows.append((f"policy {printable(str(policy.get('number')), 20)}", joined([*words, more, operate])))
    for name, limit in list(who.limits.items())[:_MOST_POLICIES]:
        words_of = ", ".join(f"{key} {value}" for key, value in limit.items())
        rows.append((f"limit {printable(name, 60)}", printable(words_of, 200)))
    if who.permission is not None:
        allowed = mark("allowed") if who.permission.allowed else mark("refused", bad=True)
        rows.append((code(who.permission.method), joined([allowed, who.permission.why])))
    return rows


def html_of_explanation(told: Explanation) -> str:
    """What would become of a call: the outcome, and what it depends on."""
    from labgate._explain import in_words

    method, outcome, why = (printable(told.get(name), 300) for name in _ABOUT)
    bad = outcome in ("refused", "fault")
    rest = [(str(name).replace("_", " "), in_words(one)) for name, one in told.items() if name not in _ABOUT]
    return page(line(code(method), mark(outcome, bad=bad), why), facts(rest[:60]))


def html_of_last(last: Last) -> str:
    """What the last reply said beside its answer."""
    rows = [
        ("cache", joined([mark(last.cache, bad=last.cache == "stale") if last.cache else "", last.detail])),
        ("kept in", last.tier or ""),
        ("age", "" if last.age is None else f"{last.age:g} s"),
        ("took", f"{last.ms:.3g} ms"),
        ("of it in the gate", _milliseconds(last.gate_ms)),
        ("of that for the token", _milliseconds(last.auth_ms)),
        ("of that upstream", _milliseconds(last.upstream_ms)),
        ("bytes", f"{last.bytes:,}"),
        ("status", str(last.status)),
        ("request id", code(last.request_id) if last.request_id else ""),
    ]
    return page(facts(rows))


def _milliseconds(spent: float | None) -> str:
    return "" if spent is None else f"{spent:.3g} ms"


def html_of_changes(changes: Changes) -> str:
    """What a refresh found."""
    if not changes:
        return page(quiet("nothing has changed"))
    return page(
        facts(
            (
                name,
                joined([*map(code, names[:100]), f"and {len(names) - 100} more" if len(names) > 100 else ""]),
            )
            for name, names in (
                ("added", changes.added),
                ("changed", changes.changed),
                ("removed", changes.removed),
            )
        )
    )


def html_of_table(one: AnyTable) -> str:
    """A table that can be asked: what its service says of it, and the filters that were given."""
    fields = one.fields
    more = quiet(f"and {len(fields) - 60} more") if len(fields) > 60 else ""
    filters = [joined([code(name), repr(value)]) for name, value in one.filters.items()]
    known = ("description", "fields", "columns", "schema", "name", "table_name", "annotation_table", "table")
    rest = [
        (name, printable(said if isinstance(said, str) else repr(said), 200))
        for name, said in list(one.about.items())[:30]
        if name not in known and said is not None
    ]
    return page(
        line(quiet("table"), strong(one.name)),
        text_of(one.description, 1000),
        facts(
            [
                ("filters", joined(filters[:40], ", ")),
                ("columns", joined([*map(code, fields[:60]), more])),
                *rest,
            ]
        ),
    )
