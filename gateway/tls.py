"""Where is TLS spoken, with which files, and are these fit for it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from gateway.assembly import CALLERS, OPERATORS, placed_entries
from gateway.core.service import Service
from gateway.settings import Settings
from gateway.settings.problems import Where, spell
from gateway.settings.tls import Tls
from gateway.upstreams.guard import Turned
from gateway.upstreams.replicas import HttpUpstream
from gateway.wire.tls import Live, ServerTls, TlsError, UpstreamTls, expires

SOON: Final = 21 * 86400.0
"""Seconds before its end from which a certificate is worth a word."""


def server_tls(settings: Settings) -> dict[str, tuple[Where, ServerTls]]:
    """Where TLS is spoken with callers: by the listener's name, with where that is said."""
    found: dict[str, tuple[Where, Tls | None]] = {
        CALLERS: (("tls",), settings.tls),
        OPERATORS: (("operator", "tls"), settings.operator.tls),
    }
    for name, (where, one) in placed_entries(settings).items():
        if one.listen is not None:
            found[name] = ((*where, "listen", "tls"), one.listen.tls)
    return {
        name: (
            where,
            ServerTls(said.certificate, said.key, said.client_ca, said.asks, said.minimum),
        )
        for name, (where, said) in found.items()
        if said is not None
    }


def upstream_tls(settings: Settings) -> dict[str, tuple[Where, UpstreamTls]]:
    """How TLS is spoken with services of which more is said than their addresses, by qualified name."""
    return {
        name: (
            (*where, "tls"),
            UpstreamTls(said.ca, said.certificate, said.key, said.server_name, said.verify),
        )
        for name, (where, one) in placed_entries(settings).items()
        if (said := one.tls) is not None
    }


class Secured:
    """The live contexts of a gate: those of its listeners, and those of its upstreams."""

    def __init__(self, settings: Settings) -> None:
        """Raises TlsError where a file cannot be used."""
        self._listeners = {
            name: Live(spell(where), tls) for name, (where, tls) in server_tls(settings).items()
        }
        said = upstream_tls(settings)
        self._upstreams = {name: Live(spell(where), tls) for name, (where, tls) in said.items()}
        # What others bring has hosts of its own.
        self._brought = self._upstreams | {
            name: Live(spell(where), replace(tls, server_name=None))
            for name, (where, tls) in said.items()
            if tls.server_name is not None
        }

    @property
    def live(self) -> tuple[Live, ...]:
        """Every one whose files may change."""
        each = (*self._listeners.values(), *self._upstreams.values(), *self._brought.values())
        return tuple(one for one in dict.fromkeys(each) if one.tls.files)

    def listener(self, name: str) -> Live | None:
        """How a listener speaks TLS, None where it does not."""
        return self._listeners.get(name)

    def asks(self, name: str) -> bool:
        """Whether callers may show a certificate to a listener."""
        live = self._listeners.get(name)
        return live is not None and isinstance(live.tls, ServerTls) and live.tls.client != "none"

    def connect(self, service: Service, *, turned: Turned) -> HttpUpstream:
        """The connections to a service; `turned` is told when one of its addresses falls out or returns."""
        known = self._brought if service.entry else self._upstreams
        return HttpUpstream(service, tls=known.get(service.entry or service.qualified), turned=turned)

    def ends(self) -> list[tuple[tuple[str, ...], float]]:
        """When each certificate of the gate's own ends, by the setting that names it."""
        each = (*self._listeners.values(), *self._upstreams.values())
        return [((one.name,), one.ends) for one in each if one.ends is not None]


def file_problems(settings: Settings, now: float) -> Iterator[tuple[Where, str, str, bool]]:
    """What is wrong with the files that the settings name: where they are named, what, the fix, whether it is a warning."""
    each: list[tuple[Where, ServerTls | UpstreamTls]] = list(server_tls(settings).values())
    each += upstream_tls(settings).values()
    for where, tls in each:
        try:
            tls.context()
        except TlsError as error:
            yield (*where, error.key), error.text, error.fix, False
            continue
        end = None if tls.certificate is None else expires(tls.certificate)
        if end is None or end > now + SOON:
            continue
        day = datetime.fromtimestamp(end, UTC).date().isoformat()
        text = f"the certificate has expired on {day}" if end <= now else f"the certificate ends on {day}"
        fix = "put a new one in its place: a running gate takes it within seconds"
        yield (*where, "certificate"), text, fix, True
