"""Whom does the gate take this client's user for, and what may they do?"""

from __future__ import annotations

import time

from labgate._at_once import carried
from labgate._names import name_of, printable
from labgate._request import json_of
from labgate._session import terms_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, overload

    from labgate._async_client import AsyncClient
    from labgate._client import Client

_MOST_SHOWN = 20


class Permission:
    """Whether you may call a method.

    Attributes:
        method: its name, with the datastack's where it is a local service's.
        allowed: you may.
        why: why not, in a sentence; or by which policy.
        fault: the name of the refusal, like `Forbidden`; None where there is none.
    """

    __slots__ = ("allowed", "fault", "method", "why")

    def __init__(self, said: dict[str, Any]) -> None:
        self.method = _text(said.get("method"))
        self.allowed = said.get("allowed") is True
        fault = said.get("fault")
        self.fault = fault if isinstance(fault, str) else None
        policy = said.get("policy")
        if isinstance(policy, dict):
            number, to, allow = (printable(str(policy.get(name)), 120) for name in ("number", "to", "allow"))
            self.why = f"policy {number} allows {allow} to {to}"
        else:
            self.why = _text(said.get("why"))

    def __bool__(self) -> bool:
        return self.allowed

    def __repr__(self) -> str:
        words = (
            "allowed"
            if self.allowed
            else f"refused ({printable(self.fault, 60)})"
            if self.fault
            else "refused"
        )
        return f"{printable(self.method, 200)}: {words}: {printable(self.why, 500)}"


class Whoami:
    """What this client's credential means at the gate.

    Attributes:
        subject: the user, as who issued the token writes it.
        issuer: who issued the token.
        anonymous: there is no token, and the gate lets such callers in.
        groups, scopes: what policies go by.
        expires: when the gate takes it no more, in seconds since 1970; None where it has no end.
        policies: those that speak of you: `number`, the words of `to` that mean you, and what they `allow`.
        limits: how much you may have, by the name of the limit.
        left: how many calls or bytes are `left` of each now, and in how many seconds it is `full_in`.
        permission: of the method that was asked about, None without one.
    """

    __slots__ = (
        *("anonymous", "expires", "groups", "issuer", "left", "limits", "permission", "policies"),
        *("scopes", "subject"),
    )

    def __init__(self, said: dict[str, Any]) -> None:
        self.subject = _text(said.get("subject"))
        self.issuer = _text(said.get("issuer"))
        self.anonymous = said.get("anonymous") is True
        self.groups = _texts(said.get("groups"))
        self.scopes = _texts(said.get("scopes"))
        expires = said.get("expires")
        self.expires = float(expires) if isinstance(expires, (int, float)) else None
        policies = said.get("policies")
        self.policies: tuple[dict[str, Any], ...] = (
            tuple(one for one in policies if isinstance(one, dict)) if isinstance(policies, list) else ()
        )
        self.limits = _objects(said.get("limits"))
        self.left = _objects(said.get("left"))
        permission = said.get("permission")
        self.permission = Permission(permission) if isinstance(permission, dict) else None

    def _repr_html_(self) -> str:
        from labgate._shown_told import html_of_whoami

        return html_of_whoami(self)

    def __repr__(self) -> str:
        return "\n".join([f"<{self._who()}>", *self._rights()])

    def _who(self) -> str:
        if self.anonymous:
            return "nobody that this gate knows: anonymous"
        parts = [f"{printable(self.subject, 120)} by {printable(self.issuer, 120)}"]
        for name, values in (("groups", self.groups), ("scopes", self.scopes)):
            if values:
                parts.append(f"{name} {_some(values, 80)}")
        if self.expires is not None:
            parts.append(f"until {time.strftime('%Y-%m-%d %H:%M', time.localtime(min(self.expires, 2**35)))}")
        return "; ".join(parts)

    def _rights(self) -> list[str]:
        lines = []
        for policy in self.policies[:_MOST_SHOWN]:
            allow, to = _texts(policy.get("allow")), _texts(policy.get("to"))
            operate = ", and the operator's door" if policy.get("operate") is True else ""
            number = printable(str(policy.get("number")), 20)
            lines.append(f"  policy {number} ({_some(to, 80)}): {_some(allow, 120) or 'nothing'}{operate}")
        if len(self.policies) > _MOST_SHOWN:
            lines.append(f"  and {len(self.policies) - _MOST_SHOWN} more policies")
        for name, limit in list(self.limits.items())[:_MOST_SHOWN]:
            words = ", ".join(f"{key} {value}" for key, value in limit.items())
            left = (
                f"{one['left']} left"
                for key in (name, f"{name}-bytes")
                if "left" in (one := self.left.get(key, {}))
            )
            lines.append("  " + printable("; ".join([f"limit {name}: {words}", *left]), 300))
        if self.permission is not None:
            lines.append(f"  {self.permission!r}")
        return lines


if TYPE_CHECKING:

    @overload
    def whoami(client: Client, method: str | Callable[..., Any] | None = None) -> Whoami: ...

    @overload
    def whoami(
        client: AsyncClient, method: str | Callable[..., Any] | None = None
    ) -> Coroutine[Any, Any, Whoami]: ...


def whoami(
    client: Client | AsyncClient, method: str | Callable[..., Any] | None = None
) -> Whoami | Coroutine[Any, Any, Whoami]:
    """Whom the gate takes you for and what you may do, asked now; with a method, whether you may call that, and why not.

    Args:
        client: the client.
        method: the method, or its whole name, like `jobs.get_job`.

    Raises:
        Error: it does not know you, or does not say it; or there is no such method.
    """
    session = terms_of(client, "whoami")
    session.link.need_gate("labgate.whoami")
    name = None if method is None else name_of(method)
    datastack = session.link.datastack if name is not None else None
    return carried(client, _whoami(client, {"method": name, "datastack": datastack}))


async def _whoami(client: Any, query: dict[str, Any]) -> Whoami:
    said = await json_of(client, "GET", "/-/whoami", query=query)
    found = Whoami(said if isinstance(said, dict) else {})
    if query["method"] is None:
        client._session.link.who = found  # noqa: SLF001
    return found


def _some(values: tuple[str, ...], longest: int) -> str:
    more = f" and {len(values) - _MOST_SHOWN} more" if len(values) > _MOST_SHOWN else ""
    return ", ".join(printable(one, longest) for one in values[:_MOST_SHOWN]) + more


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _objects(value: object) -> dict[str, dict[str, Any]]:
    found = value if isinstance(value, dict) else {}
    return {name: one for name, one in found.items() if isinstance(one, dict)}
