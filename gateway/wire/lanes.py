"""Which memory of header lines and requests is a connection's?

Callers who are known by their certificate send no token: the same bytes mean another caller on another's connection. So
each certificate has a lane of its own; all of them together take no more room than one.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakValueDictionary

from gateway.core.certificates import PeerCertificate
from gateway.wire.lane import MOST, Lane

LANES: Final = 16
"""Certificates that have a lane at once; the connections of others are answered without."""


class Lanes:
    """The lanes of one listener: that of all whose bytes say who they are, and one for each certificate.

    A certificate's ends with the last of its connections.
    """

    def __init__(self, shared: Lane) -> None:
        self._shared = shared
        self._own: WeakValueDictionary[str, Lane] = WeakValueDictionary()

    def of(self, certificate: PeerCertificate | None) -> Lane:
        """The lane for a connection that has shown this certificate."""
        if certificate is None:
            return self._shared
        lane = self._own.get(certificate.fingerprint)
        if lane is None:
            lane = Lane(MOST // LANES)
            lane.on = self._shared.on and len(self._own) < LANES
            if len(self._own) < LANES:
                self._own[certificate.fingerprint] = lane
        return lane

    def switch(self, on: bool) -> None:
        """Remember what comes from now on, or no more."""
        for lane in (self._shared, *self._own.values()):
            lane.on = on

    def clear(self) -> None:
        """Forget everything."""
        for lane in (self._shared, *self._own.values()):
            lane.clear()
