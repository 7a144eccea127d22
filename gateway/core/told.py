"""How does one worker tell the others what a service has answered?"""

from __future__ import annotations

import json

import msgspec
from msgspec import Struct

from gateway.core.listing import Offer
from gateway.core.service import Description, Service


class Told(Struct, frozen=True):
    """What is known of a service after it was asked.

    `description` is its last good one as text, None if there was none yet; `same` = it is the one told before, and is
    left out. `down` and `reason` are the service's state, `why` is why there was no answer this time.
    """

    service: str
    dialect: str
    down: bool
    reason: str | None
    why: str | None
    description: str | None = None
    same: bool = False

    def after(self, before: Told | None) -> Told:
        """The same, whole: with the description of what was told before if it is left out here."""
        if not self.same or before is None:
            return self
        return msgspec.structs.replace(self, description=before.description, same=False)


def told(offer: Offer, why: str | None, description: str | None, *, same: bool) -> Told:
    """What to tell of an offer whose description was written as this text, or told before."""
    return Told(offer.service.qualified, offer.dialect, offer.down, offer.why, why, description, same)


def offer_of(one: Told, service: Service, description: Description | None) -> Offer:
    """The offer that was told of, with its description read."""
    return Offer(service, description, one.down, one.reason, one.dialect)


def written(description: Description) -> str:
    """The description as text in ASCII.

    Python's own JSON: a schema may hold NaN, 1e400, integers of any size and lone surrogates, and all workers must
    advertise the same.
    """
    return json.dumps(msgspec.to_builtins(description), separators=(",", ":"))


def read(text: str) -> Description:
    """The description that was written so. Raises `msgspec.ValidationError` where it is none."""
    return msgspec.convert(json.loads(text), Description)
