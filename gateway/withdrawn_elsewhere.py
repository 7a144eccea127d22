"""How does what operators say of services on one host get to the others?"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from gateway.core.faults import Unavailable
from gateway.core.withdrawals import Withdrawal
from gateway.withdrawn import Withdrawn

log = logging.getLogger("labgate.services")


class SharedWithdrawn:
    """What was said last of each service, as texts, for whoever carries them to other hosts. Nothing is raised."""

    def __init__(self, withdrawn: Withdrawn) -> None:
        self._withdrawn = withdrawn

    def told(self) -> Mapping[str, str]:
        """What was said last of each."""
        return {name: msgspec.json.encode(one).decode() for name, one in self._withdrawn.all().items()}

    def heard(self, records: Mapping[str, str]) -> list[str]:
        """This was said on other hosts; of which of these services something newer is known here."""
        known, said = self._withdrawn.all(), dict[str, Withdrawal]()
        for name, text in records.items():
            try:
                said[name] = msgspec.json.decode(text, type=Withdrawal)
            except msgspec.DecodeError:
                continue  # another release's: what is known here is told again
        try:
            self._withdrawn.add(said)
        except Unavailable as error:
            log.warning("what other gates say of services is not taken over: %s", error.message)
        return [
            name
            for name in records
            if name in known and (name not in said or said[name].since < known[name].since)
        ]
