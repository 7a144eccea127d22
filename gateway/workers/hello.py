"""What is a worker told when it begins?"""

from __future__ import annotations

from msgspec import Struct

from gateway.core.switches import Cordon
from gateway.core.told import Told


class Hello(Struct, frozen=True):
    """A worker's place among the others, and all that they know already.

    `settings` is the text of all settings, with their secrets; `host` and `port` go over them. `listeners` are the
    descriptors of the sockets to listen on, by name, and `loads` that of the memory where connections are counted. `leads` = it asks the services what they offer, for all; `begun` =
    somebody has done so. `cookies` are pairs of a cookie's name (in latin-1) and the service that has set it.
    """

    number: int
    workers: int
    pseudonym: str
    settings: str
    host: str | None
    port: int | None
    listeners: dict[str, list[int]]
    loads: int
    leads: bool
    begun: bool
    lanes: bool
    cache: bool
    cordons: dict[str, Cordon]
    told: list[Told]
    cookies: list[tuple[str, str]]


class Handed(Struct, frozen=True):
    """What every worker is started with, as long as the settings stay."""

    settings: str
    host: str | None
    port: int | None
    workers: int
    pseudonym: str


class Switched(Struct, frozen=True):
    """A change of switches: what was wished, by whom, and when (seconds since 1970)."""

    by: str
    now: float
    lanes: bool | None = None
    cache: bool | None = None
    cordon: dict[str, bool] = {}
