"""Does a program reach the gate: address, network, certificate, health, clock? Each says what to do where it does not."""

from __future__ import annotations

import os
import socket
import time

from labgate._delivery import Request, deliver
from labgate._findings import Case, Finding
from labgate._names import printable
from labgate._profiles import wanted_profile
from labgate._proxy import route_to
from labgate._transport import NotSent, OutOfTime, Pool, close_all, gate_context
from labgate._whereabouts import find_gate
from labgate.errors import Error, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._address import Address
    from labgate._wire import Response

_SKEW_SECONDS = 30.0
_FEW_DAYS = 21
_DAY = 86400


def address(case: Case) -> list[Finding]:
    """Whether it is known where the gate is."""
    if case.client is not None:
        link = case.client._session.link  # noqa: SLF001
        case.address, case.ca_file, case.datastack = link.address, link.trust()[0], link.datastack
        return [Finding("address", "ok", f"{link.address} (the client's)")]
    try:
        case.profile = wanted_profile(case.named, case.given, case.datastack, os.environ)
        chosen = case.profile
        if chosen is not None:
            case.ca_file, case.datastack = chosen.ca_file, case.datastack or chosen.datastack
        url = case.given or (chosen.url if chosen is not None else None)
        case.address = find_gate(url, case.datastack, os.environ).address
    except SetupError as error:
        return [Finding("address", "wrong", error.message, error.hint)]
    if case.given:
        source = "the argument"
    elif chosen is not None:
        source = f"the profile {chosen.name}"
    else:
        source = "LABGATE_URL" if os.environ.get("LABGATE_URL") else "where the datastack was last"
    return [Finding("address", "ok", f"{case.address} ({source})")]


def proxies(case: Case) -> list[Finding]:
    """Whether the way to the gate leads through a proxy; its account is not shown."""
    where = case.address
    if where is None:
        return []
    try:
        proxy = route_to(where, os.environ).proxy
    except SetupError as error:
        case.address = None
        return [Finding("proxy", "wrong", error.message, error.hint)]
    if proxy is None:
        return []
    return [Finding("proxy", "note", f"calls go through {proxy}", f"NO_PROXY={where.host} goes past it.")]


def network(case: Case) -> list[Finding]:
    """Whether the host has an address, and something listens there."""
    where = case.address
    if where is None:
        return [
            Finding(name, "skipped", "the gate's address is not known") for name in ("name", "connection")
        ]
    pool = Pool(where, case.ca_file)
    named = _named(where, pool)
    if named.state == "wrong":
        return [named, Finding("connection", "skipped", "without an address")]
    shown = where.authority if where.socket is None else where.origin
    began = time.perf_counter()
    try:
        pool.dial(time.monotonic() + case.timeout).close()
    except (NotSent, OutOfTime) as error:
        reason = "no answer" if isinstance(error, OutOfTime) else str(error)
        advice = "Is the gate running (`labgated serve`), and does a firewall let you through to this port?"
        return [named, Finding("connection", "wrong", f"{shown}: {reason}", advice)]
    case.reached = True
    took = 1000 * (time.perf_counter() - began)
    return [named, Finding("connection", "ok", f"{shown} answers in {took:.1f} ms")]


def _named(where: Address, pool: Pool) -> Finding:
    if where.socket is not None:
        return Finding("name", "ok", f"{where.socket} is a socket of this machine")
    host, port = pool.route.first
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        reason = f"the host name {host} cannot be found ({error.strerror or type(error).__name__})"
        advice = "Is it spelled right? Some names exist only inside the lab's network, or its VPN."
        return Finding("name", "wrong", reason, advice)
    places = ", ".join(dict.fromkeys(str(one[4][0]) for one in found))
    return Finding("name", "ok", f"{host} is {places}")


def certificate(case: Case) -> list[Finding]:
    """Whether the gate's certificate is trusted, and for how long."""
    where = case.address
    if where is None or not case.reached:
        return [Finding("certificate", "skipped", "without a connection")]
    if where.scheme != "https":
        if where.is_loopback:
            return [Finding("certificate", "skipped", "plain http, which does not leave this machine")]
        advice = "Let the gate have a certificate; LABGATE_INSECURE=1 sends tokens all the same."
        state = "note" if os.environ.get("LABGATE_INSECURE") == "1" else "wrong"
        return [Finding("certificate", state, "plain http: everybody on the way can read the token", advice)]
    import ssl  # 15 ms that plain http need not pay

    try:
        context = gate_context(os.environ, case.ca_file)
        with (
            Pool(where).dial(time.monotonic() + case.timeout) as sock,
            context.wrap_socket(sock, server_hostname=where.host) as secured,
        ):
            ends = secured.getpeercert() or {}
            version = secured.version()
    except (OSError, SetupError, NotSent, OutOfTime) as error:
        case.reached = False
        return [Finding("certificate", "wrong", _untrusted(error), _certificate_advice(error))]
    end = ssl.cert_time_to_seconds(str(ends["notAfter"])) if "notAfter" in ends else None
    if end is None:
        return [Finding("certificate", "ok", f"trusted ({version})")]
    days = int((end - time.time()) // _DAY)
    few = days < _FEW_DAYS
    advice = "Tell the lab's engineer to renew it." if few else ""
    return [
        Finding("certificate", "note" if few else "ok", f"trusted ({version}), for {days} more days", advice)
    ]


def _untrusted(error: Exception) -> str:
    words = (
        getattr(error, "verify_message", None)
        or getattr(error, "reason", None)
        or getattr(error, "strerror", None)
    )
    return printable(str(words or error), 300)


def _certificate_advice(error: Exception) -> str:
    if type(error).__name__ != "SSLCertVerificationError":
        return "Is this an https address?"
    return (
        "Where the lab has an authority of its own, name its file: `ca_file` in the profile, or SSL_CERT_FILE. "
        "Look at this machine's clock, too."
    )


def health(case: Case) -> list[Finding]:
    """Whether a gate answers there, takes calls, and has the same time."""
    where = case.address
    if where is None or not case.reached:
        return [Finding(name, "skipped", "without a connection") for name in ("gate", "clock")]
    began = time.time()
    try:
        healthy, ready = (_plain(case, where, path) for path in ("/-/healthy", "/-/ready"))
    except Error as error:
        case.reached = False
        return [
            Finding("gate", "wrong", error.message, error.hint),
            Finding("clock", "skipped", "without a gate"),
        ]
    ended = time.time()
    if healthy.status != 200:
        case.reached = False
        text, advice = f"/-/healthy was answered {healthy.status}", "Is this the address of a labgate?"
        return [Finding("gate", "wrong", text, advice), Finding("clock", "skipped", "without a gate")]
    if ready.status == 200:
        gate = Finding("gate", "ok", "it is up and takes calls")
    else:
        gate = Finding(
            "gate", "wrong", "it is up and takes no calls yet", "It starts, or goes down: wait a moment."
        )
    return [gate, _clock(healthy.text(b"date"), began, ended)]


def _clock(date: str | None, began: float, ended: float) -> Finding:
    from email.utils import parsedate_to_datetime

    try:
        said = parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return Finding("clock", "skipped", "the gate does not say what time it is")
    # The field has whole seconds.
    skew = max(said - ended, began - (said + 1), 0.0)
    if skew <= _SKEW_SECONDS:
        return Finding("clock", "ok", "this machine's clock agrees with the gate's")
    ahead = "behind" if said > ended else "ahead of"
    advice = "Set this machine's clock: tokens and certificates hold from one time to another."
    return Finding("clock", "wrong", f"this machine's clock is {skew:.0f} s {ahead} the gate's", advice)


def _plain(case: Case, where: Address, path: str) -> Response:
    """The reply to a path of the gate that is open to everybody."""
    pool = Pool(where, case.ca_file)
    head = pool.route.opening("GET", f"{where.path}{path}") + "User-Agent: labgate-python\r\n"
    request = Request(
        head.encode("ascii"), b"", method=None, repeatable=True, timeout=case.timeout, retries=0
    )
    try:
        return deliver(pool, request, str(where))
    finally:
        close_all(pool.idle)
