"""Below which path is a service reached as it is?"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Protocol

from pydantic import AfterValidator

from gateway.core.mounts import RESERVED
from gateway.settings.addresses import Address
from gateway.settings.values import refusal, text

_UNFIT = frozenset(' ?#%\\"<>^`{|}')


def mount_path(value: str) -> str:
    """The path as it is compared: `/` for the root, else without a slash at its end."""
    written = text(value)
    fix = "write a path like /files, or / for the root"
    if not written.startswith("/"):
        raise refusal("does not begin with /", fix)
    if not written.isascii() or not written.isprintable() or _UNFIT & set(written):
        raise refusal("holds a character that a mount cannot hold", fix)
    steps = written.rstrip("/").split("/")[1:]
    if any(step.partition(";")[0] in ("", ".", "..") for step in steps):
        raise refusal("has an empty step, `.` or `..`", fix)
    if steps and steps[0].encode("ascii") in RESERVED:
        raise refusal(f"`/{steps[0]}` is the gate's own address", "choose another path")
    return "/" + "/".join(steps)


MountPath = Annotated[str, AfterValidator(mount_path)]


class Port(Protocol):
    """A port of a service's own."""

    @property
    def address(self) -> Address: ...


class Mounted(Protocol):
    """What is looked at of a service."""

    @property
    def mount(self) -> str | None: ...

    @property
    def listen(self) -> Port | None: ...


def check_places(services: Iterable[tuple[tuple[str, ...], Mounted]], taken: Mapping[Address, str]) -> None:
    """Refuse two services at one mount, and two listeners at one address.

    `services` come with where they stand in the file, `taken` are the addresses of the gate's own listeners.
    """
    mounts: dict[str, str] = {}
    listeners = {address: owner for address, owner in taken.items() if address.port}
    for where, service in services:
        name = where[-1]
        if service.mount is not None:
            if service.mount in mounts:
                raise refusal(
                    f"`{mounts[service.mount]}` is mounted at {service.mount} already",
                    "give each service a mount of its own",
                    (*where, "mount"),
                )
            mounts[service.mount] = name
        address = None if service.listen is None else service.listen.address
        if address is not None and address.port:
            if address in listeners:
                raise refusal(
                    f"{listeners[address]} listens on {address} already",
                    "choose another port",
                    (*where, "listen"),
                )
            listeners[address] = f"`{name}`"
