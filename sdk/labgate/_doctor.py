"""Why can this program not do its work with the gate? Each thing that it needs is looked at, one after the other."""

from __future__ import annotations

from html import escape

from labgate._at_once import is_awaited
from labgate._checks import address, certificate, health, network, proxies
from labgate._checks_of_use import catalog, extras, services, token, versions
from labgate._findings import Case
from labgate._names import printable
from labgate.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator
    from typing import Any, overload

    from labgate._async_client import AsyncClient
    from labgate._client import Client
    from labgate._findings import Finding

_CHECKS = (
    address,
    proxies,
    network,
    certificate,
    health,
    token,
    catalog,
    services,
    versions,
    extras,
)
"""In the order in which each needs those before it."""
_MARKS = {"ok": "ok", "note": "note", "wrong": "WRONG", "skipped": "-"}
_WIDEST = 400


class Diagnosis:
    """What was found, in the order in which it was looked at; shown as text, `diagnosis["token"]` is one of them.

    Attributes:
        findings: all of them: `name`, `state` (ok, note, wrong, skipped), `text`, and `advice`, which may be empty.
    """

    __slots__ = ("findings",)

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not any(one.state == "wrong" for one in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, name: str) -> Finding:
        for one in self.findings:
            if one.name == name:
                return one
        raise KeyError(name)

    def __repr__(self) -> str:
        width = max((len(one.name) for one in self.findings), default=0)
        lines = []
        for one in self.findings:
            lines.append(f"{_MARKS[one.state]:<5}  {one.name:<{width}}  {printable(one.text, _WIDEST)}")
            if one.advice:
                lines.append(f"{'':<5}  {'':<{width}}  -> {printable(one.advice, _WIDEST)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{_MARKS[one.state]}</td><td>{escape(one.name)}</td>"
            f"<td>{escape(printable(one.text, _WIDEST))}"
            + (f"<br><i>{escape(printable(one.advice, _WIDEST))}</i>" if one.advice else "")
            + "</td></tr>"
            for one in self.findings
        )
        return f"<table>{rows}</table>"

    def members(self) -> dict[str, Any]:
        """The same as values that JSON knows."""
        names = ("name", "state", "text", "advice")
        return {
            "ok": self.ok,
            "findings": [{name: getattr(one, name) for name in names} for one in self.findings],
        }


if TYPE_CHECKING:

    @overload
    def doctor(lab: AsyncClient, *, timeout: float = 10.0) -> Coroutine[Any, Any, Diagnosis]: ...

    @overload
    def doctor(
        lab: Client | str | None = None,
        *,
        profile: str | None = None,
        datastack: str | None = None,
        token: str | None = None,
        timeout: float = 10.0,
    ) -> Diagnosis: ...


def doctor(
    lab: Client | AsyncClient | str | None = None,
    *,
    profile: str | None = None,
    datastack: str | None = None,
    token: str | None = None,
    timeout: float = 10.0,
) -> Diagnosis | Coroutine[Any, Any, Diagnosis]:
    """Look at all that a program needs to work with the gate, and say what to do where it is not there.

    Address, network, certificate, clock, the gate's health, the token, the list of methods, each service, versions and
    extras. Nothing is changed, but for the kept list of methods, and no token is shown.

    Args:
        lab: the gate's address, or a client of it; default: as `labgate.connect` finds it. Of an async client it is awaited.
        profile: the name of a gate in `profiles.toml`.
        datastack: adds its services.
        token: default: as `labgate.connect` finds it.
        timeout: seconds for each step.
    """
    if is_awaited(lab):
        return _awaited(lab, timeout)
    case = Case(lab, profile=profile, datastack=datastack, token=token, timeout=timeout)  # type: ignore[arg-type]  # none whose calls are awaited
    findings: list[Finding] = []
    for check in _CHECKS:
        findings += check(case)
    return Diagnosis(findings)


async def _awaited(lab: Any, timeout: float) -> Diagnosis:  # noqa: ASYNC109 - the seconds of one step
    """The same beside an event loop: a client that waits looks, at the same gate and with the same token."""
    from asyncio import to_thread

    from labgate._connect import client_of, way_to

    session = lab._session  # noqa: SLF001
    link = session.link
    try:
        looking: Any = await to_thread(client_of, *way_to(link, link.datastack), session.options)
        token = None
    except Error:
        looking, token = str(link.address), link.token()
    return await to_thread(doctor, looking, token=token, timeout=timeout)
