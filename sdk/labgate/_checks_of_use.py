"""Does the gate do what a program wants of it: token, list of methods, services; and do versions and extras fit?"""

from __future__ import annotations

import os
import sys
import time

from labgate._findings import Case, Finding
from labgate._names import printable
from labgate._tokens import find_source
from labgate.errors import Error, SetupError, Unauthenticated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._address import Address
    from labgate._client import Client

_EXTRAS = {
    "numpy": "arrays and volumes",
    "msgpack": "arrays as they are, without base64",
    "pyarrow": "tables as Arrow streams",
    "pandas": "data frames",
    "dask": "to_dask",
    "tqdm": "progress bars",
}
_DAY = 86400
_LOG_IN = "Run `labgate login`, or labgate.login()."


def token(case: Case) -> list[Finding]:
    """Whether there is a token, from where, and whether the gate takes it."""
    where = case.address
    if where is None:
        return [Finding("token", "skipped", "the gate's address is not known")]
    try:
        found, source = _token(case, where)
    except SetupError as error:
        return [Finding("token", "wrong", error.message, error.hint)]
    words = source if found is not None else "none"
    if not case.reached:
        return [Finding("token", "skipped", f"{words}; without a gate it cannot be tried")]
    from labgate._connect import connect
    from labgate._whoami import whoami

    try:
        if case.client is None:
            case.client = connect(
                str(where),
                token=case.token,
                profile=case.profile.name if case.profile is not None else None,
                datastack=case.datastack,
                timeout=case.timeout,
                remember=False,
            )
        me = whoami(case.client(timeout=case.timeout, retries=0))
    except SetupError as error:
        return [Finding("token", "wrong", f"{words}: {error.message}", error.hint)]
    except Unauthenticated as error:
        did = "is not taken" if found is not None else "the gate lets nobody in without one"
        return [Finding("token", "wrong", f"{words}: {did}: {error.message}", error.hint or _LOG_IN)]
    except Error as error:
        return [Finding("token", "wrong", f"{words}: {error.message}", error.hint)]
    return [_told(words, me, renews=found is not None and not isinstance(found, str) and found.renews)]


def _token(case: Case, where: Address) -> tuple[Any, str]:
    if case.client is not None:
        shown = case.client._session.link.way()[1]  # noqa: SLF001
        return (shown if shown is None or isinstance(shown, str) else shown.login), "the client's token"
    file = case.profile.token_file if case.profile is not None else None
    return find_source(where, case.token, os.environ, datastack=case.datastack, profile_file=file)


def _told(words: str, me: Any, *, renews: bool) -> Finding:
    if me.anonymous:
        return Finding("token", "note", "none: the gate lets you in as nobody", _LOG_IN)
    who = f"{words}: the gate takes you for {printable(me.subject, 120)}"
    if renews:
        return Finding("token", "ok", f"{who}; it renews itself")
    if me.expires is None:
        return Finding("token", "ok", f"{who}, without an end")
    left = me.expires - time.time()
    shown = f"{left / _DAY:.0f} days" if left > 2 * _DAY else f"{left / 3600:.1f} h"
    few = left < _DAY
    return Finding("token", "note" if few else "ok", f"{who}, for {shown} more", _LOG_IN if few else "")


def catalog(case: Case) -> list[Finding]:
    """Whether the list of methods comes, and what of it is kept."""
    if case.client is None:
        return [Finding("catalog", "skipped", "without a token that is taken")]
    from labgate._inform import refresh

    link = case.client._session.link  # noqa: SLF001
    try:
        refresh(case.client(timeout=case.timeout, retries=0))
    except Error as error:
        before = len(link.catalog.texts())
        kept = f"; {before} methods are known from before" if before else ""
        return [Finding("catalog", "wrong", f"{error.message}{kept}", error.hint)]
    count = len(link.catalog.texts())
    version = printable(link.catalog.version or "", 40) or "without a version"
    text = f"{count} methods, version {version}, kept in {link.settings()['cache_dir']}"
    if not count:
        return [Finding("catalog", "note", text, "No policy lets you call anything: ask the lab's engineer.")]
    return [Finding("catalog", "ok", text)]


def services(case: Case) -> list[Finding]:
    """Whether the gate reaches each of the services."""
    if case.client is None:
        return [Finding("services", "skipped", "without a list of methods")]
    from labgate._status import status

    try:
        found = status(case.client(timeout=case.timeout, retries=0))
    except Error as error:
        return [Finding("services", "wrong", error.message, error.hint)]
    advice = "Tell whoever runs that service; what the gate has in its cache still comes."
    down = [
        Finding(f"service {printable(name, 60)}", "wrong", "the gate does not reach it", advice)
        for name in found.down
    ]
    up = [f"{printable(one.name, 60)}{f' {one.version}' if one.version else ''}" for one in found if one.up]
    return [Finding("services", "ok", f"up: {', '.join(up) or 'none'}"), *down]


def versions(case: Case) -> list[Finding]:
    """Which versions meet here."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("labgate")
    except PackageNotFoundError:
        own = "not installed as a package"
    python = f"Python {platform.python_version()} on {sys.platform}"
    gate = ""
    if case.client is not None and case.reached:
        gate = _release(case.client(timeout=case.timeout, retries=0))
    found = [Finding("versions", "ok", f"labgate {own}, {python}" + (f", gate {gate}" if gate else ""))]
    if gate and gate.split(".")[0] != own.split(".")[0] and own[:1].isdigit():
        found[0].state, found[0].advice = "note", "Let the two have the same major version."
    return found


def _release(client: Client) -> str:
    from labgate._request import request

    try:
        with request(client, "GET", "/-/whoami") as answer:
            said = answer.json()
    except (Error, ValueError):
        return ""
    return printable(said.get("gate"), 40) if isinstance(said, dict) else ""


def extras(_: Case) -> list[Finding]:
    """Which of the packages are there that some results need; none of them is imported."""
    from importlib.metadata import PackageNotFoundError, version

    there, missing = [], []
    for name, what in _EXTRAS.items():
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(f"{name} ({what})")
    text = ", ".join(there) or "none"
    if not missing:
        return [Finding("extras", "ok", text)]
    return [
        Finding(
            "extras",
            "note",
            f"{text}; not there: {', '.join(missing)}",
            "Where you need them: pip install 'labgate[arrays]'.",
        )
    ]
